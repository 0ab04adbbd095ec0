"""The service as a process, and what its processes use."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from app.settings import Settings

ROOT = Path(__file__).parents[2]
ADDRESS = re.compile(r"http://[\w.:]+")
START_SECONDS = 180


@dataclass(frozen=True)
class Usage:
    """What a process uses: resident memory in MiB, processor seconds so far."""

    memory: float
    cpu: float

    @classmethod
    def of(cls, pid: int) -> Usage:
        """Read from /proc."""
        status = Path(f"/proc/{pid}/status").read_text()
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks = int(fields[11]) + int(fields[12])
        return cls(int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024, ticks / os.sysconf("SC_CLK_TCK"))


@dataclass(frozen=True)
class Server:
    """A running service with one worker."""

    url: str
    settings: Settings
    api: int
    worker: int


@contextmanager
def serving(settings: Settings) -> Iterator[Server]:
    """Start the service and wait for its worker; stop it at the end."""
    log = settings.data_dir.parent / "log"
    environment = {**os.environ, **settings.environment(), "PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"}
    with open(log, "wb") as stream:
        command = [sys.executable, "-m", "app.cli", "serve"]
        process = subprocess.Popen(command, env=environment, stdout=stream, stderr=stream, cwd=log.parent)
    try:
        url = _until_ready(process, log)
        yield Server(url, settings, process.pid, _worker(process.pid))
    finally:
        process.terminate()
        process.wait()


def _until_ready(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        found = ADDRESS.search(log.read_text())
        if found and httpx.get(f"{found[0]}/healthz", timeout=30).is_success and httpx.get(f"{found[0]}/readyz", timeout=30).is_success:
            return found[0]
        time.sleep(0.2)
    raise RuntimeError(f"the service does not start:\n{log.read_text()[-2000:]}")


def _worker(api: int) -> int:
    children = [pid for task in Path(f"/proc/{api}/task").iterdir() for pid in (task / "children").read_text().split()]
    return next(int(pid) for pid in children if b"app.worker" in Path(f"/proc/{pid}/cmdline").read_bytes())
