"""What is tried again, with what, and what is not."""

import random
import socket
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import numpy as np
import pytest

import dpnp_client
from dpnp_client import RetryPolicy
from dpnp_client.retry import Deadline, retry_after
from tests.client.scripted import MakeClient, Reply, Script, as_json, job, problem
from tests.client.twins import QUICK

OPERATOR = {"name": "super_resolution", "factor": 4, "noise_std": 0.1}
Y = np.zeros((1, 4, 4), dtype=np.float32)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 507])
def test_a_passing_failure_is_tried_again_with_the_same_key_and_body(script: Script, client: Any, status: int) -> None:
    script.on("POST", "/v1/jobs", problem(status), problem(status), as_json(job(), 202))
    assert client.submit(Y, operator=OPERATOR).id == "j1"
    asked = script.requests("/v1/jobs")
    assert len(asked) == 3
    assert len({a.headers["idempotency-key"] for a in asked}) == 1
    assert all(Y.tobytes() in a.body for a in asked)


def test_a_broken_connection_is_tried_again_with_the_same_key(script: Script, client: Any) -> None:
    script.on("POST", "/v1/jobs", Reply(hang_up=True), as_json(job(), 202))
    assert client.submit(Y, operator=OPERATOR).id == "j1"
    assert len({a.headers["idempotency-key"] for a in script.requests("/v1/jobs")}) == 1


def test_two_submissions_have_two_keys(script: Script, client: Any) -> None:
    script.on("POST", "/v1/jobs", as_json(job(), 202))
    client.submit(Y, operator=OPERATOR)
    client.submit(Y, operator=OPERATOR)
    client.submit(Y, operator=OPERATOR, idempotency_key="mine")
    keys = [a.headers["idempotency-key"] for a in script.requests("/v1/jobs")]
    assert len(set(keys)) == 3
    assert keys[2] == "mine"


@pytest.mark.parametrize("status", [400, 401, 404, 409, 413, 415, 422])
def test_a_lasting_failure_is_not_tried_again(script: Script, client: Any, status: int) -> None:
    script.on("POST", "/v1/jobs", problem(status))
    with pytest.raises(dpnp_client.StatusError):
        client.submit(Y, operator=OPERATOR)
    assert len(script.asked) == 1


def test_a_conflict_with_the_first_copy_of_the_request_is_tried_again(script: Script, client: Any) -> None:
    script.on("POST", "/v1/jobs", problem(409, headers={"Retry-After": "0"}), as_json(job(), 202))
    assert client.submit(Y, operator=OPERATOR).id == "j1"


def test_retries_end(script: Script, make_client: MakeClient) -> None:
    script.on("GET", "/v1/jobs/j1", problem(503, "Busy", "come back"))
    with pytest.raises(dpnp_client.UnavailableError, match="come back"):
        make_client(retries=RetryPolicy(2, 0.001, 0.001)).job("j1")
    assert len(script.asked) == 3


def test_retry_after_is_waited_for(script: Script, client: Any) -> None:
    script.on("GET", "/v1/jobs/j1", problem(429, headers={"Retry-After": "0.3"}), as_json(job()))
    started = time.monotonic()
    client.job("j1")
    assert time.monotonic() - started >= 0.3


def test_a_retry_after_beyond_the_limit_is_final(script: Script, client: Any) -> None:
    script.on("GET", "/v1/jobs/j1", problem(429, headers={"Retry-After": "3600"}))
    with pytest.raises(dpnp_client.TooManyRequestsError):
        client.job("j1")
    assert len(script.asked) == 1


def test_nobody_listens(make_client: MakeClient) -> None:
    with socket.socket() as taken:  # bound but not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        client = make_client(url=f"http://127.0.0.1:{taken.getsockname()[1]}", retries=QUICK)
        with pytest.raises(dpnp_client.ConnectionFailedError, match="/v1/jobs/j1"):
            client.job("j1")


def test_a_silent_service_is_a_timeout(make_client: MakeClient) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        client = make_client(url=f"http://127.0.0.1:{silent.getsockname()[1]}", retries=1, timeout=0.05)
        with pytest.raises(TimeoutError) as caught:
            client.job("j1")
    assert isinstance(caught.value, dpnp_client.RequestTimeoutError)


def test_a_deletion_whose_answer_was_lost_is_done(script: Script, client: Any) -> None:
    script.on("GET", "/v1/jobs/j1", as_json(job("succeeded")))
    script.on("DELETE", "/v1/jobs/j1", Reply(hang_up=True), problem(404))
    client.job("j1").delete()
    assert len(script.requests("/v1/jobs/j1")) == 3


def test_a_deletion_of_an_unknown_job_is_an_error(script: Script, client: Any) -> None:
    script.on("GET", "/v1/jobs/j1", as_json(job("succeeded"))).on("DELETE", "/v1/jobs/j1", problem(404))
    with pytest.raises(dpnp_client.NotFoundError):
        client.job("j1").delete()


def test_delays_grow_and_are_spread() -> None:
    policy = RetryPolicy(retries=10, first_delay=1.0, max_delay=8.0)
    random.seed(0)
    for attempt, bound in enumerate([1, 2, 4, 8, 8, 8]):
        delays = [policy.backoff(attempt) for _ in range(400)]
        assert 0 <= min(delays) < 0.1 * bound
        assert 0.9 * bound < max(delays) <= bound


def test_both_forms_of_retry_after() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    assert retry_after(httpx.Response(429, headers={"Retry-After": "2"})) == 2
    seconds = retry_after(httpx.Response(429, headers={"Retry-After": date}))
    assert seconds is not None
    assert 3590 < seconds <= 3600


@pytest.mark.parametrize("text", ["soon", "", "-"])
def test_an_unreadable_retry_after_is_none(text: str) -> None:
    assert retry_after(httpx.Response(429, headers={"Retry-After": text})) is None


def test_bad_policies_and_deadlines_are_refused() -> None:
    with pytest.raises(ValueError, match="not negative"):
        RetryPolicy(retries=-1)
    for seconds in (-1, float("nan")):
        with pytest.raises(ValueError, match="at least 0"):
            Deadline(seconds)
