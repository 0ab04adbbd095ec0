"""What both clients do, written once over a :class:`dpnp_client.backend.Backend`."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import httpx

from dpnp_client import calls
from dpnp_client.backend import Backend
from dpnp_client.calls import Call
from dpnp_client.errors import (
    ConnectionFailedError,
    JobCancelledError,
    JobFailedError,
    JobNotFinishedError,
    NoAnswerError,
    ProtocolError,
    RequestTimeoutError,
)
from dpnp_client.models import JobInfo
from dpnp_client.retry import Deadline, RetryPolicy

T = TypeVar("T")
NEVER = Deadline(None)
LARGEST_PAGE = 100
LEAST_TIMEOUT = 1.0  # seconds that a request gets even when its deadline is nearer


class Core:
    """Sends calls with retries, and walks pages and files."""

    def __init__(self, backend: Backend, policy: RetryPolicy) -> None:
        self.backend = backend
        self.policy = policy

    async def call(self, call: Call[T], deadline: Deadline = NEVER) -> T:
        """The parsed answer of ``call``, after as many attempts as the policy allows before ``deadline``.

        Raises :class:`StatusError`, :class:`NoAnswerError` or :class:`ProtocolError`.
        """
        response, attempt = await self._answer(call, deadline, stream=False)
        if call.gone_is_done and attempt and response.status_code == 404:
            return call.parse(response)
        calls.check(response)
        return call.parse(response)

    @asynccontextmanager
    async def stream(self, call: Call[T], *, read_timeout: float | None = None) -> AsyncIterator[httpx.Response]:
        """The successful response of ``call`` before its body; ``read_timeout`` bounds the silence between two pieces of it."""
        response, _ = await self._answer(call, NEVER, stream=True, read_timeout=read_timeout)
        try:
            if not response.is_success:
                await self.backend.read(response)
                calls.check(response)
            yield response
        except httpx.TransportError as error:
            raise _no_answer(error, response.request) from error
        finally:
            await self.backend.release(response)

    async def _answer(
        self, call: Call[Any], deadline: Deadline, *, stream: bool, read_timeout: float | None = None
    ) -> tuple[httpx.Response, int]:
        attempt = 0
        while True:
            request = self._request(call, deadline, read_timeout)
            try:
                response = await self.backend.send(request, stream=stream)
            except (httpx.LocalProtocolError, httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
                raise ConnectionFailedError(f"cannot send to {request.url}: {error}") from error
            except httpx.TransportError as error:
                delay = self.policy.delay_after_error(attempt)
                if delay is None or delay >= deadline.remaining:
                    raise _no_answer(error, request) from error
            else:
                delay = self.policy.delay_after_response(attempt, response)
                if delay is None or delay >= deadline.remaining:
                    return response, attempt
                await self.backend.release(response)
            await self.backend.sleep(delay)
            attempt += 1

    def _request(self, call: Call[Any], deadline: Deadline, read_timeout: float | None) -> httpx.Request:
        usual = self.backend.http.timeout.as_dict()
        wanted = usual if read_timeout is None else {**usual, "read": read_timeout}
        bound = {key: _shorter(value, deadline.remaining) for key, value in wanted.items()}
        return self.backend.http.build_request(
            call.method, call.path, params=call.params, headers=call.headers, files=call.files, timeout=httpx.Timeout(**bound)
        )

    async def jobs(self, limit: int | None) -> list[JobInfo]:
        """The newest ``limit`` jobs, or all."""
        found: list[JobInfo] = []
        cursor: str | None = None
        while limit is None or len(found) < limit:
            page, cursor = await self.call(calls.jobs(cursor, _page_size(limit, len(found))))
            found += page
            if not cursor:
                break
        return found[:limit]

    async def succeeded(self, info: JobInfo) -> JobInfo:
        """The job, if it has a result. Raises :class:`JobFailedError`, :class:`JobCancelledError` or :class:`JobNotFinishedError`."""
        current = info if info.finished else await self.call(calls.job(info.id))
        raise_unless_succeeded(current)
        return current

    async def download(self, job_id: str, names: tuple[str, ...], folder: Path) -> list[Path]:
        """Fetch files of a result into ``folder``; each appears whole or not at all."""
        return [await self._download_one(job_id, name, folder) for name in names]

    async def _download_one(self, job_id: str, name: str, folder: Path) -> Path:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name:
            raise ProtocolError(f"the service names a file outside of its result: {name!r}")
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(target.name + ".partial")
        content = await self.call(calls.result_file(job_id, name))
        partial.write_bytes(content)
        os.replace(partial, target)
        return target


def _page_size(limit: int | None, have: int) -> int:
    return LARGEST_PAGE if limit is None else min(LARGEST_PAGE, limit - have)


def raise_unless_succeeded(job: JobInfo) -> None:
    """Raise the :class:`JobError` of a job without a result."""
    if job.status == "failed":
        raise JobFailedError(f"job {job.id} failed: {job.error or 'the service gave no reason'}", job)
    if job.status == "cancelled":
        raise JobCancelledError(f"job {job.id} was cancelled" + (f": {job.error}" if job.error else ""), job)
    if job.status != "succeeded":
        raise JobNotFinishedError(f"job {job.id} is {job.status}, step {job.progress.step} of {job.progress.total}", job)


def _no_answer(error: httpx.TransportError, request: httpx.Request) -> NoAnswerError:
    cls = RequestTimeoutError if isinstance(error, httpx.TimeoutException) else ConnectionFailedError
    return cls(f"no answer from {request.url.copy_with(query=None)}: {str(error) or type(error).__name__}")


def _shorter(timeout: float | None, remaining: float) -> float | None:
    if remaining == float("inf"):
        return timeout
    bound = max(remaining, LEAST_TIMEOUT)
    return bound if timeout is None else min(timeout, bound)
