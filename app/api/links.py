"""Addresses of a job's parts."""

from __future__ import annotations

from app.jobs import Job, JobStatus

PREFIX = "/v1"


def with_links(job: Job) -> Job:
    """The job with the addresses that make sense in its state."""
    base = f"{PREFIX}/jobs/{job.id}"
    links = {"self": base, "events": f"{base}/events"}
    if not job.status.finished:
        links["cancel"] = f"{base}/cancel"
    if job.status is JobStatus.RUNNING:
        links["running_mean"] = f"{base}/running-mean.png"
    if job.status is JobStatus.SUCCEEDED:
        links["result"] = f"{base}/result"
    return job.model_copy(update={"links": links})


def result_links(job_id: str, files: list[str]) -> dict[str, str]:
    """Name -> address of every file of a result."""
    return {name: f"{PREFIX}/jobs/{job_id}/result/{name}" for name in files}
