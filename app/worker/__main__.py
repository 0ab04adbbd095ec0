"""``python -m app.worker``: one worker process, configured by ``DPNP_*`` like the service."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
import sys

from app.logs import set_up_logging
from app.settings import Settings

log = logging.getLogger("app.worker")


def main() -> int:
    """Work until a signal or the end of the parent process."""
    parser = argparse.ArgumentParser(prog="python -m app.worker", description=__doc__)
    parser.add_argument("--id", default=f"{socket.gethostname()}-{os.getpid()}", help="the worker's name in the store")
    parser.add_argument("--parent", type=int, help="stop when this process is no longer the parent")
    options = parser.parse_args()
    settings = Settings()
    set_up_logging(settings.log_level, settings.log_format)
    os.environ.setdefault("MPLCONFIGDIR", str(settings.data_dir.resolve() / "cache" / "matplotlib"))

    import torch

    from app.catalogue import UnknownPriorError
    from app.worker.loop import Worker
    from app.worker.memory import limit_memory
    from dpnp import PriorError

    limit_memory(settings.memory_bytes)
    torch.set_num_threads(settings.worker_threads(torch.get_num_threads()))
    worker = Worker(options.id, settings, options.parent)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.watcher.stopping.set())
    try:
        worker.main()
    except (PriorError, UnknownPriorError) as error:
        log.error("the default prior %r cannot be used: %s", settings.prior, error)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
