"""Who calls, and whose jobs they see. One dependency of every call under ``/v1``, so that no route can forget it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from app.api.problems import ProblemError
from app.api.service import Service, ServiceDep

SCHEME = {"type": "http", "scheme": "bearer", "description": "a key that 'dpnp keys add' made; needed when the service has keys"}


def _wanted(service: Service) -> bool:
    wanted = service.settings.auth
    return wanted == "required" or (wanted == "auto" and service.store.has_keys())


def _unauthorized(detail: str) -> ProblemError:
    return ProblemError(401, "unauthorized", "No valid API key", detail, headers={"WWW-Authenticate": "Bearer"})


def caller(request: Request, service: ServiceDep) -> str | None:
    """The id of the key that calls, or None where no keys are asked for. Raises a 401."""
    if not _wanted(service):
        return None
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise _unauthorized("this service asks for an API key; send it as 'Authorization: Bearer KEY'")
    owner = service.store.key_owner(key.strip())
    if owner is None:
        raise _unauthorized("the API key is unknown or was revoked")
    return owner


Caller = Annotated[str | None, Depends(caller)]


def admit(request: Request, service: ServiceDep, owner: Caller) -> None:
    """Let the call pass. Raises a 401, and a 404 when it is about another key's job."""
    job_id = request.path_params.get("job_id")
    if job_id is not None and owner is not None:
        service.store.check_owner(job_id, owner)
