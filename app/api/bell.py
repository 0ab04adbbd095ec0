"""One poll of the store for all who wait for events."""

from __future__ import annotations

import asyncio
import logging

from anyio import to_thread

from app.store import Store

log = logging.getLogger(__name__)

POLL_SECONDS = 0.1
LONGEST_SILENCE = 1.0  # ring now and then all the same: on some databases a lower event id may become visible after a higher one


class Bell:
    """Wakes the waiting coroutines when an event has been written, by whichever process. Polls only while someone waits."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting = 0
        self._rung = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._last = -1
        self._outage = False

    async def wait(self, timeout: float) -> None:
        """Return when something happened to some job, or after ``timeout`` seconds."""
        self._waiting += 1
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._poll())
        try:
            await asyncio.wait_for(self._rung.wait(), min(timeout, LONGEST_SILENCE))
        except TimeoutError:
            pass
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Stop polling."""
        if self._task is not None:
            self._task.cancel()

    async def _poll(self) -> None:
        while self._waiting:
            try:
                last = await to_thread.run_sync(self._store.last_event_id)
                self._outage = False
            except Exception as error:  # those who wait look for themselves when their time is up
                if not self._outage:
                    log.warning("the job store cannot be reached: %s", error)
                self._outage, last = True, self._last
            if last != self._last:
                self._last = last
                rung, self._rung = self._rung, asyncio.Event()
                rung.set()
            await asyncio.sleep(POLL_SECONDS)
