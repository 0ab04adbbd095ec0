"""Answers taken apart, and a look behind them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from app.files import Files
from app.store import Store

PROBLEM = "application/problem+json"


def problem(answer: Any, status: int) -> dict[str, Any]:
    """The problem of an answer, which must be one of that status."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    body: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "detail"} <= set(body)
    assert body["status"] == status
    return body


def paths(body: dict[str, Any]) -> list[str]:
    return [error["path"] for error in body["errors"]]


def store_of(client: TestClient) -> Store:
    return client.app.state.service.store  # type: ignore[attr-defined]


def files_of(client: TestClient) -> Files:
    return client.app.state.service.files  # type: ignore[attr-defined]


def folders(client: TestClient) -> list[Path]:
    return list(files_of(client).jobs.iterdir())
