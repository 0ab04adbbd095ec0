"""The result of a job and its files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi import Path as PathParameter
from fastapi.responses import FileResponse

from app.api.links import PREFIX, result_links
from app.api.problems import ProblemError, responses
from app.api.service import Service, ServiceDep
from app.files import RESULT_FILES, sample_name
from app.jobs import JobStatus

router = APIRouter(prefix=f"{PREFIX}/jobs/{{job_id}}/result", tags=["results"])

ERRORS = responses(404, 409, 422, 503)
IMMUTABLE = {"Cache-Control": "private, max-age=86400, immutable"}


def _folder(service: Service, job_id: str) -> Path:
    """The result's folder. Raises a 409 while, or because, the job has no result."""
    job, token = service.store.get_with_token(job_id)
    if job.status is JobStatus.SUCCEEDED:
        return service.files.result(job_id, token)
    if job.status.finished:
        why = f": {job.error.detail}" if job.error else ""
        raise ProblemError(409, "no-result", "The job has no result", f"the job is {job.status}{why}")
    done = f"{job.progress.step} of {job.progress.total} iterations are done"
    raise ProblemError(409, "result-not-ready", "The result is not ready", f"the job is {job.status}; {done}")


@router.get("", responses=ERRORS)
def result(job_id: str, service: ServiceDep) -> dict[str, Any]:
    """Diagnostics, timings, seed, versions, and links to the files. 409 for a job that has not succeeded."""
    summary: dict[str, Any] = json.loads((_folder(service, job_id) / "result.json").read_text())
    return {"id": job_id, **summary, "links": result_links(job_id, summary["files"])}


SampleIndex = Annotated[int, PathParameter(ge=0, le=100_000)]


@router.get("/samples/{index}.png", response_class=FileResponse, responses={200: {"content": {"image/png": {}}}, **ERRORS})
def sample(job_id: str, index: SampleIndex, service: ServiceDep) -> FileResponse:
    """One posterior sample."""
    return _file(_folder(service, job_id), sample_name(index), "image/png")


@router.get(
    "/{name}",
    response_class=FileResponse,
    responses={200: {"content": {kind: {} for kind in sorted(set(RESULT_FILES.values()))}}, **ERRORS},
)
def file(job_id: str, name: str, service: ServiceDep) -> FileResponse:
    """mean.png, std.png, samples.png, measurement.png, posterior.npz (samples, mean, std) or posterior.nc; kernel.png (mean) and
    kernels.png where the blur was unknown.
    """
    folder = _folder(service, job_id)
    if name not in RESULT_FILES:
        raise ProblemError(404, "no-such-file", "No such file", f"a result has no file {name!r}; it has {', '.join(RESULT_FILES)}")
    return _file(folder, name, RESULT_FILES[name])


def _file(folder: Path, name: str, media_type: str) -> FileResponse:
    path = folder / name
    if not path.is_file():
        raise ProblemError(404, "no-such-file", "No such file", f"this result has no file {name!r}")
    disposition = "inline" if media_type == "image/png" else "attachment"
    return FileResponse(path, media_type=media_type, filename=path.name, content_disposition_type=disposition, headers=IMMUTABLE)
