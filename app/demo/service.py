"""A service of its own for the demonstration: a process on a free loopback port, with a data folder that is deleted afterwards."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from app.demo.errors import DemoError
from app.settings import PREFIX

ROOT = Path(__file__).parents[2]
KEPT = ("PRIORS", "DEVICE", "THREADS")  # everything else has the embedded default
ADDRESS = re.compile(r"http://[\w.:\[\]]+")
START_SECONDS, STOP_SECONDS = 120.0, 30.0


@contextmanager
def running_service(prior: str) -> Iterator[str]:
    """The address of a service that has ``prior`` loaded and can take jobs; it is stopped at the end. Raises :class:`DemoError` with its last words."""
    with tempfile.TemporaryDirectory(prefix="dpnp-demo-") as folder, open(Path(folder) / "service.log", "w+b") as log:
        command = [sys.executable, "-m", "app.cli", "serve", "--host", "127.0.0.1", "--port", "0"]
        # In its own folder it finds no .env file, and in its own session Ctrl-C reaches it through us alone.
        process = subprocess.Popen(
            command, cwd=folder, env=_environment(Path(folder), prior), stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        # Being terminated unwinds like an interrupt, so that the service does not outlive the demonstration.
        before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        try:
            yield _wait_until_ready(process, Path(log.name))
        finally:
            _stop(process)
            signal.signal(signal.SIGTERM, before)


def _environment(folder: Path, prior: str) -> dict[str, str]:
    kept = {PREFIX + name for name in KEPT}
    environment = {k: v for k, v in os.environ.items() if not k.startswith(PREFIX) or k in kept}
    if PREFIX + "PRIORS" in environment:
        environment[PREFIX + "PRIORS"] = str(Path(environment[PREFIX + "PRIORS"]).resolve())
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**environment, "PYTHONPATH": path, f"{PREFIX}DATA_DIR": str(folder / "data"), f"{PREFIX}PRIOR": prior}


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise DemoError(f"the service ended with status {process.returncode} while it started:\n{_tail(log)}")
        address = ADDRESS.search(log.read_text(errors="replace"))
        if address and _is_ready(address[0]):
            return address[0]
        time.sleep(0.1)
    raise DemoError(f"the service was not ready after {START_SECONDS:g} s:\n{_tail(log)}")


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=5, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
