"""The store: guarded changes, leases with tokens, events."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.jobs import JobError, JobStatus, Spec
from app.store import (
    Claim,
    JobNotFinishedError,
    JobNotFoundError,
    NewJob,
    QueueFullError,
    Store,
    WorkerRow,
    new_id,
)
from app.store.rows import Stopwatch
from tests.app.attempts import Clock
from tests.app.helpers import spec

S = JobStatus
LONG = 1000.0


def add(store: Store, **options: object) -> str:
    job, _ = store.insert(NewJob(new_id(), Spec.model_validate(spec()), 4), **{"max_queue": 100, **options})
    return job.id


def claim(store: Store, worker: str = "w", lease: float = LONG) -> Claim:
    found = store.claim(worker, lease)
    assert found is not None
    return found


def history(store: Store, job_id: str) -> list[str]:
    return [f"{e.type} {e.data['status']}" for e in store.events_after(job_id, 0)]


def test_a_job_comes_back_as_it_went_in(store: Store) -> None:
    job = store.get(add(store))
    assert job.spec.model_dump(mode="json") == spec()
    assert (job.status, job.queue_position, job.attempt, job.error) == (S.QUEUED, 1, 0, None)
    assert (job.progress.step, job.progress.total) == (0, 4)
    assert abs(job.created_at.timestamp() - time.time()) < 5
    assert job.started_at is job.finished_at is None


def test_jobs_are_claimed_in_the_order_of_their_coming(store: Store) -> None:
    first, second = add(store), add(store)
    assert store.get(second).queue_position == 2
    assert claim(store).job.id == first
    assert store.get(second).queue_position == 1
    assert claim(store).job.id == second
    assert store.claim("w", LONG) is None


def test_a_life_leaves_its_events_in_order(store: Store) -> None:
    job_id = add(store)
    held = claim(store)
    assert store.progress(held, 1, 4)
    assert store.succeed(held)
    assert history(store, job_id) == ["status queued", "status running", "progress running", "status succeeded"]
    job = store.get(job_id)
    assert job.attempt == 1
    assert job.created_at <= job.started_at <= job.finished_at
    ids = [e.id for e in store.events_after(job_id, 0)]
    assert ids == sorted(set(ids))
    assert [e.id for e in store.events_after(job_id, ids[1])] == ids[2:]


def test_concurrent_claims_never_share_a_job(store: Store) -> None:
    ids = {add(store) for _ in range(12)}
    start = threading.Barrier(6)

    def work(name: str) -> list[str]:
        start.wait()
        found = []
        while (held := store.claim(name, LONG)) is not None:
            found.append(held.job.id)
        return found

    with ThreadPoolExecutor(6) as pool:
        claimed = [job_id for found in pool.map(work, "abcdef") for job_id in found]
    assert len(claimed) == 12
    assert set(claimed) == ids


def test_an_old_claim_changes_nothing(store: Store) -> None:
    job_id = add(store)
    old = claim(store, "frozen", lease=0.01)
    time.sleep(0.05)
    assert [job.status for job in store.recover(3)] == [S.QUEUED]
    new = claim(store, "successor")
    assert new.token > old.token
    before = history(store, job_id)
    error = JobError(type="x", title="x", detail="x")
    writes = [store.progress(old, 3, 4), store.succeed(old), store.fail(old, error), store.cancelled(old), store.release(old)]
    assert [*writes, store.renew(old, LONG)] == [False] * 6
    assert store.held(old) is None
    assert history(store, job_id) == before
    assert store.get(job_id).progress.step == 0
    assert store.succeed(new)


def test_the_hosts_clock_does_not_matter(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    add(store)
    held = claim(store, lease=20)
    for skew in (-1e6, 1e6):
        monkeypatch.setattr("time.time", lambda skew=skew, real=time.time: real() + skew)
        assert store.recover(3) == []
        assert store.renew(held, 20)
        monkeypatch.undo()


def test_failures_are_counted_by_type(store: Store) -> None:
    for kind in ("diverged", "diverged", "out-of-time"):
        add(store)
        store.fail(claim(store), JobError(type=kind, title="t", detail="d"))
    add(store)
    store.succeed(claim(store))
    assert store.failures() == {"diverged": 2, "out-of-time": 1}


def test_a_lease_that_is_renewed_is_not_taken_back(store: Store) -> None:
    add(store)
    held = claim(store, lease=0.3)
    assert store.renew(held, LONG)
    time.sleep(0.4)
    assert store.recover(3) == []
    assert store.held(held) is S.RUNNING


def test_the_job_of_a_dead_worker_is_taken_back_at_once_and_only_its(store: Store) -> None:
    first, second = add(store), add(store)
    claim(store, "dead")
    claim(store, "alive")
    assert [job.id for job in store.recover(3, ["dead"])] == [first]
    assert store.get(first).status is S.QUEUED
    assert store.get(second).status is S.RUNNING


def test_after_the_last_attempt_the_job_fails_with_the_reason(store: Store) -> None:
    job_id = add(store)
    for attempt in (1, 2, 3):
        assert claim(store, "dying").job.attempt == attempt
        store.recover(3, ["dying"])
    job = store.get(job_id)
    assert job.status is S.FAILED
    assert job.error is not None
    assert "3 attempts" in job.error.detail
    assert job.finished_at is not None


def test_a_release_does_not_count_as_an_attempt(store: Store) -> None:
    job_id = add(store)
    held = claim(store)
    assert store.release(held)
    assert store.get(job_id).attempt == 0
    again = claim(store)
    assert again.job.attempt == 1
    assert again.token > held.token


def test_the_running_time_is_kept_over_all_attempts(store: Store, clock: Clock) -> None:
    add(store)
    held = claim(store)
    clock.forward(1000)
    store.release(held)
    clock.forward(1000)  # waiting is not running
    held = claim(store, "dying")
    clock.forward(1000)
    store.progress(held, 1, 4)
    store.recover(3, ["dying"])
    held = claim(store, "frozen")
    clock.forward(1000)
    store.renew(held, 0.0)
    clock.forward(1000)  # nobody knows
    store.recover(3)
    assert 3000 <= claim(store).running.seconds < 3900


def test_a_stopped_watch_stands_still(clock: Clock) -> None:
    watch = Stopwatch(100.0)
    clock.forward(1000)
    assert 1100 <= watch.seconds < 1160
    watch.stop()
    before = watch.seconds
    clock.forward(1000)
    assert watch.seconds == before


def test_cancel_of_a_waiting_job_is_immediate(store: Store) -> None:
    job_id = add(store)
    assert store.cancel(job_id).status is S.CANCELLED
    assert store.cancel(job_id).status is S.CANCELLED
    assert store.claim("w", LONG) is None
    assert history(store, job_id) == ["status queued", "status cancelled"]


def test_cancel_of_a_running_job_waits_for_its_worker(store: Store) -> None:
    job_id = add(store)
    held = claim(store)
    assert store.cancel(job_id).status is S.CANCELLING
    assert store.held(held) is S.CANCELLING
    assert not store.succeed(held)
    assert store.cancelled(held)
    assert store.get(job_id).status is S.CANCELLED


def test_a_cancelled_job_of_a_dead_worker_is_not_run_again(store: Store) -> None:
    job_id = add(store)
    claim(store, "dead")
    store.cancel(job_id)
    assert [job.status for job in store.recover(3, ["dead"])] == [S.CANCELLED]


def test_cancel_leaves_a_finished_job_as_it_is(store: Store) -> None:
    job_id = add(store)
    store.succeed(claim(store))
    assert store.cancel(job_id).status is S.SUCCEEDED


def test_only_a_finished_job_can_be_forgotten(store: Store) -> None:
    job_id = add(store)
    with pytest.raises(JobNotFinishedError, match="queued"):
        store.delete(job_id)
    store.cancel(job_id)
    store.delete(job_id)
    with pytest.raises(JobNotFoundError, match=job_id):
        store.get(job_id)
    assert store.events_after(job_id, 0) == []


def test_old_jobs_are_forgotten_and_young_ones_kept(store: Store) -> None:
    old, waiting = add(store), add(store)
    store.succeed(claim(store))
    assert store.delete_older_than(LONG) == []
    time.sleep(0.01)
    assert store.delete_older_than(0) == [old]
    assert store.ids() == {waiting}


def test_the_queue_is_bounded(store: Store) -> None:
    add(store, max_queue=2)
    add(store, max_queue=2)
    with pytest.raises(QueueFullError, match="2 jobs are waiting"):
        add(store, max_queue=2)
    claim(store)
    add(store, max_queue=2)


def test_pages_cover_all_jobs_newest_first(store: Store) -> None:
    ids = [add(store) for _ in range(7)]
    seen: list[str] = []
    position: int | None = None
    while True:
        jobs, position = store.page(limit=3, before=position)
        seen += [job.id for job in jobs]
        if position is None:
            break
        add(store)  # a newer job must not shift the older pages
    assert seen == ids[::-1]


def test_a_page_of_one_state(store: Store) -> None:
    first, _ = add(store), add(store)
    claim(store)
    jobs, _ = store.page(limit=10, status=S.RUNNING)
    assert [job.id for job in jobs] == [first]


def test_workers_are_known_while_they_speak(store: Store) -> None:
    store.report_worker(WorkerRow("w", "starting"))
    store.report_worker(WorkerRow("w", "ready", "", 7, 1.5, ("tiny",)))
    assert store.workers_seen(LONG) == [WorkerRow("w", "ready", "", 7, 1.5, ("tiny",))]
    time.sleep(0.02)
    assert store.workers_seen(0.01) == []
    store.forget_worker("w")
    assert store.workers_seen(LONG) == []
