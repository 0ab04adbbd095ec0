"""What the routes work with, and the submission of a job as one blocking function."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import torch
from anyio import CapacityLimiter
from fastapi import Depends, Request

from app.api.bell import Bell
from app.api.forms import Form
from app.catalogue import PriorCatalogue, UnknownPriorError
from app.files import Files
from app.jobs import Job, ProblemSpec, Spec
from app.problem import FieldError, SpecError, build_model, build_sampler, parse_spec, read_measurement, steps_of
from app.settings import Settings
from app.store import UNREACHABLE, Idempotency, NewJob, Store, new_id
from app.uploads import Decoded, WrongShapeError, fit_image, fit_measurement
from app.uploads.sandbox import Sandbox
from dpnp import PriorInfo
from operators import ForwardModel

INTAKE_THREADS = 16
HOLD_SECONDS = 5.0  # should this process die, a retry of the request it handled has to wait for no longer


@dataclass(frozen=True)
class Service:
    """The parts of a running service."""

    settings: Settings
    store: Store
    files: Files
    priors: PriorCatalogue
    bell: Bell
    sandbox: Sandbox
    intake: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(INTAKE_THREADS))
    """Threads for uploads: however many come, the other calls keep theirs."""

    def submit(self, form: Form, key: str | None, owner: str | None = None) -> tuple[Job, bool]:
        """Check and queue a job; False when the idempotency key had queued it before. Blocks; raises what the API answers."""
        if key is None:
            return self._queue(form, None, owner)
        idempotency = Idempotency(key, _payload_hash(form))
        known = self.store.replay(idempotency, owner)
        if known is not None:
            return known, False
        holder = self.store.hold(key, owner, HOLD_SECONDS)
        try:
            return self._queue(form, idempotency, owner)  # which ends the claim too
        except BaseException:
            with suppress(*UNREACHABLE):  # it runs out by itself
                self.store.let_go(holder)
            raise

    def _queue(self, form: Form, idempotency: Idempotency | None, owner: str | None) -> tuple[Job, bool]:
        checked = self._check(form)
        self.files.check_room(self.settings.min_free_bytes)
        job_id = new_id()
        self.files.create(job_id, checked.measurement, checked.stored)
        limits = {"max_queue": self.settings.max_queue, "max_per_owner": self.settings.max_jobs_per_key}
        try:
            job, new = self.store.insert(NewJob(job_id, checked.spec, checked.total, owner), idempotency=idempotency, **limits)
        except BaseException:
            self.files.remove(job_id)
            raise
        if not new:
            self.files.remove(job_id)
        return job, new

    def _check(self, form: Form) -> _Checked:
        spec = parse_spec(form.spec, Spec)
        limit = self.settings.max_n_samples
        if spec.n_samples > limit:
            raise SpecError([FieldError("n_samples", f"Input should be less than or equal to {limit}")])
        prior = self._prior(spec)
        sampler = build_sampler(spec.sampler)
        found = read_measurement(spec.operator, form.content, prior.image_shape, self._decode_measurement)
        model = build_model(found.operator, prior.image_shape, found.stored)
        measurement = np.ascontiguousarray(fit_measurement(found.array, model.measurement_shape))
        if measurement.shape != tuple(model.measurement_shape):
            wanted = f"{spec.operator.name} of images {tuple(prior.image_shape)} (prior {prior.name})"
            raise WrongShapeError(f"expected {model.takes} of shape {tuple(model.measurement_shape)} for {wanted}, got {found.array.shape}")
        model.check_measurement(torch.from_numpy(measurement))
        whole = spec.model_copy(update={"prior": prior.name, "operator": found.operator})
        return _Checked(whole, measurement, found.stored, steps_of(sampler, model, measurement))

    def _decode_measurement(self, content: bytes, stored: Sequence[str]) -> Decoded:
        s = self.settings
        return self.sandbox.decode_measurement(content, s.max_pixels, stored, seconds=s.decode_seconds, memory=s.decode_bytes)

    def _decode_photograph(self, content: bytes) -> np.ndarray:
        s = self.settings
        return self.sandbox.decode(content, s.max_pixels, seconds=s.decode_seconds, memory=s.decode_bytes, photograph=True)

    def _prior(self, spec: ProblemSpec) -> PriorInfo:
        try:
            return self.priors.get(spec.prior or self.settings.prior)
        except UnknownPriorError as error:
            raise SpecError([FieldError("prior", str(error))]) from error

    def simulate(self, form: Form) -> tuple[ForwardModel, torch.Tensor]:
        """A measurement of the form's image, and the model that it is of. Blocks; raises what the API answers."""
        spec = parse_spec(form.spec, ProblemSpec)
        prior = self._prior(spec)
        model = build_model(spec.operator, prior.image_shape)
        image = fit_image(self._decode_photograph(form.content), prior.image_shape)
        return model, model.simulate(torch.from_numpy(np.ascontiguousarray(image)), spec.seed)


@dataclass(frozen=True)
class _Checked:
    """A job that can be queued."""

    spec: Spec
    measurement: np.ndarray
    stored: dict[str, np.ndarray]
    total: int


def _payload_hash(form: Form) -> str:
    digest = hashlib.sha256(len(form.spec).to_bytes(8, "big"))
    digest.update(form.spec)
    digest.update(form.content)
    return digest.hexdigest()


def get_service(request: Request) -> Service:
    """The service of the app that handles the request."""
    return request.app.state.service


ServiceDep = Annotated[Service, Depends(get_service)]
