"""The store's idempotency keys: one job for each, one request at a time."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.jobs import JobStatus, Spec
from app.store import Idempotency, IdempotencyInFlightError, IdempotencyMismatchError, NewJob, Store, new_id
from tests.app.helpers import spec

LONG = 1000.0


def add(store: Store, idempotency: Idempotency, owner: str | None = None) -> str:
    job, _ = store.insert(NewJob(new_id(), Spec.model_validate(spec()), 4, owner), max_queue=100, idempotency=idempotency)
    return job.id


def test_equal_submissions_under_one_key_make_one_job(store: Store) -> None:
    start = threading.Barrier(50)

    def submit(_: int) -> str:
        start.wait()
        return add(store, Idempotency("key", "hash"))

    with ThreadPoolExecutor(50) as pool:
        ids = list(pool.map(submit, range(50)))
    assert len(set(ids)) == 1
    assert store.counts()[JobStatus.QUEUED] == 1


def test_another_payload_under_the_same_key_is_refused(store: Store) -> None:
    job_id = add(store, Idempotency("key", "hash"))
    with pytest.raises(IdempotencyMismatchError, match="another payload"):
        add(store, Idempotency("key", "other"))
    store.cancel(job_id)
    store.delete(job_id)
    assert add(store, Idempotency("key", "other")) != job_id


def test_a_key_is_held_by_one_request_until_its_job_is_queued(store: Store) -> None:
    holder = store.hold("key", "alice", LONG)
    store.hold("key", "bob", LONG)
    store.hold("other", "alice", LONG)
    with pytest.raises(IdempotencyInFlightError):
        store.hold("key", "alice", LONG)
    store.let_go(holder)
    store.hold("key", "alice", LONG)
    add(store, Idempotency("key", "hash"), "alice")
    store.hold("key", "alice", LONG)


def test_a_claim_that_ran_out_is_nobodys_and_its_holder_cannot_end_the_next(store: Store) -> None:
    late = store.hold("key", None, 0.01)
    time.sleep(0.05)
    store.hold("key", None, LONG)
    store.let_go(late)
    with pytest.raises(IdempotencyInFlightError):
        store.hold("key", None, LONG)


def test_of_fifty_equal_requests_one_holds_the_key(store: Store) -> None:
    start = threading.Barrier(50)

    def hold(_: int) -> bool:
        start.wait()
        try:
            return bool(store.hold("key", None, LONG))
        except IdempotencyInFlightError:
            return False

    with ThreadPoolExecutor(50) as pool:
        assert sum(pool.map(hold, range(50))) == 1
