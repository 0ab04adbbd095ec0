"""The asynchronous client, for asyncio. Every method says more in its twin in :mod:`dpnp_client.client`."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Awaitable
from pathlib import Path
from typing import Self

import httpx

from dpnp_client import calls, models
from dpnp_client.backend import AsyncioBackend
from dpnp_client.calls import Array, Named
from dpnp_client.core import Core
from dpnp_client.facade import TIMEOUT, JobFace, ResultFace, http_settings, policy_for, simulate_arrays_call, simulate_call, submit_call
from dpnp_client.models import Event, Prior
from dpnp_client.progress import display_for
from dpnp_client.retry import Deadline, RetryPolicy
from dpnp_client.uploads import Measurement
from dpnp_client.watching import Watch, wait


class AsyncClient:
    """A connection to the service at ``base_url``; an asynchronous context manager.

    ``api_key``: sent when the service asks for keys. ``timeout``: seconds that one request may take. ``retries``: further attempts after
    a connection error or a 408, 429 or 5xx. ``transport``: another way to carry requests, such as ``httpx.MockTransport``.

    The methods of ``Client`` as coroutines.
    """

    def __init__(
        self,
        base_url: str = "http://localhost:8000",
        api_key: str | None = None,
        *,
        timeout: httpx.Timeout | float | None = TIMEOUT,
        retries: int | RetryPolicy = 4,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        http = httpx.AsyncClient(**http_settings(base_url, api_key, timeout), transport=transport)
        self._core = Core(AsyncioBackend(http), policy_for(retries))

    async def submit(
        self,
        measurement: Measurement,
        *,
        operator: Named,
        prior: str | None = None,
        n_samples: int | None = None,
        seed: int | None = None,
        sampler: Named | None = None,
        idempotency_key: str | None = None,
    ) -> AsyncJob:
        """Send a measurement to be sampled; returns at once.

        ``measurement``: a path (.npy, .npz, .png, .jpg, .tif), an open binary file, an array, or arrays by name (``y``, and a ``mask``
        where there is one), in [-1, 1] scale.
        ``operator`` and ``sampler``: a name, or a mapping with ``name`` and parameters. What is not given, the service chooses.
        Sent again by a retry, it is still one job; ``idempotency_key`` extends that over calls of your own.
        """
        call = submit_call(
            measurement,
            operator=operator,
            prior=prior,
            n_samples=n_samples,
            seed=seed,
            sampler=sampler,
            idempotency_key=idempotency_key,
        )
        return AsyncJob(self._core, await self._core.call(call))

    async def simulate(self, image: Measurement, *, operator: Named, prior: str | None = None, seed: int | None = None) -> Array:
        """A measurement of ``image`` (cropped and scaled to the prior's shape) to try the service with."""
        return await self._core.call(simulate_call(image, operator=operator, prior=prior, seed=seed))

    async def simulate_arrays(
        self, image: Measurement, *, operator: Named, prior: str | None = None, seed: int | None = None
    ) -> dict[str, Array]:
        """As ``simulate``, with what the measurement ``y`` depends on beside it, such as a coded ``mask``. ``submit`` takes it as it is."""
        return await self._core.call(simulate_arrays_call(image, operator=operator, prior=prior, seed=seed))

    async def job(self, job_id: str) -> AsyncJob:
        """The job with this id. Raises :class:`NotFoundError`."""
        return AsyncJob(self._core, await self._core.call(calls.job(job_id)))

    async def jobs(self, limit: int | None = None) -> list[AsyncJob]:
        """The newest ``limit`` jobs, newest first; all without a limit."""
        return [AsyncJob(self._core, info) for info in await self._core.jobs(limit)]

    async def operators(self) -> list[models.CatalogueEntry]:
        """The forward models that the service knows."""
        return await self._core.call(calls.catalogue("operators"))

    async def samplers(self) -> list[models.CatalogueEntry]:
        """The samplers that the service knows."""
        return await self._core.call(calls.catalogue("samplers"))

    async def priors(self) -> list[Prior]:
        """The priors that the service offers."""
        return await self._core.call(calls.priors())

    async def close(self) -> None:
        """Close the connections."""
        await self._core.backend.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class AsyncJob(JobFace):
    """A job of the service."""

    async def wait(self, progress: bool = True, timeout: float | None = None) -> AsyncResult:
        """Wait for the result, with a live progress bar. Losing the connection does not stop the job, and it is taken up again.

        Raises :class:`WaitTimeoutError` after ``timeout`` seconds (the job goes on), :class:`JobFailedError`,
        :class:`JobCancelledError`.
        """
        self.info = await wait(self._core, self.id, display_for(progress), Deadline(timeout))
        return await self.result()

    async def refresh(self) -> Self:
        """Ask the service how the job stands."""
        self.info = await self._core.call(calls.job(self.id))
        return self

    async def cancel(self) -> Self:
        """Cancel the job; nothing happens to one that has finished."""
        self.info = await self._core.call(calls.cancel(self.id))
        return self

    async def delete(self) -> None:
        """Make the service forget this finished job and its files."""
        await self._core.call(calls.delete(self.id))

    async def result(self) -> AsyncResult:
        """The result. Raises :class:`JobNotFinishedError`, :class:`JobFailedError` or :class:`JobCancelledError`."""
        self.info = await self._core.succeeded(self.info)
        return AsyncResult(self._core, self.id, await self._core.call(calls.result(self.id)))

    def events(self, last_event_id: str = "") -> AsyncGenerator[Event]:
        """Progress and changes of state as they happen, until the job has finished; with an id, those after it."""
        return Watch(self._core, self.id, last_event_id).events()


class AsyncResult(ResultFace):
    """A posterior; the arrays are loaded when first awaited: ``samples = await result.samples``."""

    @property
    def samples(self) -> Awaitable[Array]:
        """Posterior samples (n, C, H, W), in [-1, 1] scale."""
        return self._array("samples")

    @property
    def mean(self) -> Awaitable[Array]:
        """Posterior mean (C, H, W)."""
        return self._array("mean")

    @property
    def std(self) -> Awaitable[Array]:
        """Posterior standard deviation per pixel (C, H, W)."""
        return self._array("std")

    async def file(self, name: str) -> bytes:
        """The contents of one of the result's files, such as ``mean.png``."""
        return await self._core.call(calls.result_file(self.job_id, name))

    async def download(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Save all files of the result in ``folder``; returns their paths."""
        return await self._download(folder)
