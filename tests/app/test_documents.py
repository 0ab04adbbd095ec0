"""The page's policy and the OpenAPI document."""

from __future__ import annotations

from starlette.testclient import TestClient

from tests.app.answers import PROBLEM


def test_the_page_works_under_a_strict_policy(client: TestClient) -> None:
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["content-security-policy"].startswith("default-src 'self';")
    assert page.headers["x-content-type-options"] == "nosniff"
    text = page.text
    assert "<script>" not in text
    assert " style=" not in text
    assert " onclick=" not in text
    assert "http:" not in text.replace("http://www.w3.org", "")
    assert "https:" not in text
    for name, kind in {"app.js": "text/javascript", "style.css": "text/css", "icon.svg": "image/svg+xml"}.items():
        answer = client.get(f"/page/{name}")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(kind)


def test_openapi_documents_every_status_that_these_tests_saw(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    submit = document["paths"]["/v1/jobs"]["post"]
    assert set(submit["responses"]) == {"200", "202", "400", "401", "409", "413", "415", "422", "429", "503", "507"}
    assert set(submit["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]) == {"measurement", "spec"}
    for path in document["paths"].values():
        for operation in path.values():
            for status, answer in operation["responses"].items():
                if int(status) >= 400:
                    assert answer["content"] == {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    assert {"Problem", "BadField"} <= set(document["components"]["schemas"])
