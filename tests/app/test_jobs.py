"""States and transitions."""

from __future__ import annotations

import itertools

import pydantic
import pytest

from app.jobs import FINISHED, TRANSITIONS, IllegalTransitionError, JobStatus, Spec, check_transition
from tests.app.helpers import spec

S = JobStatus
LEGAL = {
    (S.QUEUED, S.RUNNING),
    (S.QUEUED, S.CANCELLED),
    (S.RUNNING, S.SUCCEEDED),
    (S.RUNNING, S.FAILED),
    (S.RUNNING, S.CANCELLING),
    (S.RUNNING, S.QUEUED),
    (S.CANCELLING, S.CANCELLED),
}


@pytest.mark.parametrize(("source", "target"), list(itertools.product(JobStatus, JobStatus)))
def test_only_the_legal_transitions_pass(source: JobStatus, target: JobStatus) -> None:
    if (source, target) in LEGAL:
        check_transition(source, target)
    else:
        with pytest.raises(IllegalTransitionError, match=f"{source} to {target}"):
            check_transition(source, target)


def test_every_state_has_its_transitions_and_three_are_final() -> None:
    assert set(TRANSITIONS) == set(JobStatus)
    assert set(FINISHED) == {S.SUCCEEDED, S.FAILED, S.CANCELLED}


def test_a_spec_keeps_the_parameters_beside_the_name() -> None:
    parsed = Spec.model_validate(spec())
    assert parsed.operator.parameters == {"factor": 4, "noise_std": 0.1}
    assert parsed.model_dump(mode="json") == spec()


def test_a_spec_forbids_what_it_does_not_know() -> None:
    with pytest.raises(pydantic.ValidationError, match="n_sample\n"):
        Spec.model_validate(spec(n_sample=3))
