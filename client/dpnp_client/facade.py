"""What the blocking and the asynchronous face have in common: settings, and everything that needs no input or output."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import httpx

from dpnp_client import calls
from dpnp_client.calls import Array, Call, Named
from dpnp_client.core import Core
from dpnp_client.models import JobInfo, Progress, ResultInfo
from dpnp_client.retry import RetryPolicy
from dpnp_client.uploads import Measurement, read_upload
from dpnp_client.version import __version__

TIMEOUT = httpx.Timeout(30.0, connect=10.0)
RESULT_FILES = ("mean.png", "std.png", "samples.png", "posterior.npz", "posterior.nc")


def http_settings(base_url: str, api_key: str | None, timeout: httpx.Timeout | float | None) -> dict[str, Any]:
    """Keyword arguments of both httpx clients."""
    headers = {"User-Agent": f"dpnp-client/{__version__}"}
    if api_key:
        headers["Authorization"] = f"Bearer {api_key}"
    return {"base_url": base_url, "headers": headers, "timeout": timeout}


def submit_call(
    measurement: Measurement,
    *,
    operator: Named,
    prior: str | None,
    n_samples: int | None,
    seed: int | None,
    sampler: Named | None,
    idempotency_key: str | None,
) -> Call[JobInfo]:
    """The call behind ``submit``."""
    spec = calls.make_spec(operator=operator, prior=prior, n_samples=n_samples, seed=seed, sampler=sampler)
    return calls.submit(read_upload(measurement), spec, idempotency_key)


def simulate_call(image: Measurement, *, operator: Named, prior: str | None, seed: int | None) -> Call[Array]:
    """The call behind ``simulate``."""
    return calls.simulate(read_upload(image), calls.make_spec(operator=operator, prior=prior, seed=seed))


def simulate_arrays_call(image: Measurement, *, operator: Named, prior: str | None, seed: int | None) -> Call[dict[str, Array]]:
    """The call behind ``simulate_arrays``."""
    return calls.simulate_arrays(read_upload(image), calls.make_spec(operator=operator, prior=prior, seed=seed))


class JobFace:
    """A job as it was last seen, in ``info``; the calls renew it."""

    def __init__(self, core: Core, info: JobInfo) -> None:
        self._core = core
        self.info = info

    @property
    def id(self) -> str:
        """The job's id."""
        return self.info.id

    @property
    def status(self) -> str:
        """``queued``, ``running``, ``cancelling``, ``succeeded``, ``failed`` or ``cancelled``, when last seen."""
        return self.info.status

    @property
    def progress(self) -> Progress:
        """Steps done of ``total``, when last seen."""
        return self.info.progress

    @property
    def spec(self) -> dict[str, Any]:
        """What the job samples, with the defaults filled in."""
        return self.info.spec

    @property
    def error(self) -> str | None:
        """Why the job failed."""
        return self.info.error

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.status} {self.progress.step}/{self.progress.total}>"


class ResultFace:
    """The JSON of a result, and a cache for the arrays of its ``posterior.npz``."""

    def __init__(self, core: Core, job_id: str, info: ResultInfo) -> None:
        self._core = core
        self.job_id, self.info = job_id, info
        self._arrays: dict[str, Array] | None = None

    @property
    def diagnostics(self) -> dict[str, float]:
        """Named numbers: acceptance, data residual, effective sample size ..."""
        return self.info.diagnostics

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences for people: what to doubt about this result."""
        return self.info.warnings

    @property
    def timings(self) -> dict[str, Any]:
        """Seconds spent, and when the job was queued, started and finished."""
        return self.info.timings

    @property
    def nfe(self) -> int:
        """Denoiser calls per sample."""
        return int(self.info.raw.get("nfe") or 0)

    @property
    def files(self) -> tuple[str, ...]:
        """Names that ``file`` and ``download`` know."""
        return self.info.files or RESULT_FILES

    async def _load(self) -> dict[str, Array]:
        if self._arrays is None:
            self._arrays = calls.load_npz(await self._core.call(calls.result_file(self.job_id, "posterior.npz")))
        return self._arrays

    async def _array(self, name: str) -> Array:
        arrays = await self._load()
        if name not in arrays:
            from dpnp_client.errors import ProtocolError

            raise ProtocolError(f"posterior.npz holds {', '.join(arrays)}, not {name}")
        return arrays[name]

    async def _download(self, folder: str | os.PathLike[str]) -> list[Path]:
        return await self._core.download(self.job_id, self.files, Path(folder))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of job {self.job_id}>"


def policy_for(retries: int | RetryPolicy) -> RetryPolicy:
    """A policy, or the usual one with another number of retries."""
    return retries if isinstance(retries, RetryPolicy) else RetryPolicy(retries=retries)
