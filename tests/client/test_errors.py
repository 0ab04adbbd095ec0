"""The exception tree, and what it keeps of a problem."""

import inspect
import pickle
from typing import Any

import pytest

import dpnp_client
from dpnp_client import errors
from tests.client.scripted import MakeClient, Reply, Script, job, problem
from tests.client.twins import QUICK

FAMILIES = {
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "AuthenticationError",
    404: "NotFoundError",
    409: "ConflictError",
    410: "NotFoundError",
    413: "TooLargeError",
    415: "UnsupportedMediaError",
    418: "BadRequestError",
    422: "InvalidRequestError",
    429: "TooManyRequestsError",
    500: "ServerError",
    503: "UnavailableError",
    507: "StorageFullError",
}


@pytest.mark.parametrize(("status", "name"), FAMILIES.items())
def test_one_class_per_family(script: Script, make_client: MakeClient, status: int, name: str) -> None:
    bad = [{"path": "operator.factor", "message": "must be at least 1"}]
    script.on("GET", "/v1/jobs/j1", problem(status, "A title", "and a detail", errors=bad))
    with pytest.raises(dpnp_client.StatusError) as caught:
        make_client(retries=0).job("j1")
    error = caught.value
    assert type(error).__name__ == name
    assert (error.status, error.title, error.detail, error.type) == (status, "A title", "and a detail", "urn:test")
    assert error.errors == (bad[0],)
    assert str(error) == f"{status} A title: and a detail"


def test_an_error_page_of_a_proxy(script: Script, make_client: MakeClient) -> None:
    script.on("GET", "/v1/jobs/j1", Reply(502, b"<html>Bad Gateway</html>", {"Content-Type": "text/html"}))
    with pytest.raises(dpnp_client.ServerError, match="502 Bad Gateway") as caught:
        make_client(retries=0).job("j1")
    assert (caught.value.detail, caught.value.errors) == ("", ())


@pytest.mark.parametrize("body", [b"hello", b"[]", b'{"id": "j1"}', b'{"id": "j1", "status": "queued", "spec": {}, "created_at": "noon"}'])
def test_an_answer_of_another_service(script: Script, client: Any, body: bytes) -> None:
    script.on("GET", "/v1/jobs/j1", Reply(200, body, {"Content-Type": "application/json"}))
    with pytest.raises(dpnp_client.ProtocolError, match="expected"):
        client.job("j1")


def test_a_redirect_names_the_other_address(script: Script, client: Any) -> None:
    script.on("GET", "/v1/jobs/j1", Reply(308, headers={"Location": "https://elsewhere.example/v1/jobs/j1"}))
    with pytest.raises(dpnp_client.ProtocolError, match="elsewhere"):
        client.job("j1")


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://localhost", ""])
def test_an_address_that_is_none(make_client: MakeClient, url: str) -> None:
    with pytest.raises(dpnp_client.ClientError):
        make_client(url=url, retries=QUICK).job("j1")


def test_all_errors_are_one_tree_exported_and_sorted() -> None:
    classes = {name for name, value in vars(errors).items() if inspect.isclass(value) and value.__module__ == errors.__name__}
    assert classes <= set(dpnp_client.__all__)
    assert all(issubclass(getattr(errors, name), dpnp_client.ClientError) for name in classes)
    assert dpnp_client.__all__ == sorted(dpnp_client.__all__)
    assert all(name in (errors.__doc__ or "") for name in classes)


def test_errors_survive_pickling() -> None:
    info = dpnp_client.JobInfo("j1", "failed", {}, error="why")
    for error in (dpnp_client.NotFoundError(status=404, title="No", detail="such job"), dpnp_client.JobFailedError("it failed", info)):
        copy = pickle.loads(pickle.dumps(error))
        assert type(copy) is type(error)
        assert str(copy) == str(error)
        assert vars(copy) == vars(error)


def test_an_empty_id_is_refused_before_it_means_all_jobs(client: Any) -> None:
    with pytest.raises(ValueError, match="id"):
        client.job("")


def test_an_id_cannot_leave_its_place(script: Script, client: Any) -> None:
    with pytest.raises(dpnp_client.NotFoundError):
        client.job("../priors?x=1")
    assert script.asked[0].path == "/v1/jobs/..%2Fpriors%3Fx%3D1"


def test_unknown_fields_of_a_newer_service_are_ignored(script: Script, client: Any) -> None:
    from tests.client.scripted import as_json

    script.on("GET", "/v1/jobs/j1", as_json({**job(), "colour": "blue"}))
    assert client.job("j1").status == "queued"
