"""``wait`` and ``events``: the stream, its resumption, polling, and every way in which a job can end."""

import time
from typing import Any

import pytest

import dpnp_client
from tests.client.scripted import Reply, Script, as_json, event, job, problem, stream

EVENTS = "/v1/jobs/j1/events"
RESULT = {"diagnostics": {"data_residual": 1.0}, "warnings": ["few"], "timings": {"total_seconds": 2.0}, "nfe": 180, "links": {}}


def jobs(script: Script, *replies: dict[str, Any]) -> None:
    script.on("GET", "/v1/jobs/j1", *(as_json(r) for r in replies))


def test_wait_follows_the_stream_and_gives_the_result(script: Script, client: Any, capsys: pytest.CaptureFixture[str]) -> None:
    jobs(script, job(), job(), job("succeeded", 4))
    script.on("GET", EVENTS, stream(event(1, "running", 1), event(2, "running", 3), event(3, "succeeded", 4)))
    script.on("GET", "/v1/jobs/j1/result", as_json(RESULT))
    handle = client.job("j1")
    result = handle.wait(timeout=10)
    assert result.diagnostics == {"data_residual": 1.0}
    assert (result.warnings, result.nfe) == (("few",), 180)
    assert handle.status == "succeeded"
    assert len(script.requests(EVENTS)) == 1
    shown = capsys.readouterr().err
    assert "running" in shown
    assert "4/4" in shown


def test_no_bar_when_none_is_wanted(script: Script, client: Any, capsys: pytest.CaptureFixture[str]) -> None:
    jobs(script, job("succeeded", 4))
    script.on("GET", "/v1/jobs/j1/result", as_json(RESULT))
    client.job("j1").wait(progress=False)
    assert capsys.readouterr() == ("", "")


def test_a_dropped_stream_is_resumed_after_the_last_event(script: Script, client: Any) -> None:
    jobs(script, job(), job(), job("running", 2), job("succeeded", 4))
    script.on("GET", EVENTS, stream(event(7, "running", 1), event(8, "running", 2), cut=True), stream(event(9, "succeeded", 4)))
    script.on("GET", "/v1/jobs/j1/result", as_json(RESULT))
    client.job("j1").wait(progress=False, timeout=10)
    asked = script.requests(EVENTS)
    assert [a.headers.get("last-event-id") for a in asked] == [None, "8"]


@pytest.mark.parametrize("refusal", [problem(404), problem(429, headers={"Retry-After": "999"}), as_json({}), Reply(hang_up=True)])
def test_without_a_stream_it_polls(script: Script, client: Any, refusal: Reply, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dpnp_client.watching.POLL", 0.01)
    jobs(script, job(), *[job("running", n) for n in range(4)], *[job("running", 3)] * 3, job("succeeded", 4))
    script.on("GET", EVENTS, refusal)
    script.on("GET", "/v1/jobs/j1/result", as_json(RESULT))
    assert client.job("j1").wait(progress=False, timeout=20).nfe == 180


def test_a_stream_that_ends_early_again_and_again_gives_way_to_polling(
    script: Script, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dpnp_client.watching.POLL", 0.01)
    monkeypatch.setattr("dpnp_client.watching.SILENCE", 1.0)
    jobs(script, job(), *[job("running", 1)] * 8, job("succeeded", 4))
    script.on("GET", EVENTS, stream())
    script.on("GET", "/v1/jobs/j1/result", as_json(RESULT))
    client.job("j1").wait(progress=False, timeout=20)
    assert len(script.requests(EVENTS)) == 3


@pytest.mark.parametrize("timeout", [0, 0.2, 2.5])
def test_a_timeout_raises_and_cancels_nothing(script: Script, client: Any, timeout: float) -> None:
    jobs(script, job("running", 1))
    script.on("GET", EVENTS, stream(event(1, "running", 1)))
    handle = client.job("j1")
    started = time.monotonic()
    with pytest.raises(dpnp_client.WaitTimeoutError, match="goes on") as caught:
        handle.wait(progress=False, timeout=timeout)
    assert timeout <= time.monotonic() - started < timeout + 1.0
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.job.progress.step == 1
    assert {a.method for a in script.asked} == {"GET"}


def test_a_failed_job_raises_with_the_reason(script: Script, client: Any) -> None:
    error = {"type": "urn:x", "title": "The chain diverged", "detail": "NaN after step 3"}
    jobs(script, job("failed", 3, error=error))
    handle = client.job("j1")
    for call in (handle.wait, handle.result):
        with pytest.raises(dpnp_client.JobFailedError, match="The chain diverged: NaN after step 3") as caught:
            call()
    assert caught.value.job.status == "failed"


def test_a_job_that_fails_while_it_is_watched(script: Script, client: Any) -> None:
    jobs(script, job(), job(), job("failed", 1, error={"title": "Diverged", "detail": "NaN"}))
    script.on("GET", EVENTS, stream(event(1, "running", 1), event(2, "failed", 1)))
    with pytest.raises(dpnp_client.JobFailedError, match="NaN"):
        client.job("j1").wait(progress=False, timeout=10)


def test_a_cancelled_job(script: Script, client: Any) -> None:
    jobs(script, job("running", 1))
    script.on("POST", "/v1/jobs/j1/cancel", as_json(job("cancelled", 1)))
    handle = client.job("j1")
    assert handle.cancel().status == "cancelled"
    with pytest.raises(dpnp_client.JobCancelledError):
        handle.result()


def test_result_of_an_unfinished_job(script: Script, client: Any) -> None:
    jobs(script, job("running", 1))
    with pytest.raises(dpnp_client.JobNotFinishedError, match="step 1 of 4"):
        client.job("j1").result()


def test_refresh_looks_again(script: Script, client: Any) -> None:
    jobs(script, job(), job("running", 2))
    handle = client.job("j1")
    assert handle.status == "queued"
    assert handle.refresh().progress.step == 2
    assert "j1 running 2/4" in repr(client.job("j1"))


def test_events_come_once_each_over_a_dropped_connection(script: Script, client: Any) -> None:
    jobs(script, job("running", 1))
    script.on("GET", EVENTS, stream(event(1, "running", 1), cut=True), stream(event(2, "running", 2), event(3, "succeeded", 4)))
    events = list(client.job("j1").events())
    assert [e.id for e in events] == ["1", "2", "3"]
    assert [e.data["progress"]["step"] for e in events] == [1, 2, 4]


def test_events_after_the_last_one_are_none(script: Script, client: Any) -> None:
    jobs(script, job("succeeded", 4))
    script.on("GET", EVENTS, Reply(204))
    assert list(client.job("j1").events(last_event_id="3")) == []


def test_events_of_an_unknown_job_are_an_error(script: Script, client: Any) -> None:
    jobs(script, job("running", 1))
    script.on("GET", EVENTS, problem(404, "No such job"))
    with pytest.raises(dpnp_client.NotFoundError, match="No such job"):
        list(client.job("j1").events())


def test_an_abandoned_iterator_closes_its_connection(script: Script) -> None:
    jobs(script, job("running", 1))
    script.on("GET", EVENTS, stream(event(1, "running", 1), event(2, "running", 2)))
    with dpnp_client.Client(script.url) as client:
        events = client.job("j1").events()
        assert next(events).id == "1"
        events.close()  # type: ignore[attr-defined]
        with pytest.raises(StopIteration):
            next(events)
