"""What ``docker-compose.yml`` describes, as processes of this host: its commands, environment and health checks.

The addresses and folders of the containers are replaced by some of this host; all else is as the file, and the Dockerfile, have it.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.app.helpers import ROOT, LiveServer, until
from tests.app.postgres import Postgres

EXTRA_WORKER = ("python", "-m", "app.worker")  # as docs/operations.md has it


def read_compose(environment: Mapping[str, str]) -> dict[str, Any]:
    """The file, with variables filled in from ``environment``."""
    text = (ROOT / "docker-compose.yml").read_text()
    filled = re.sub(r"\$\{(\w+):-([^}]*)\}", lambda match: environment.get(match[1]) or match[2], text)
    compose: dict[str, Any] = yaml.safe_load(filled)
    return compose


def read_image() -> tuple[dict[str, str], list[str]]:
    """The environment and the command of the Dockerfile's last stage."""
    stage = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").rpartition("\nFROM ")[2]
    lines = [line.partition(" ") for line in stage.splitlines()]
    pairs = [pair.partition("=") for word, _, rest in lines if word == "ENV" for pair in shlex.split(rest)]
    (command,) = [json.loads(rest) for word, _, rest in lines if word == "CMD"]
    return {name: value for name, _, value in pairs}, command


def seconds(duration: str) -> float:
    """``15s`` -> 15."""
    return float(duration.removesuffix("s"))


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class Container:
    """A service of the file. ``at`` replaces what is an address or a folder of its container."""

    def __init__(self, service: dict[str, Any], environment: dict[str, str], at: dict[str, str]) -> None:
        self.service, self._at = service, at
        self.environment = {name: self._here(value) for name, value in environment.items()}

    def _here(self, text: str) -> str:
        for there, here in self._at.items():
            text = text.replace(there, here)
        return text

    def healthy(self) -> bool:
        """Whether the health check says so."""
        kind, *command = self.service["healthcheck"]["test"]
        assert kind == "CMD"
        limit = seconds(self.service["healthcheck"]["timeout"])
        command = [self._here(argument) for argument in command]
        try:
            done = subprocess.run(command, env=self.environment, timeout=5 * limit, capture_output=True, check=False)
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0

    def wait(self) -> None:
        """Wait as long as Compose would before it gives up, and on a machine under load for longer."""
        check = self.service["healthcheck"]
        patience = seconds(check.get("start_period", "0s")) + check["retries"] * seconds(check["interval"])
        until(self.healthy, 3 * patience, "the health check")


class Composed(LiveServer):
    """The PostgreSQL server of the file, and its service ``dpnp-cpu``."""

    def __init__(self, folder: Path, password: str) -> None:
        services = read_compose({"POSTGRES_PASSWORD": password})["services"]
        image, self.command = read_image()
        database, service = services["postgres"], services["dpnp-cpu"]
        port, database_port = free_port(), free_port()
        given = database["environment"]
        self.postgres = Postgres(given["POSTGRES_USER"], given["POSTGRES_PASSWORD"], database_port)
        self.postgres.database(given["POSTGRES_DB"])
        address = {"PGHOST": "127.0.0.1", "PGPORT": str(database_port), "PATH": f"{self.postgres.programs}:/usr/bin:/bin"}
        self.database = Container(database, address, {})
        (published,) = service["ports"]
        host, outside, inside = published.split(":")
        assert outside == inside == image["DPNP_PORT"]
        assert service["volumes"] == [f"data:{image['DPNP_DATA_DIR']}"]
        at = {
            "@postgres/": f"@127.0.0.1:{database_port}/",
            "http://127.0.0.1:8000/": f"http://127.0.0.1:{port}/",
            "/opt/dpnp/bin:$PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        }
        here = {"DPNP_PORT": str(port), "DPNP_HOST": host, "DPNP_DATA_DIR": str(folder / "data"), "HOME": str(folder)}
        here |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": os.environ["OMP_NUM_THREADS"]}
        self.container = Container(service, {**image, **service["environment"], **here}, at)
        self.url, self._folder = f"http://{host}:{port}", folder
        self.log, self.process, self.client = folder / "log", None, httpx.Client()

    def run(self, command: tuple[str, ...], log: Path) -> subprocess.Popen[bytes]:
        """A process of the service's image."""
        environment = self.container.environment
        program = str(Path(environment["PATH"].partition(":")[0]) / command[0])
        with open(log, "ab") as stream:
            return subprocess.Popen([program, *command[1:]], env=environment, cwd=self._folder, stdout=stream, stderr=stream)

    def start(self, ready: bool = True) -> None:
        """As ``docker compose up`` does, once the database is healthy."""
        self.database.wait()
        self.process = self.run(tuple(self.command), self.log)
        self.client.close()
        self.client = httpx.Client(base_url=self.url, timeout=60)
        if ready:
            self.container.wait()

    def end(self) -> None:
        """Nothing of it stays."""
        if self.process is not None:
            self.kill()
        self.client.close()
        self.postgres.remove()
