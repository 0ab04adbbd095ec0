"""What is sent: paths, arrays and file objects, and the spec beside them."""

import email.parser
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dpnp_client
from tests.client.scripted import Asked, MakeClient, Reply, Script, as_json, job, problem

Y = np.linspace(-1, 1, 16, dtype=np.float32).reshape(1, 4, 4)
OPERATOR = {"name": "super_resolution", "factor": 4, "noise_std": 0.1}


def parts(asked: Asked) -> dict[str, tuple[str | None, bytes]]:
    """Name -> file name and contents, read by the standard library's parser."""
    head = f"Content-Type: {asked.headers['content-type']}\r\n\r\n".encode()
    message = email.parser.BytesParser().parsebytes(head + asked.body)
    found = {}
    for part in message.get_payload():
        assert not isinstance(part, str)
        name = part.get_param("name", header="content-disposition")
        found[str(name)] = (part.get_filename(), part.get_payload(decode=True))
    return found  # type: ignore[return-value]


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "measurement.npy"
    path.write_bytes(npy(Y))
    return path


def test_path_text_file_and_array_send_the_same_bytes(script: Script, client: Any, path: Path) -> None:
    script.on("POST", "/v1/jobs", as_json(job(), 202))
    with open(path, "rb") as file:
        for measurement in (path, str(path), file, io.BytesIO(npy(Y)), Y, npy(Y)):
            client.submit(measurement, operator=OPERATOR)
    sent = [parts(a)["measurement"] for a in script.asked]
    assert [content for _, content in sent] == [npy(Y)] * 6
    assert [name for name, _ in sent[:3]] == ["measurement.npy"] * 3


def test_the_spec_holds_what_was_given_and_nothing_else(script: Script, client: Any) -> None:
    script.on("POST", "/v1/jobs", as_json(job(), 202))
    client.submit(Y, operator="super_resolution")
    client.submit(Y, operator={**OPERATOR, "noise_std": np.float32(0.5)}, prior="faces-64", n_samples=8, seed=0, sampler="dps")
    specs = [json.loads(parts(a)["spec"][1]) for a in script.asked]
    assert specs[0] == {"operator": {"name": "super_resolution"}}
    assert specs[1] == {
        "operator": {**OPERATOR, "noise_std": 0.5},
        "prior": "faces-64",
        "n_samples": 8,
        "seed": 0,
        "sampler": {"name": "dps"},
    }


def test_the_key_and_the_name_travel_in_headers(script: Script, make_client: MakeClient) -> None:
    script.on("POST", "/v1/jobs", as_json(job(), 202))
    make_client(api_key="secret").submit(Y, operator=OPERATOR)
    make_client().submit(Y, operator=OPERATOR)
    with_key, without = (a.headers for a in script.asked)
    assert with_key["authorization"] == "Bearer secret"
    assert "authorization" not in without
    assert with_key["user-agent"] == f"dpnp-client/{dpnp_client.__version__}"


@pytest.mark.parametrize(
    "measurement",
    [
        Path("no/such/file.npy"),
        io.StringIO("text"),
        np.array([object()]),
        np.array(["a"]),
        np.array([1j]),
        None,
        object(),
        [[1], [2, 3]],
        {},
        {"y": "a"},
        {1: Y},
    ],
    ids=lambda m: type(m).__name__,
)
def test_what_cannot_be_uploaded_is_an_error_before_anything_is_sent(script: Script, client: Any, measurement: Any) -> None:
    with pytest.raises(dpnp_client.InvalidMeasurementError):
        client.submit(measurement, operator=OPERATOR)
    assert script.asked == []


def test_simulate_gives_an_array(script: Script, client: Any, path: Path) -> None:
    script.on("POST", "/v1/simulate", Reply(200, npy(Y), {"Content-Type": "application/x-npy"}))
    y = client.simulate(path, operator=OPERATOR, prior="faces-64", seed=3)
    np.testing.assert_array_equal(y, Y)
    sent = parts(script.asked[0])
    assert sent["image"] == ("measurement.npy", npy(Y))
    assert json.loads(sent["spec"][1]) == {"operator": OPERATOR, "prior": "faces-64", "seed": 3}


def test_a_simulation_with_its_mask_is_submitted_as_it_is(script: Script, client: Any, path: Path) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, y=Y, mask=Y[0])
    script.on("POST", "/v1/simulate", Reply(200, buffer.getvalue(), {"Content-Type": "application/zip"}))
    script.on("POST", "/v1/jobs", as_json(job(), 202))
    arrays = client.simulate_arrays(path, operator="phase_retrieval", seed=3)
    assert (script.asked[0].path, script.asked[0].query) == ("/v1/simulate", "format=npz")
    assert set(arrays) == {"y", "mask"}
    for _ in range(2):
        client.submit(arrays, operator="phase_retrieval")
    sent = [parts(asked)["measurement"] for asked in script.asked[1:]]
    assert sent[0] == sent[1], "an idempotency key needs the same bytes again"
    assert sent[0][0] == "measurement.npz"
    with np.load(io.BytesIO(sent[0][1]), allow_pickle=False) as again:
        np.testing.assert_array_equal(again["y"], Y)
        np.testing.assert_array_equal(again["mask"], Y[0])


def test_a_pickled_answer_is_refused(script: Script, client: Any) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    script.on("POST", "/v1/simulate", Reply(200, buffer.getvalue()))
    with pytest.raises(dpnp_client.ProtocolError, match="npy"):
        client.simulate(Y, operator=OPERATOR)


def test_a_bad_field_arrives_with_its_path(script: Script, client: Any) -> None:
    script.on("POST", "/v1/jobs", problem(422, "A field is wrong", errors=[{"path": "operator.factor", "message": "at least 1"}]))
    with pytest.raises(dpnp_client.InvalidRequestError) as caught:
        client.submit(Y, operator={"name": "super_resolution", "factor": 0})
    assert caught.value.errors[0]["path"] == "operator.factor"
