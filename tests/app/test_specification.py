"""The API keeps to its OpenAPI document, whatever is asked of it: schemathesis against the live service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.app.helpers import MEASUREMENT, LiveServer, picture, post, spec

pytestmark = pytest.mark.timeout(300)

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
PHOTOGRAPH = picture(np.zeros((8, 8), dtype=np.uint8))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, priors_dir: Path) -> Iterator[LiveServer]:
    server = LiveServer(tmp_path_factory.mktemp("specification"), priors_dir, max_wait_seconds=0.1)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def finished(server: LiveServer) -> str:
    job_id: str = post(server.client).json()["id"]
    assert server.finished(job_id)["status"] == "succeeded"
    return job_id


@pytest.fixture(scope="module")
def document(server: LiveServer) -> Any:
    return schemathesis.openapi.from_url(f"{str(server.client.base_url).rstrip('/')}/openapi.json")


def every_operation(document: Any, change: Callable[[schemathesis.Case], bool], mode: GenerationMode, examples: int = 12) -> list[str]:
    """Call all operations with generated requests that ``change`` has had its way with and wanted; returns what was called."""
    called = []
    for found in document.get_all_operations():
        operation = found.ok()

        @settings(max_examples=examples, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None)
        @given(case=operation.as_strategy(generation_mode=mode))
        def ask(case: schemathesis.Case) -> None:
            if change(case):
                called.append(case.operation.label)
                check(case)

        with suppress(Unsatisfiable):  # some calls have nothing that could be wrong
            ask()
    return sorted(set(called))


def test_no_answer_is_undocumented(document: Any) -> None:
    called = every_operation(document, lambda _: True, GenerationMode.POSITIVE)
    assert len(called) == sum(len(methods) for methods in document.raw_schema["paths"].values())


def test_no_answer_to_a_wrong_request_is_undocumented(document: Any) -> None:
    assert "POST /v1/jobs" in every_operation(document, lambda _: True, GenerationMode.NEGATIVE, examples=4)


def test_no_answer_about_a_real_job_is_undocumented(document: Any, finished: str) -> None:
    def about_the_job(case: schemathesis.Case) -> bool:
        if case.method == "DELETE" or "job_id" not in case.path_parameters:
            return False
        case.path_parameters["job_id"] = finished
        return True

    assert len(every_operation(document, about_the_job, GenerationMode.POSITIVE)) == 7


def test_no_answer_to_a_real_file_is_undocumented(document: Any) -> None:
    def with_a_file(case: schemathesis.Case) -> bool:
        if not isinstance(case.body, dict):
            return False
        case.body |= {"measurement": MEASUREMENT, "image": PHOTOGRAPH, "spec": known(case.body.get("spec"))}
        return True

    assert every_operation(document, with_a_file, GenerationMode.POSITIVE) == ["POST /v1/jobs", "POST /v1/simulate"]


def known(given: Any) -> Any:
    """A generated spec that names things which exist, so that what stands beside the names is looked at."""
    if not isinstance(given, dict):
        return given
    return {**given, "prior": "tiny"} | {
        part: {**given[part], "name": spec()[part]["name"]} for part in ("operator", "sampler") if isinstance(given.get(part), dict)
    }


def check(case: schemathesis.Case) -> None:
    answer = case.call(timeout=30)
    case.validate_response(answer, checks=CHECKS)
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == ["application/problem+json"]
        assert answer.json()["status"] == answer.status_code
