"""The requests of version 1 of the service, and how their answers are read. No input or output happens here."""

from __future__ import annotations

import io
import json
import uuid
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import quote

import httpx
import numpy as np
from numpy.typing import NDArray

from dpnp_client import models
from dpnp_client.errors import ProtocolError, error_class
from dpnp_client.models import (
    JobInfo,
    Prior,
    ResultInfo,
    parse_job,
    parse_named,
    parse_page,
    parse_priors,
    parse_result,
)
from dpnp_client.uploads import Upload

T = TypeVar("T")
Array = NDArray[Any]
Named = str | Mapping[str, Any]
"""An operator or a sampler: its name, or a mapping with ``name`` and parameters."""

Files = dict[str, tuple[str | None, bytes, str]]


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request and the parser of its answer."""

    method: str
    path: str
    parse: Callable[[httpx.Response], T]
    params: dict[str, str | int] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    files: Files | None = None
    gone_is_done: bool = False
    """A 404 on a retry means that the first attempt worked and its answer was lost."""


def job_path(job_id: str, *rest: str) -> str:
    """The path of a job, or of something below it. Raises ``ValueError`` for an empty id, which would be the list of jobs."""
    if not job_id:
        raise ValueError("expected a job's id, got an empty string")
    return "/".join(["/v1/jobs", quote(job_id, safe=""), *rest])


def submit(upload: Upload, spec: dict[str, Any], idempotency_key: str | None) -> Call[JobInfo]:
    """A new job. Every retry carries the same key, so that it cannot become a second job."""
    headers = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
    return Call("POST", "/v1/jobs", lambda r: parse_job(_json(r)), headers=headers, files=_parts("measurement", upload, spec))


def simulate(upload: Upload, spec: dict[str, Any]) -> Call[Array]:
    """A measurement of an image."""
    return Call("POST", "/v1/simulate", lambda r: load_npy(r.content), files=_parts("image", upload, spec))


def simulate_arrays(upload: Upload, spec: dict[str, Any]) -> Call[dict[str, Array]]:
    """A measurement of an image, with what it depends on."""
    return Call("POST", "/v1/simulate", lambda r: load_npz(r.content), params={"format": "npz"}, files=_parts("image", upload, spec))


def make_spec(*, operator: Named, **others: Any) -> dict[str, Any]:
    """A spec of what was given; the service fills in the rest."""
    named = {key: _named(others[key]) for key in ("sampler",) if others.get(key) is not None}
    return {"operator": _named(operator), **{k: v for k, v in others.items() if v is not None}, **named}


def job(job_id: str) -> Call[JobInfo]:
    """One job."""
    return Call("GET", job_path(job_id), lambda r: parse_job(_json(r)))


def jobs(cursor: str | None, limit: int) -> Call[tuple[list[JobInfo], str | None]]:
    """A page of at most ``limit`` jobs, newest first, and the next page's cursor."""
    params: dict[str, str | int] = {"limit": limit, **({"cursor": cursor} if cursor else {})}
    return Call("GET", "/v1/jobs", lambda r: parse_page(_json(r)), params=params)


def cancel(job_id: str) -> Call[JobInfo]:
    """Cancel; the job as it then stands."""
    return Call("POST", job_path(job_id, "cancel"), lambda r: parse_job(_json(r)))


def delete(job_id: str) -> Call[None]:
    """Forget a finished job."""
    return Call("DELETE", job_path(job_id), lambda r: None, gone_is_done=True)


def result(job_id: str) -> Call[ResultInfo]:
    """The JSON of a result."""
    return Call("GET", job_path(job_id, "result"), lambda r: parse_result(_json(r)))


def result_file(job_id: str, name: str) -> Call[bytes]:
    """One file of a result."""
    return Call("GET", job_path(job_id, "result", quote(name)), lambda r: r.content)


def catalogue(kind: Literal["operators", "samplers"]) -> Call[list[models.CatalogueEntry]]:
    """The forward models, or the samplers."""
    return Call("GET", f"/v1/{kind}", lambda r: parse_named(_json(r), kind))


def priors() -> Call[list[Prior]]:
    """The catalogue of priors."""
    return Call("GET", "/v1/priors", lambda r: parse_priors(_json(r)))


def check(response: httpx.Response) -> None:
    """Raise the :class:`dpnp_client.StatusError` of a response that is not a success, with the problem (RFC 9457) that it holds."""
    if response.is_success:
        return
    if response.is_redirect:
        raise ProtocolError(f"{response.url} redirects to {response.headers.get('location')}: give the client that address")
    problem = _problem(response)
    raise error_class(response.status_code)(
        status=response.status_code,
        title=str(problem.get("title") or response.reason_phrase or "error"),
        detail=str(problem.get("detail") or ""),
        errors=tuple(e if isinstance(e, dict) else {"detail": str(e)} for e in problem.get("errors") or ()),
        type=str(problem.get("type") or "about:blank"),
    )


def load_npy(content: bytes) -> Array:
    """The array of a .npy file. Raises :class:`ProtocolError` when it is not one; nothing in it is ever executed."""
    try:
        return np.asarray(np.load(io.BytesIO(content), allow_pickle=False))
    except (ValueError, EOFError, OSError) as error:
        raise ProtocolError(f"expected a .npy file, got {len(content)} bytes that numpy cannot read: {error}") from error


def load_npz(content: bytes) -> dict[str, Array]:
    """The arrays of a .npz file. Raises :class:`ProtocolError` when it is not one; nothing in it is ever executed."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return dict(arrays)
    except (ValueError, TypeError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise ProtocolError(f"expected a .npz file, got {len(content)} bytes that numpy cannot read: {error}") from error


def _parts(name: str, upload: Upload, spec: dict[str, Any]) -> Files:
    return {
        name: (upload.name, upload.content, "application/octet-stream"),
        "spec": (None, json.dumps(spec, default=_plain).encode(), "application/json"),
    }


def _plain(value: Any) -> Any:
    """Numpy's numbers and arrays as JSON."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"expected JSON values in operator and sampler, got {type(value).__name__}")


def _named(value: Named) -> dict[str, Any]:
    return {"name": value} if isinstance(value, str) else dict(value)


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError as error:
        kind = response.headers.get("content-type", "no content type")
        raise ProtocolError(f"expected JSON from {response.url}, got {kind}: is this the service's address?") from error


def _problem(response: httpx.Response) -> dict[str, Any]:
    try:
        problem = response.json()
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}
