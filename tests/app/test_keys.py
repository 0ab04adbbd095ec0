"""API keys: who gets in, and whose jobs they see."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from app.api import create_app
from app.store import KeyExistsError, KeyNotFoundError, Store
from dpnp_client import AsyncClient, AuthenticationError
from tests.app.answers import files_of, folders, problem, store_of
from tests.app.conftest import MakeSettings
from tests.app.helpers import Idle, post

JOB_CALLS = [
    ("GET", ""),
    ("GET", "/events"),
    ("GET", "/running-mean.png"),
    ("GET", "/result"),
    ("GET", "/result/mean.png"),
    ("GET", "/result/samples/0.png"),
    ("GET", "/result/posterior.npz"),
    ("POST", "/cancel"),
    ("DELETE", ""),
]
OTHER_CALLS = [("GET", "/v1/operators"), ("GET", "/v1/priors"), ("GET", "/v1/samplers"), ("POST", "/v1/simulate")]
OTHER_CALLS += [("GET", "/v1/jobs"), ("POST", "/v1/jobs")]


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def alice(client: TestClient) -> dict[str, str]:
    """Headers of a key; from now on every call needs one."""
    return bearer(store_of(client).add_key("alice"))


@pytest.fixture
def bob(client: TestClient) -> dict[str, str]:
    return bearer(store_of(client).add_key("bob"))


def finished_job(client: TestClient, headers: dict[str, str]) -> str:
    """A job with a result that consists of one picture."""
    job_id: str = post(client, headers=headers).json()["id"]
    held = store_of(client).claim("w", 100)
    assert held is not None
    folder = files_of(client).begin_result(job_id, held.token)
    (folder / "mean.png").write_bytes(b"picture")
    files_of(client).publish_result(job_id, held.token)
    assert store_of(client).succeed(held)
    return job_id


def test_a_key_is_what_was_made_and_nothing_near_it(store: Store) -> None:
    assert not store.has_keys()
    key, other = store.add_key("a"), store.add_key("b")
    ids = {row.name: row.id for row in store.list_keys()}
    assert (store.key_owner(key), store.key_owner(other)) == (ids["a"], ids["b"])
    mixed = "_".join([*key.split("_")[:2], other.split("_", 2)[2]])
    for wrong in (mixed, key[:-1], key + "x", key.removeprefix("dpnp"), "x" + key, key.upper(), f"dpnp_{ids['a']}_", "dpnp__", "", "é"):
        assert store.key_owner(wrong) is None, wrong


def test_a_revoked_key_opens_nothing_and_the_others_still_do(store: Store) -> None:
    key, other = store.add_key("a"), store.add_key("b")
    store.revoke_key("a")
    first = store.list_keys()[0].revoked_at
    store.revoke_key("a")
    assert first is not None
    assert [row.revoked_at for row in store.list_keys()] == [first, None]
    assert store.key_owner(key) is None
    assert store.key_owner(other) is not None
    with pytest.raises(KeyNotFoundError, match="'c'"):
        store.revoke_key("c")
    with pytest.raises(KeyExistsError, match="'a'"):
        store.add_key("a")


def test_the_database_holds_no_secret(store: Store) -> None:
    key = store.add_key("a")
    with store._read() as connection:
        row = connection.execute(sa.text("SELECT * FROM api_keys")).mappings().one()
    secret = key.split("_", 2)[2]
    assert len(secret) == 43
    assert not any(secret in str(value) for value in row.values())


@pytest.mark.parametrize(("method", "path"), [*OTHER_CALLS, *((method, f"/v1/jobs/x{end}") for method, end in JOB_CALLS)])
@pytest.mark.usefixtures("alice")
def test_every_call_needs_a_key_once_there_is_one(client: TestClient, method: str, path: str) -> None:
    for headers in ({}, bearer("dpnp_0_0"), {"Authorization": "Basic dTpw"}, {"Authorization": "Bearer "}):
        answer = client.request(method, path, headers=headers)
        problem(answer, 401)
        assert answer.headers["www-authenticate"] == "Bearer"


def test_these_are_all_the_calls(client: TestClient) -> None:
    """A new call must be added to the lists above."""
    document = client.get("/openapi.json").json()["paths"]
    calls = {(method.upper(), path) for path, methods in document.items() for method in methods if path.startswith("/v1/")}
    named = {"/result/mean.png": "/result/{name}", "/result/samples/0.png": "/result/samples/{index}.png"}
    expected = {(method, "/v1/jobs/{job_id}" + named.get(end, end)) for method, end in JOB_CALLS if not end.endswith("npz")}
    assert calls == expected | set(OTHER_CALLS)
    assert all("401" in document[path][method.lower()]["responses"] for method, path in calls)


def test_the_right_key_gets_in(client: TestClient, alice: dict[str, str]) -> None:
    for path in ("/v1/operators", "/v1/priors", "/v1/samplers", "/v1/jobs"):
        assert client.get(path, headers=alice).status_code == 200
        assert client.get(path, headers={"Authorization": alice["Authorization"].replace("Bearer", "bearer")}).status_code == 200
    assert post(client, headers=alice).status_code == 202


@pytest.mark.usefixtures("alice")
def test_the_page_and_the_health_need_no_key(client: TestClient) -> None:
    for path in ("/", "/page/app.js", "/openapi.json", "/healthz", "/metrics"):
        assert client.get(path).status_code == 200


@pytest.mark.parametrize(("method", "end"), JOB_CALLS)
def test_another_keys_job_does_not_exist(client: TestClient, alice: dict[str, str], bob: dict[str, str], method: str, end: str) -> None:
    job_id = finished_job(client, alice)
    theirs = problem(client.request(method, f"/v1/jobs/{job_id}{end}", headers=bob), 404)
    none = problem(client.request(method, f"/v1/jobs/{'0' * 24}{end}", headers=bob), 404)
    assert theirs == {**none, "detail": theirs["detail"]}
    assert theirs["detail"].replace(job_id, "0" * 24) == none["detail"]
    assert client.get(f"/v1/jobs/{job_id}", headers=alice).json()["status"] == "succeeded"
    assert client.get(f"/v1/jobs/{job_id}/result/mean.png", headers=alice).content == b"picture"


def test_the_python_client_sends_its_key(client: TestClient, alice: dict[str, str], bob: dict[str, str]) -> None:
    async def jobs(headers: dict[str, str]) -> list[str]:
        key = headers.get("Authorization", "").removeprefix("Bearer ") or None
        transport = httpx.ASGITransport(client.app)
        async with AsyncClient("http://testserver", api_key=key, transport=transport, retries=0) as service:
            return [job.id for job in await service.jobs()]

    hers = post(client, headers=alice).json()["id"]
    assert asyncio.run(jobs(alice)) == [hers]
    assert asyncio.run(jobs(bob)) == []
    with pytest.raises(AuthenticationError, match="API key"):
        asyncio.run(jobs({}))


def test_lists_hold_the_callers_jobs_alone(client: TestClient, alice: dict[str, str], bob: dict[str, str]) -> None:
    hers = [post(client, headers=alice).json()["id"] for _ in range(3)]
    his = post(client, headers=bob).json()["id"]
    first = client.get("/v1/jobs?limit=2", headers=alice).json()
    second = client.get("/v1/jobs", params={"cursor": first["next_cursor"]}, headers=alice).json()
    assert [job["id"] for job in first["jobs"] + second["jobs"]] == hers[::-1]
    assert [job["id"] for job in client.get("/v1/jobs", headers=bob).json()["jobs"]] == [his]


def test_two_keys_may_use_the_same_idempotency_key(client: TestClient, alice: dict[str, str], bob: dict[str, str]) -> None:
    hers, his = (post(client, headers={**who, "Idempotency-Key": "k"}) for who in (alice, bob))
    assert (hers.status_code, his.status_code) == (202, 202)
    assert hers.json()["id"] != his.json()["id"]
    assert post(client, headers={**alice, "Idempotency-Key": "k"}).json()["id"] == hers.json()["id"]


def test_jobs_from_before_the_keys_belong_to_nobody(client: TestClient, request: pytest.FixtureRequest) -> None:
    job_id = post(client).json()["id"]
    alice = request.getfixturevalue("alice")
    assert client.get("/v1/jobs", headers=alice).json()["jobs"] == []
    problem(client.get(f"/v1/jobs/{job_id}", headers=alice), 404)


def test_the_service_stays_closed_when_the_last_key_is_revoked(client: TestClient, alice: dict[str, str]) -> None:
    store_of(client).revoke_key("alice")
    problem(client.get("/v1/jobs", headers=alice), 401)
    problem(client.get("/v1/jobs"), 401)


@pytest.fixture
def with_settings(make_settings: MakeSettings) -> Iterator[Any]:
    made: list[TestClient] = []

    def make(**changes: Any) -> TestClient:
        made.append(TestClient(create_app(make_settings(**changes), Idle())).__enter__())
        return made[-1]

    yield make
    for client in made:
        client.__exit__()


def test_keys_may_be_required_from_the_start_or_never(with_settings: Any) -> None:
    closed = with_settings(auth="required")
    problem(closed.get("/v1/jobs"), 401)
    headers = bearer(store_of(closed).add_key("a"))
    job_id = post(closed, headers=headers).json()["id"]
    assert with_settings(auth="off").get(f"/v1/jobs/{job_id}").status_code == 200


def test_a_key_has_so_many_unfinished_jobs_and_no_more(with_settings: Any) -> None:
    client = with_settings(max_jobs_per_key=2)
    alice, bob = (bearer(store_of(client).add_key(name)) for name in ("alice", "bob"))
    job_id = post(client, headers=alice).json()["id"]
    assert store_of(client).claim("w", 100) is not None
    assert post(client, headers=alice).status_code == 202
    answer = post(client, headers=alice)
    assert "2 unfinished jobs" in problem(answer, 429)["detail"]
    assert int(answer.headers["retry-after"]) > 0
    assert len(folders(client)) == 2
    assert post(client, headers=bob).status_code == 202
    client.post(f"/v1/jobs/{job_id}/cancel", headers=alice)
    store_of(client).recover(3, ["w"])
    assert post(client, headers=alice).status_code == 202
