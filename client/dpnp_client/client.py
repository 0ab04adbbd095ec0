"""The blocking client."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import httpx

from dpnp_client import calls, models
from dpnp_client.backend import BlockingBackend, drive, drive_iterator
from dpnp_client.calls import Array, Named
from dpnp_client.core import Core
from dpnp_client.facade import TIMEOUT, JobFace, ResultFace, http_settings, policy_for, simulate_arrays_call, simulate_call, submit_call
from dpnp_client.models import Event, Prior
from dpnp_client.progress import display_for
from dpnp_client.retry import Deadline, RetryPolicy
from dpnp_client.uploads import Measurement
from dpnp_client.watching import Watch, wait


class Client:
    """A connection to the service at ``base_url``; a context manager.

    ``api_key``: sent when the service asks for keys. ``timeout``: seconds that one request may take. ``retries``: further attempts after
    a connection error or a 408, 429 or 5xx. ``transport``: another way to carry requests, such as ``httpx.MockTransport``.

    ``AsyncClient`` has the same methods as coroutines.
    """

    def __init__(
        self,
        base_url: str = "http://localhost:8000",
        api_key: str | None = None,
        *,
        timeout: httpx.Timeout | float | None = TIMEOUT,
        retries: int | RetryPolicy = 4,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        http = httpx.Client(**http_settings(base_url, api_key, timeout), transport=transport)
        self._core = Core(BlockingBackend(http), policy_for(retries))

    def submit(
        self,
        measurement: Measurement,
        *,
        operator: Named,
        prior: str | None = None,
        n_samples: int | None = None,
        seed: int | None = None,
        sampler: Named | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
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
        return Job(self._core, drive(self._core.call(call)))

    def simulate(self, image: Measurement, *, operator: Named, prior: str | None = None, seed: int | None = None) -> Array:
        """A measurement of ``image`` (cropped and scaled to the prior's shape) to try the service with."""
        return drive(self._core.call(simulate_call(image, operator=operator, prior=prior, seed=seed)))

    def simulate_arrays(
        self, image: Measurement, *, operator: Named, prior: str | None = None, seed: int | None = None
    ) -> dict[str, Array]:
        """As ``simulate``, with what the measurement ``y`` depends on beside it, such as a coded ``mask``. ``submit`` takes it as it is."""
        return drive(self._core.call(simulate_arrays_call(image, operator=operator, prior=prior, seed=seed)))

    def job(self, job_id: str) -> Job:
        """The job with this id. Raises :class:`NotFoundError`."""
        return Job(self._core, drive(self._core.call(calls.job(job_id))))

    def jobs(self, limit: int | None = None) -> list[Job]:
        """The newest ``limit`` jobs, newest first; all without a limit."""
        return [Job(self._core, info) for info in drive(self._core.jobs(limit))]

    def operators(self) -> list[models.CatalogueEntry]:
        """The forward models that the service knows."""
        return drive(self._core.call(calls.catalogue("operators")))

    def samplers(self) -> list[models.CatalogueEntry]:
        """The samplers that the service knows."""
        return drive(self._core.call(calls.catalogue("samplers")))

    def priors(self) -> list[Prior]:
        """The priors that the service offers."""
        return drive(self._core.call(calls.priors()))

    def close(self) -> None:
        """Close the connections."""
        drive(self._core.backend.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Job(JobFace):
    """A job of the service."""

    def wait(self, progress: bool = True, timeout: float | None = None) -> Result:
        """Wait for the result, with a live progress bar. Losing the connection does not stop the job, and it is taken up again.

        Raises :class:`WaitTimeoutError` after ``timeout`` seconds (the job goes on), :class:`JobFailedError`,
        :class:`JobCancelledError`.
        """
        self.info = drive(wait(self._core, self.id, display_for(progress), Deadline(timeout)))
        return self.result()

    def refresh(self) -> Self:
        """Ask the service how the job stands."""
        self.info = drive(self._core.call(calls.job(self.id)))
        return self

    def cancel(self) -> Self:
        """Cancel the job; nothing happens to one that has finished."""
        self.info = drive(self._core.call(calls.cancel(self.id)))
        return self

    def delete(self) -> None:
        """Make the service forget this finished job and its files."""
        drive(self._core.call(calls.delete(self.id)))

    def result(self) -> Result:
        """The result. Raises :class:`JobNotFinishedError`, :class:`JobFailedError` or :class:`JobCancelledError`."""
        self.info = drive(self._core.succeeded(self.info))
        return Result(self._core, self.id, drive(self._core.call(calls.result(self.id))))

    def events(self, last_event_id: str = "") -> Iterator[Event]:
        """Progress and changes of state as they happen, until the job has finished; with an id, those after it."""
        return drive_iterator(Watch(self._core, self.id, last_event_id).events())


class Result(ResultFace):
    """A posterior; the arrays are loaded when first asked for."""

    @property
    def samples(self) -> Array:
        """Posterior samples (n, C, H, W), in [-1, 1] scale."""
        return drive(self._array("samples"))

    @property
    def mean(self) -> Array:
        """Posterior mean (C, H, W)."""
        return drive(self._array("mean"))

    @property
    def std(self) -> Array:
        """Posterior standard deviation per pixel (C, H, W)."""
        return drive(self._array("std"))

    def file(self, name: str) -> bytes:
        """The contents of one of the result's files, such as ``mean.png``."""
        return drive(self._core.call(calls.result_file(self.job_id, name)))

    def download(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Save all files of the result in ``folder``; returns their paths."""
        return drive(self._download(folder))
