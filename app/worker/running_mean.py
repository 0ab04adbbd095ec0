"""What a job looks like while it runs: the mean of its samples as they stand, as a picture."""

from __future__ import annotations

import logging
import time

from torch import Tensor

from app.files import Files
from app.results.pictures import is_image, save_image

log = logging.getLogger(__name__)

SECONDS_BETWEEN = 0.25  # nobody sees more pictures than that, and each costs about a millisecond


class RunningMean:
    """The picture of one lease, renewed now and then."""

    def __init__(self, files: Files, job_id: str, token: int) -> None:
        self._files, self._job_id, self._token = files, job_id, token
        self._next = 0.0

    def show(self, samples: Tensor) -> None:
        """Replace the picture by the mean of ``samples``, (n, C, H, W) in [-1, 1], unless it is fresh. A full disk is no error here."""
        if time.monotonic() < self._next:
            return
        mean = samples.mean(0).cpu().numpy()
        if not is_image(mean):
            return
        try:
            self._files.save_running_mean(self._job_id, self._token, lambda path: save_image(mean, path))
        except OSError as error:
            log.warning("the running mean cannot be written: %s", error, extra={"job": self._job_id})
        self._next = time.monotonic() + SECONDS_BETWEEN
