"""Submit, list, look at, cancel and forget jobs."""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import re
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Header, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from app.api.access import Caller
from app.api.forms import read_form
from app.api.links import PREFIX, with_links
from app.api.openapi import SUBMIT_BODY
from app.api.problems import ProblemError, responses
from app.api.service import Service, ServiceDep
from app.jobs import Job, JobPage, JobStatus
from app.problem import FieldError, SpecError

log = logging.getLogger(__name__)
router = APIRouter(prefix=f"{PREFIX}/jobs", tags=["jobs"])

KeyHeader = Annotated[str | None, Header(min_length=1, max_length=255, description="the same key never queues two jobs")]
PreferHeader = Annotated[str | None, Header(description="'wait=N': answer when the job has finished, after N seconds at the latest")]
LimitQuery = Annotated[int, Query(ge=1, le=100)]

_ACCEPTED = {"description": "The job is queued, or not finished yet"}
_FINISHED = {"description": "The job has finished while the request waited for it", "model": Job}


@router.post(
    "",
    status_code=202,
    response_model=Job,
    responses={202: _ACCEPTED, 200: _FINISHED, **responses(400, 409, 413, 415, 422, 429, 503, 507)},
    openapi_extra=SUBMIT_BODY,
)
async def submit(
    request: Request,
    response: Response,
    service: ServiceDep,
    owner: Caller,
    idempotency_key: KeyHeader = None,
    prefer: PreferHeader = None,
) -> Job:
    """Queue a job: a measurement and what to make of it."""
    form = await read_form(request, "measurement", service.settings.max_upload_bytes)
    job, new = await to_thread.run_sync(service.submit, form, idempotency_key, owner, limiter=service.intake)
    if new:
        log.info("queued: %s, prior %s", job.spec.operator.name, job.spec.prior, extra={"job": job.id})
    wait = _wanted_wait(prefer, service.settings.max_wait_seconds)
    if wait is not None:
        response.headers["Preference-Applied"] = f"wait={wait:g}"
        job = await _finished(service, job, wait)
    if job.status.finished:
        response.status_code = 200
    if not new:
        response.headers["Idempotent-Replayed"] = "true"
    response.headers["Location"] = f"{PREFIX}/jobs/{job.id}"
    return with_links(job)


def _wanted_wait(prefer: str | None, longest: float) -> float | None:
    match = re.search(r"(?:^|[,;\s])wait\s*=\s*(\d{1,9})\b", prefer or "", re.IGNORECASE)
    return None if match is None else min(float(match[1]), longest)


async def _finished(service: Service, job: Job, seconds: float) -> Job:
    """The job when it has finished, or as it is after ``seconds``."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + seconds
    while not job.status.finished and clock() < deadline:
        await service.bell.wait(deadline - clock())
        job = await run_in_threadpool(service.store.get, job.id)
    return job


@router.get("", response_model=JobPage, responses=responses(422, 503))
def list_jobs(
    service: ServiceDep,
    owner: Caller,
    limit: LimitQuery = 20,
    cursor: Annotated[str | None, Query(max_length=100, description="next_cursor of the page before")] = None,
    status: Annotated[JobStatus | None, Query(description="only jobs in this state")] = None,
) -> JobPage:
    """The caller's jobs, newest first."""
    before = None if cursor is None else _position(cursor)
    jobs, position = service.store.page(limit=limit, before=before, status=status, owner=owner)
    return JobPage(jobs=[with_links(job) for job in jobs], next_cursor=None if position is None else _cursor(position))


def _cursor(position: int) -> str:
    return base64.urlsafe_b64encode(f"before {position}".encode()).decode().rstrip("=")


def _position(cursor: str) -> int:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        match = re.fullmatch(r"before ([0-9]{1,18})", text)
    except (ValueError, binascii.Error):
        match = None
    if match is None:
        raise SpecError([FieldError("query.cursor", "is not a next_cursor that this service gave")])
    return int(match[1])


@router.get("/{job_id}", response_model=Job, responses=responses(404, 422, 503))
def get_job(job_id: str, service: ServiceDep) -> Job:
    """One job."""
    return with_links(service.store.get(job_id))


@router.get(
    "/{job_id}/running-mean.png",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}}, **responses(404, 422, 503)},
)
def running_mean(job_id: str, service: ServiceDep) -> Response:
    """The mean of the samples as they stand, while the job runs; renewed with its progress. 404 before the first iteration is done."""
    job, token = service.store.get_with_token(job_id)
    picture = None if job.status.finished else service.files.running_mean(job_id, token)
    if picture is None:
        detail = f"the job is {job.status}; {job.progress.step} of {job.progress.total} iterations are done"
        raise ProblemError(404, "no-running-mean", "No running mean", detail)
    return Response(picture, media_type="image/png", headers={"Cache-Control": "no-store"})


@router.post("/{job_id}/cancel", response_model=Job, responses=responses(404, 422, 503))
def cancel_job(job_id: str, service: ServiceDep) -> Job:
    """Cancel a job: a waiting one at once, a running one at its next denoiser call. A finished job stays as it is."""
    return with_links(service.store.cancel(job_id))


@router.delete("/{job_id}", status_code=204, response_class=Response, responses=responses(404, 409, 422, 503))
def delete_job(job_id: str, service: ServiceDep) -> None:
    """Forget a finished job and its files."""
    service.store.delete(job_id)
    service.files.remove(job_id)
