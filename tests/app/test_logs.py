"""Log lines: for people and for machines, with the job's id."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator

import pytest

from app.logs import Format, set_up_logging


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in ("app", "uvicorn"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def lines(form: Format, capsys: pytest.CaptureFixture[str], level: str = "info") -> list[str]:
    set_up_logging(level, form)
    log = logging.getLogger("app.worker.loop")
    log.debug("too quiet")
    log.info("attempt %d starts", 2, extra={"job": "abc"})
    try:
        raise ValueError("two\nlines")
    except ValueError:
        log.exception("no job here")
    logging.getLogger("some.library").info("not ours")
    return capsys.readouterr().err.splitlines()


def test_json_lines_are_objects_with_the_job(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = (json.loads(line) for line in lines("json", capsys))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", first.pop("time"))
    assert first == {"level": "info", "logger": "app.worker.loop", "message": "attempt 2 starts", "job": "abc"}
    assert "job" not in second
    assert second["exception"].endswith("ValueError: two\nlines")


def test_text_lines_name_the_job(capsys: pytest.CaptureFixture[str]) -> None:
    first, second, *trace = lines("text", capsys)
    assert first.endswith(" INFO app.worker.loop job=abc attempt 2 starts")
    assert second.endswith(" ERROR app.worker.loop no job here")
    assert trace[-1] == "lines"


def test_the_level_is_the_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(lines("json", capsys, "error")) == 1
