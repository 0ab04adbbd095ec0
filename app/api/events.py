"""Server-sent events of a job."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Annotated

import anyio
from fastapi import APIRouter, Header, Request, Response
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from app.api.bell import LONGEST_SILENCE
from app.api.links import PREFIX
from app.api.problems import responses
from app.api.service import Service, ServiceDep
from app.jobs import JobStatus
from app.store import JobNotFoundError

router = APIRouter(prefix=f"{PREFIX}/jobs", tags=["jobs"])

LastEventId = Annotated[int, Header(ge=0, le=2**63 - 1, description="resume after this event")]

EVENT = {
    "type": "object",
    "description": "one event of the stream",
    "required": ["id", "event", "data"],
    "properties": {
        "id": {"type": "string"},
        "event": {"type": "string", "enum": ["status", "progress"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}


@router.get(
    "/{job_id}/events",
    response_class=EventSourceResponse,
    responses={
        200: {"description": "events `status` and `progress`", "content": {"text/event-stream": {"schema": EVENT}}},
        **responses(404, 422, 503),
    },
)
async def events(job_id: str, request: Request, service: ServiceDep, last_event_id: LastEventId = 0) -> Response:
    """What happened and happens to the job, from its first event or after ``Last-Event-ID``; ends when the job has finished.

    ``data`` is JSON: id, status, progress, queue_position, attempt, error. Closing the connection never stops the job.
    """
    await run_in_threadpool(service.store.get, job_id)
    stopping = anyio.Event()
    return EventSourceResponse(
        _stream(service, job_id, last_event_id, stopping),
        ping=service.settings.heartbeat_seconds,
        headers={"Cache-Control": "no-store"},
        shutdown_event=stopping,
        shutdown_grace_period=2 * LONGEST_SILENCE,
    )


async def _stream(service: Service, job_id: str, last_id: int, stopping: anyio.Event) -> AsyncIterator[ServerSentEvent]:
    while not stopping.is_set():
        finished = await _finished(service, job_id)  # asked first, so that no event can slip in between
        found = await run_in_threadpool(service.store.events_after, job_id, last_id)
        for event in found:
            last_id = event.id
            yield ServerSentEvent(json.dumps(event.data), event=event.type, id=str(event.id))
            if JobStatus(event.data["status"]).finished:
                return
        if finished:
            return
        await service.bell.wait(LONGEST_SILENCE)


async def _finished(service: Service, job_id: str) -> bool:
    """True when no further event can come: the job has finished or is forgotten."""
    try:
        return (await run_in_threadpool(service.store.get, job_id)).status.finished
    except JobNotFoundError:
        return True
