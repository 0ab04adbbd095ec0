"""Following a job: its event stream, resumed after a dropped connection, with polling where no stream can be had."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from dpnp_client import calls
from dpnp_client.calls import Call
from dpnp_client.core import NEVER, Core, raise_unless_succeeded
from dpnp_client.errors import NoAnswerError, ProtocolError, StatusError, WaitTimeoutError
from dpnp_client.models import FINISHED, Event, JobInfo, parse_progress
from dpnp_client.progress import Display
from dpnp_client.retry import Deadline
from dpnp_client.sse import EventDecoder

SILENCE = 60.0  # seconds without even a comment (the service sends one every 15) after which a stream counts as dead
BROKEN_STREAMS = 3  # in a row, without an event between them, before polling takes over
POLL = 0.5
LAST_STRETCH = 1.0  # seconds before a deadline in which a stream is not worth opening


class Watch:
    """Follows one job. ``last_event_id`` moves on with every event, so that a new connection misses none."""

    def __init__(self, core: Core, job_id: str, last_event_id: str = "") -> None:
        self._core, self._job_id, self._last_event_id = core, job_id, last_event_id
        self._broken = 0

    async def events(self) -> AsyncGenerator[Event]:
        """The job's events, each once, until it has finished.

        A dropped connection is taken up again. Raises the error when the service stays away, or has no stream for this job.
        """
        finished_before = False  # an end without a final event is the end only if the job had finished before the connection
        while True:
            failure: NoAnswerError | None = None
            try:
                async with aclosing(self._connection(SILENCE, NEVER)) as events:
                    async for event in events:
                        yield event
                        if is_final(event):
                            return
            except NoAnswerError as error:
                failure = error
            if finished_before and failure is None:
                return
            finished_before = (await self._job(NEVER)).finished
            await self._after_break(failure)

    async def _after_break(self, failure: NoAnswerError | None) -> None:
        self._broken += 1
        if failure is not None and self._broken >= BROKEN_STREAMS:
            raise failure
        await self._core.backend.sleep(self._core.policy.backoff(self._broken - 1))

    async def states(self, deadline: Deadline) -> AsyncGenerator[JobInfo]:
        """The job whenever something changed, the last time when it has finished. Ends early when the deadline passes."""
        job = await self._job(deadline)
        yield job
        while not job.finished and not deadline.passed:
            if self._broken < BROKEN_STREAMS and deadline.remaining > LAST_STRETCH:
                async with aclosing(self._streamed(job, deadline)) as streamed:
                    async for state in streamed:
                        yield state
            else:
                await self._core.backend.sleep(min(POLL, deadline.remaining))
            job = await self._job(deadline)
            yield job

    async def _job(self, deadline: Deadline) -> JobInfo:
        return await self._core.call(calls.job(self._job_id), deadline)

    async def _streamed(self, job: JobInfo, deadline: Deadline) -> AsyncGenerator[JobInfo]:
        # Silence is cut at half of what remains, and a stream is left once less than that remains: the deadline is never overrun,
        # at the price of a few connections, each half as long as the one before.
        silence = min(SILENCE, deadline.remaining / 2)
        try:
            async with aclosing(self._connection(silence, deadline)) as events:
                async for event in events:
                    if is_final(event):
                        return
                    job = advance(job, event)
                    yield job
        except NoAnswerError:
            pass
        except (StatusError, ProtocolError):
            self._broken = BROKEN_STREAMS  # there is no stream to be had: a proxy in between, or a full service
        if silence == SILENCE:  # else it was our own impatience, which is no sign of a broken stream
            self._broken += 1
            await self._core.backend.sleep(min(self._core.policy.backoff(self._broken - 1), deadline.remaining))

    async def _connection(self, silence: float, deadline: Deadline) -> AsyncGenerator[Event]:
        """The events of one connection, after the last one seen; left when less than ``silence`` remains to the deadline."""
        async with self._core.stream(self._call(), read_timeout=silence) as response:
            if response.status_code == 204:  # the job has finished, and there is nothing after the last event seen
                return
            kind = response.headers.get("content-type", "")
            if not kind.startswith("text/event-stream"):
                raise ProtocolError(f"expected an event stream from {response.url}, got {kind or 'no content type'}")
            decoder = EventDecoder(self._last_event_id)
            async for chunk in self._core.backend.chunks(response):
                for event in decoder.feed(chunk):
                    self._last_event_id, self._broken = event.id, 0
                    yield event
                if deadline.remaining < silence:
                    return

    def _call(self) -> Call[None]:
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if self._last_event_id:
            headers["Last-Event-ID"] = self._last_event_id
        return Call("GET", calls.job_path(self._job_id, "events"), lambda r: None, headers=headers)


async def wait(core: Core, job_id: str, display: Display, deadline: Deadline) -> JobInfo:
    """The job once it has succeeded, shown on ``display`` meanwhile.

    Raises :class:`JobFailedError`, :class:`JobCancelledError`, or :class:`WaitTimeoutError` when the deadline passes; the job then goes on.
    """
    last: JobInfo | None = None
    with display:
        try:
            async with aclosing(Watch(core, job_id).states(deadline)) as states:
                async for last in states:
                    display.show(last)
        except NoAnswerError:
            if last is None or not deadline.passed:
                raise
    assert last is not None  # states yields at least once
    if not last.finished:
        raise WaitTimeoutError(f"job {job_id} is {last.status} after {deadline.seconds:g} s, and goes on", last)
    raise_unless_succeeded(last)
    return last


def advance(job: JobInfo, event: Event) -> JobInfo:
    """The job after an event, as far as the event tells."""
    try:
        progress = parse_progress(event.data["progress"]) if event.data.get("progress") else job.progress
    except (KeyError, TypeError, ValueError) as error:
        raise ProtocolError(f"expected progress in an event, got {event.data}") from error
    return replace(
        job, status=str(event.data.get("status", job.status)), progress=progress, queue_position=event.data.get("queue_position")
    )


def is_final(event: Event) -> bool:
    """Whether nothing comes after this event."""
    return event.data.get("status") in FINISHED
