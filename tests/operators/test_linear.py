"""``operators.Linear``: any dense matrix."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

import operators


def test_it_is_the_matrix_on_the_flattened_image():
    matrix = np.random.default_rng(0).normal(size=(5, 12))
    model = operators.Linear(matrix, 0.1, (3, 2, 2))
    x = torch.randn(2, 3, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert model.measurement_shape == (5,)
    assert np.allclose(model.map(x).numpy(), x.numpy().reshape(2, 12) @ matrix.T)
    assert np.allclose(model.map.adjoint(model.map(x)).numpy().reshape(2, 12), x.numpy().reshape(2, 12) @ matrix.T @ matrix)


def test_single_precision_images_stay_single_precision():
    model = operators.Linear(np.eye(4), 0.1, (1, 2, 2))
    assert model.simulate(torch.zeros(1, 2, 2), seed=0).dtype == torch.float32


@pytest.mark.parametrize("shape", [(5, 11), (12,), (1, 5, 12)])
def test_a_matrix_that_does_not_fit_is_refused_with_both_shapes(shape):
    with pytest.raises(operators.ShapeError, match=r"12.*got") as caught:
        operators.Linear(torch.zeros(shape), 0.1, (3, 2, 2))
    assert str(tuple(shape)) in str(caught.value)


def test_a_matrix_with_nan_is_refused():
    with pytest.raises(ValidationError, match="finite"):
        operators.Linear([[float("nan"), 0.0]], 0.1, (1, 1, 2))
