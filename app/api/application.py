"""The FastAPI application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import torch
from fastapi import Depends, FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from starlette.concurrency import run_in_threadpool

import dpnp
from app.api import catalogue, events, health, jobs, results
from app.api.access import SCHEME, admit
from app.api.bell import Bell
from app.api.headers import SecurityHeaders
from app.api.problems import Problem, install, responses
from app.api.service import Service
from app.catalogue import PriorCatalogue
from app.engine import EmbeddedEngine, Engine
from app.files import Files
from app.settings import Settings
from app.store import Store
from app.uploads.sandbox import sandbox

PAGE = Path(__file__).parent.parent / "page"


def create_app(settings: Settings | None = None, engine: Engine | None = None) -> FastAPI:
    """The service. ``engine`` runs the jobs; worker processes on this host if not given."""
    settings = settings or Settings()
    files = Files(settings.data_dir)
    store = Store(settings.store_url)
    running = engine or EmbeddedEngine(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        torch.set_num_threads(1)  # the workers have the processors
        running.start()
        await run_in_threadpool(app.state.service.sandbox.start)
        yield
        app.state.service.bell.close()
        await run_in_threadpool(running.stop)
        store.close()

    app = FastAPI(title="DPnP", version=dpnp.__version__, summary=_SUMMARY, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.service = Service(settings, store, files, PriorCatalogue(settings.priors), Bell(store), sandbox())
    app.state.engine = running
    app.add_middleware(SecurityHeaders)
    install(app)
    for module in (jobs, events, results, catalogue):
        app.include_router(module.router, dependencies=[Depends(admit)], responses=responses(401))
    app.include_router(health.router)
    _add_page(app)
    _describe(app)
    return app


_SUMMARY = "Posterior samples for imaging inverse problems: a measurement goes in, samples, mean and standard deviation come back."


def _add_page(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(PAGE / "index.html", headers={"Cache-Control": "no-cache"})

    app.mount("/page", StaticFiles(directory=PAGE), name="page")


def _describe(app: FastAPI) -> None:
    """Put the model of the errors among the OpenAPI components that the routes refer to, and say how to send a key."""
    original = app.openapi

    def openapi() -> dict[str, object]:
        schema = original()
        components = schema.setdefault("components", {}).setdefault("schemas", {})
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        components.update({**problem.pop("$defs", {}), "Problem": problem})
        schema["components"]["securitySchemes"] = {"key": SCHEME}
        schema["security"] = [{}, {"key": []}]
        return schema

    app.openapi = openapi  # type: ignore[method-assign]
