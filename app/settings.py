"""Every setting of the service, read from ``DPNP_*`` environment variables and a ``.env`` file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "DPNP_"


class Settings(BaseSettings):
    """The service's settings; field ``data_dir`` is the variable ``DPNP_DATA_DIR``, and so on."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True)

    host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0 for every interface")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on; 0 takes a free one")
    data_dir: Path = Field(Path("data"), description="folder of the embedded database and of all files")
    database_url: str | None = Field(
        None, description="job store, such as postgresql://user:password@host/name; an SQLite file in the data folder if not given"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least severe log line that is written")
    log_format: Literal["text", "json"] = Field("text", description="log lines for people, or one JSON object per line for machines")

    auth: Literal["auto", "required", "off"] = Field(
        "auto", description="whether calls need an API key: auto once one was added (dpnp keys add), required always, off never"
    )

    prior: str = Field("faces-64", description="the prior of a request that names none; loaded before the service is ready")
    priors: Path | None = Field(None, description="folder whose sub-folders and weight files are further priors, offered by their names")
    prior_memory_bytes: int = Field(
        4 * 2**30, ge=0, description="weights that a worker keeps in memory; the least recently used priors go first, the one in use stays"
    )
    device: str = Field("auto", description="where to sample: auto, cpu, cuda, cuda:1 ...")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="inside networks; auto is bfloat16 where it is faster: GPUs that have it, CPUs with AMX"
    )
    workers: int = Field(1, ge=0, description="worker processes on this host; 0 leaves sampling to workers started elsewhere")
    threads: int = Field(0, ge=0, description="CPU threads of a worker; 0 shares the processors among the workers of this host")
    memory_bytes: int | None = Field(
        None,
        ge=2**28,
        description="memory of a worker on the CPU; a job that needs more is tried with half its batch; no limit if not given",
    )

    max_queue: int = Field(1000, ge=1, description="jobs that may wait; more are refused with 429")
    max_jobs_per_key: int = Field(100, ge=1, description="unfinished jobs that one API key may have; more are refused with 429")
    max_upload_bytes: int = Field(32 * 2**20, ge=1024, description="largest request body in bytes")
    max_pixels: int = Field(16 * 2**20, ge=1, description="largest measurement or image, in numbers (height x width x channels)")
    decode_seconds: float = Field(10, gt=0, description="processor time that decoding one upload may take")
    decode_bytes: int = Field(512 * 2**20, ge=2**20, description="memory in bytes that decoding one upload may take")
    max_n_samples: int = Field(64, ge=1, description="largest n_samples of a job")
    min_free_bytes: int = Field(64 * 2**20, ge=0, description="free disk space below which new jobs are refused with 507")
    max_wait_seconds: float = Field(60, ge=0, description="cap on the N of 'Prefer: wait=N'")
    job_seconds: float | None = Field(
        None, gt=0, description="a job that runs for longer than this, all its attempts together, fails; no limit if not given"
    )
    retention_hours: float | None = Field(
        None, gt=0, description="finished jobs and their files are forgotten after this; kept if not given"
    )

    lease_seconds: float = Field(30, gt=0, description="a worker silent for this long loses its job to another")
    max_attempts: int = Field(3, ge=1, description="times a job is started before it fails because its worker keeps dying")
    checkpoint_every: int = Field(5, ge=1, description="iterations between two checkpoints of a job")
    cancel_poll_seconds: float = Field(0.25, gt=0, description="how often a worker looks whether its job was cancelled")
    stuck_seconds: float = Field(
        60, gt=0, description="a worker that heeds neither cancel nor time limit for this long is ended and started again"
    )
    heartbeat_seconds: float = Field(
        15, gt=0, description="silence after which an event stream sends a comment to keep the connection open"
    )
    shutdown_seconds: float = Field(20, gt=0, description="time that a stopping worker gets to write its checkpoint")

    def worker_threads(self, processors: int) -> int:
        """CPU threads of each worker on a host with ``processors``: more in all would wait for each other."""
        return self.threads or max(1, processors // max(1, self.workers))

    @property
    def store_url(self) -> str:
        """The URL of the job store."""
        return self.database_url or f"sqlite:///{(self.data_dir / 'dpnp.sqlite3').resolve()}"

    def environment(self) -> dict[str, str]:
        """The settings as environment variables, for a process of the same service."""
        values = self.model_dump(mode="json")
        values["data_dir"] = str(self.data_dir.resolve())
        values["priors"] = None if self.priors is None else str(self.priors.resolve())
        return {f"{PREFIX}{key.upper()}": str(value) for key, value in values.items() if value is not None}
