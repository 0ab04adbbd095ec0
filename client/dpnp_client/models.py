"""What travels over the wire, as frozen values. Fields that a newer service adds are ignored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dpnp_client.errors import ProtocolError

FINISHED = frozenset({"succeeded", "failed", "cancelled"})


@dataclass(frozen=True)
class Progress:
    """Whole steps done, of ``total``."""

    step: int
    total: int


@dataclass(frozen=True)
class JobInfo:
    """A job as the service last told it. Times are aware datetimes; ``error`` says why a job failed."""

    id: str
    status: str
    spec: dict[str, Any]
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    progress: Progress = Progress(0, 0)
    queue_position: int | None = None
    attempt: int = 0
    error: str | None = None
    links: dict[str, str] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """Whether the job will not change any more."""
        return self.status in FINISHED


@dataclass(frozen=True)
class CatalogueEntry:
    """An operator or a sampler of the catalogue; ``parameters`` is the JSON Schema of what it takes."""

    name: str
    summary: str
    parameters: dict[str, Any]


@dataclass(frozen=True)
class Prior:
    """A prior of the catalogue; ``image_shape`` is (C, H, W); ``default``: taken when none is named;
    ``loaded``: in a worker's memory.
    """

    name: str
    image_shape: tuple[int, int, int]
    summary: str
    licence: str
    source: str
    default: bool = False
    loaded: bool = False


@dataclass(frozen=True)
class Event:
    """One server-sent event of a job: ``type`` names it, ``data`` is its JSON, ``id`` resumes after it."""

    id: str
    type: str
    data: dict[str, Any]


@dataclass(frozen=True)
class ResultInfo:
    """The JSON of a result: named numbers, timings (seconds, and moments as text), the names of its files; ``raw`` is all of it."""

    diagnostics: dict[str, float]
    warnings: tuple[str, ...]
    timings: dict[str, Any]
    files: tuple[str, ...]
    raw: dict[str, Any]


def parse_job(data: Any) -> JobInfo:
    """A job from its JSON. Raises :class:`ProtocolError` when a promised field is absent or of another type."""
    job = _mapping(data, "a job")
    try:
        return JobInfo(
            id=str(job["id"]),
            status=str(job["status"]),
            spec=dict(job["spec"]),
            created_at=_time(job.get("created_at")),
            started_at=_time(job.get("started_at")),
            finished_at=_time(job.get("finished_at")),
            progress=parse_progress(job.get("progress")),
            queue_position=job.get("queue_position"),
            attempt=int(job.get("attempt") or 0),
            error=_reason(job.get("error")),
            links=dict(job.get("links") or {}),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ProtocolError(f"expected a job, got {_shown(data)} ({error!r})") from error


def parse_progress(data: Any) -> Progress:
    """Progress from its JSON; none known is (0, 0)."""
    return Progress(int(data["step"]), int(data["total"])) if data else Progress(0, 0)


def parse_page(data: Any) -> tuple[list[JobInfo], str | None]:
    """A page of jobs and the cursor of the next page."""
    page = _mapping(data, "a page of jobs")
    return [parse_job(job) for job in _rows(page, "jobs")], page.get("next_cursor")


def parse_named(data: Any, key: str) -> list[CatalogueEntry]:
    """The catalogue of ``key``: operators or samplers."""
    rows = [_mapping(row, f"one of the {key}") for row in _rows(data, key)]
    return [CatalogueEntry(str(r.get("name")), str(r.get("summary") or ""), dict(r.get("parameters") or {})) for r in rows]


def parse_priors(data: Any) -> list[Prior]:
    """The catalogue of priors."""
    return [_prior(_mapping(row, "a prior")) for row in _rows(data, "priors")]


def _prior(row: Mapping[str, Any]) -> Prior:
    try:
        c, h, w = (int(n) for n in row["image_shape"])
        summary, licence, source = (str(row.get(key) or "") for key in ("summary", "licence", "source"))
        return Prior(str(row["name"]), (c, h, w), summary, licence, source, bool(row.get("default")), bool(row.get("loaded")))
    except (KeyError, TypeError, ValueError) as error:
        raise ProtocolError(f"expected a prior, got {_shown(row)} ({error!r})") from error


def parse_result(data: Any) -> ResultInfo:
    """The JSON of a result."""
    result = _mapping(data, "a result")
    return ResultInfo(
        diagnostics=dict(result.get("diagnostics") or {}),
        warnings=tuple(map(str, result.get("warnings") or ())),
        timings=dict(result.get("timings") or {}),
        files=_file_names(result.get("links") or result.get("files") or {}),
        raw=dict(result),
    )


def _file_names(files: Any) -> tuple[str, ...]:
    """File names below ``/result/`` from a mapping to links or a list of links or names."""
    links = files.values() if isinstance(files, Mapping) else files
    flat = [link for value in links for link in (value if isinstance(value, list) else [value])]
    names = [str(link).rpartition("/result/")[2] for link in flat if "/result/" in str(link) or "://" not in str(link)]
    return tuple(dict.fromkeys(name for name in names if name and not name.startswith("/")))


def _rows(data: Any, key: str) -> list[Any]:
    rows = data.get(key) if isinstance(data, Mapping) else data
    if not isinstance(rows, list):
        raise ProtocolError(f"expected a list of {key}, got {_shown(data)}")
    return rows


def _mapping(data: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(data, Mapping):
        raise ProtocolError(f"expected {what}, got {_shown(data)}")
    return data


def _time(value: Any) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


def _reason(error: Any) -> str | None:
    if isinstance(error, Mapping):
        return ": ".join(str(error[key]) for key in ("title", "detail") if error.get(key)) or str(dict(error))
    return None if error is None else str(error)


def _shown(data: Any) -> str:
    text = repr(data)
    return text if len(text) <= 200 else text[:200] + " ..."
