"""The embedded engine's housekeeping."""

from __future__ import annotations

import numpy as np

from app.engine import EmbeddedEngine
from app.files import Files
from app.jobs import Spec
from app.store import NewJob, Store, new_id
from tests.app.conftest import MakeSettings
from tests.app.helpers import spec, until


def test_finished_jobs_expire_with_their_files_and_waiting_ones_stay(make_settings: MakeSettings) -> None:
    settings = make_settings(workers=0, retention_hours=0.5 / 3600)
    engine, store, files = EmbeddedEngine(settings), Store(settings.store_url), Files(settings.data_dir)
    finished, waiting = new_id(), new_id()
    for job_id in (finished, waiting):
        files.create(job_id, np.zeros((1, 2, 2), dtype=np.float32))
        store.insert(NewJob(job_id, Spec.model_validate(spec())), max_queue=10)
    store.cancel(finished)
    engine.start()
    until(lambda: store.ids() == {waiting}, 20, "the end of the finished job")
    until(lambda: [path.name for path in files.jobs.iterdir()] == [waiting], 20, "the end of its files")
    engine.stop()
    store.close()
