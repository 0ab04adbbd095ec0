"""The catalogue of operators, samplers and priors, and simulated measurements."""

from __future__ import annotations

import io
from typing import Annotated, Any, Literal

import numpy as np
from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

import dpnp
import operators
from app.api.forms import read_form
from app.api.links import PREFIX
from app.api.openapi import SIMULATE_BODY
from app.api.problems import responses
from app.api.service import ServiceDep

router = APIRouter(prefix=PREFIX, tags=["catalogue"])

NPY = "application/x-npy"
MEDIA_TYPES = {"npy": NPY, "npz": "application/zip"}

FormatQuery = Annotated[Literal["npy", "npz"], Query(description="npz: with what it depends on, such as a coded mask, beside y")]


class Entry(BaseModel):
    """An operator or a sampler."""

    name: str
    summary: str
    parameters: dict[str, Any] = Field(alias="schema", description="JSON Schema of the parameters")


class PriorEntry(BaseModel):
    """A prior."""

    name: str
    image_shape: tuple[int, int, int] = Field(description="channels, height, width")
    licence: str
    source: str
    summary: str
    default: bool = Field(description="taken when a spec names none")
    loaded: bool = Field(description="in a worker's memory, so that a job need not wait for its weights")


class Operators(BaseModel):
    """The operators."""

    operators: list[Entry]


class Samplers(BaseModel):
    """The samplers."""

    samplers: list[Entry]


class Priors(BaseModel):
    """The priors."""

    priors: list[PriorEntry]


@router.get("/operators")
def list_operators() -> Operators:
    """The forward models, each with the JSON Schema of its parameters."""
    names = operators.names()
    return Operators(operators=[Entry(name=n, summary=operators.summary(n), schema=operators.schema(n)) for n in names])


@router.get("/samplers")
def list_samplers() -> Samplers:
    """The samplers, each with the JSON Schema of its parameters."""
    s = dpnp.samplers
    return Samplers(samplers=[Entry(name=n, summary=s.summary(n), schema=s.schema(n)) for n in s.names()])


@router.get("/priors")
def list_priors(service: ServiceDep) -> Priors:
    """The priors, each with the shape of its images."""
    default, workers = service.settings.prior, service.store.workers_seen(service.settings.lease_seconds)
    loaded = {name for worker in workers for name in worker.priors}
    return Priors(priors=[_entry(info, default=info.name == default, loaded=info.name in loaded) for info in service.priors.all()])


def _entry(info: dpnp.PriorInfo, *, default: bool, loaded: bool) -> PriorEntry:
    return PriorEntry(
        name=info.name,
        image_shape=info.image_shape,
        licence=info.licence,
        source=info.source,
        summary=info.summary,
        default=default,
        loaded=loaded,
    )


@router.post(
    "/simulate",
    response_class=Response,
    responses={
        200: {"description": "the measurement", "content": {kind: {} for kind in MEDIA_TYPES.values()}},
        **responses(400, 413, 415, 422),
    },
    openapi_extra=SIMULATE_BODY,
)
async def simulate(request: Request, service: ServiceDep, format: FormatQuery = "npy") -> Response:
    """A measurement to try the service with, as .npy or .npz: the image, brought to the prior's shape, through the forward model."""
    form = await read_form(request, "image", service.settings.max_upload_bytes)
    model, measurement = await to_thread.run_sync(service.simulate, form, limiter=service.intake)
    stream = io.BytesIO()
    if format == "npz":
        operators.save_measurement(stream, model, measurement)
    else:
        np.save(stream, measurement.numpy(), allow_pickle=False)
    headers = {"Content-Disposition": f'attachment; filename="measurement.{format}"'}
    return Response(stream.getvalue(), media_type=MEDIA_TYPES[format], headers=headers)
