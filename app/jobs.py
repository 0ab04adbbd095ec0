"""A job: its states, the transitions between them, and its models on the wire."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

MAX_SEED = 2**53 - 1  # the largest integer that every JSON reader keeps exactly


class JobStatus(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def finished(self) -> bool:
        """True when no transition leaves this state."""
        return not TRANSITIONS[self]


S = JobStatus
TRANSITIONS: dict[JobStatus, frozenset[JobStatus]] = {
    S.QUEUED: frozenset({S.RUNNING, S.CANCELLED}),
    S.RUNNING: frozenset({S.SUCCEEDED, S.FAILED, S.CANCELLING, S.QUEUED}),  # queued again: its worker died or stopped
    S.CANCELLING: frozenset({S.CANCELLED}),
    S.SUCCEEDED: frozenset(),
    S.FAILED: frozenset(),
    S.CANCELLED: frozenset(),
}
FINISHED = tuple(status for status in JobStatus if status.finished)
LEASED = (S.RUNNING, S.CANCELLING)


class IllegalTransitionError(RuntimeError):
    """The code asked for a transition that is not in :data:`TRANSITIONS`."""


def check_transition(source: JobStatus, target: JobStatus) -> None:
    """Raise :class:`IllegalTransitionError` unless a job may go from ``source`` to ``target``."""
    if target not in TRANSITIONS[source]:
        raise IllegalTransitionError(f"a job cannot go from {source} to {target}")


class Named(BaseModel):
    """An operator or a sampler: its name and, beside it, its parameters."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str = Field(min_length=1, max_length=100)

    @property
    def parameters(self) -> dict[str, Any]:
        """Everything but the name."""
        return dict(self.model_extra or {})


class ProblemSpec(BaseModel):
    """What ``POST /v1/simulate`` needs: a forward model and the prior that knows the image's shape."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    operator: Named = Field(description="the forward model: its name and its parameters (GET /v1/operators)")
    prior: str | None = Field(None, description="a prior's name (GET /v1/priors); the service's default if not given")
    seed: int = Field(0, ge=0, le=MAX_SEED, description="the same seed gives the same numbers")


class Spec(ProblemSpec):
    """What to sample. ``prior`` is filled in at submission."""

    n_samples: int = Field(4, ge=1, description="posterior samples to draw")
    sampler: Named = Field(Named(name="dpnp"), description="the sampler: its name and its parameters (GET /v1/samplers)")


class Progress(BaseModel):
    """Whole iterations done, of ``total``."""

    step: int
    total: int


class JobError(BaseModel):
    """Why a job failed."""

    type: str
    title: str
    detail: str


class Job(BaseModel):
    """A job as the API shows it. Times are UTC."""

    id: str
    status: JobStatus
    spec: Spec
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    progress: Progress
    queue_position: int | None = Field(description="1 is next; null once it has started")
    attempt: int = Field(description="times a worker has started it")
    error: JobError | None
    links: dict[str, str] = Field(default_factory=dict)


class JobPage(BaseModel):
    """Jobs, newest first."""

    jobs: list[Job]
    next_cursor: str | None = Field(description="pass as ?cursor= for older jobs; null on the last page")
