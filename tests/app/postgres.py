"""A throwaway PostgreSQL server, where Debian's package ``postgresql`` or the like is installed."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.app.helpers import until

MISSING = "NOT TESTED ON POSTGRESQL: its programs initdb and postgres are not installed (on Debian: apt-get install postgresql)"


def programs() -> Path | None:
    """The folder of PostgreSQL's server programs, the newest where there are several."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    return folders[-1].parent if folders else None


class Postgres:
    """The server; ``database`` makes an empty database in it.

    It listens on a Unix socket and lets everybody in, or on a ``port`` and wants the ``password``.
    """

    def __init__(self, role: str = "dpnp", password: str = "", port: int | None = None) -> None:
        self._role, self._password, self._port = role, password, port
        found = programs()
        if found is None:
            pytest.skip(MISSING)
        self.programs = found
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # a disk under load makes every test slow
        self.folder = Path(tempfile.mkdtemp(prefix="dpnp-pg-", dir=memory))  # not pytest's folder, which is root's alone
        self._process: subprocess.Popen[bytes] | None = None
        self._made = 0
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            user = next(entry for name in ("postgres", "nobody") for entry in pwd.getpwall() if entry.pw_name == name)
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self._as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        (self.folder / "password").write_text(password + "\n")
        login = ["--auth=trust"] if port is None else ["--auth=scram-sha-256", f"--pwfile={self.folder / 'password'}"]
        options = [f"--username={role}", *login, "--encoding=UTF8", "--locale=C", "--no-sync"]
        self._run("initdb", *options, "-D", str(self.folder / "data"))
        self.start()

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self.programs / program), *arguments]
        subprocess.run(command, check=True, cwd=self.folder, stdout=subprocess.DEVNULL, **self._as)

    def start(self) -> None:
        address = ["-h", ""] if self._port is None else ["-h", "127.0.0.1", "-p", str(self._port)]
        command = [str(self.programs / "postgres"), "-D", str(self.folder / "data"), "-k", str(self.folder), *address, "-F"]
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, **self._as)
        until(self._answers, 20, "PostgreSQL")

    def _answers(self) -> bool:
        try:
            psycopg.connect(self._dsn("postgres")).close()
        except psycopg.OperationalError:
            return False
        return True

    def _dsn(self, database: str) -> str:
        if self._port is None:
            return f"postgresql://{self._role}@/{database}?host={self.folder}"
        return f"postgresql://{self._role}:{self._password}@127.0.0.1:{self._port}/{database}"

    def database(self, name: str | None = None) -> str:
        """The URL of a new, empty database, as a user would write it."""
        self._made += 1
        name = name or f"test_{self._made}"
        with psycopg.connect(self._dsn("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self._dsn(name)

    def stop(self) -> None:
        """Stop at once, as in a crash: connections break."""
        if self._process is not None:
            self._run("pg_ctl", "stop", "-m", "immediate", "-D", str(self.folder / "data"))
            self._process.wait(20)
            self._process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)
