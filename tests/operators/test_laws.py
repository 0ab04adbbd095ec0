"""Laws that every forward model of the catalogue obeys. A new model is found here by itself."""

import math

import pytest
import torch

import operators
from operators.maps import LinearMap
from operators.noise import GaussianNoise

SHAPES = [(1, 16, 16), (3, 8, 24)]
CASES = [pytest.param(name, shape, id=f"{name}-{shape}") for name in operators.names() for shape in SHAPES]


def build(name: str, shape: tuple[int, int, int]) -> operators.ForwardModel:
    return operators.build(name, {}, shape)


def images(shape: tuple[int, ...], n: int, seed: int = 0) -> torch.Tensor:
    return torch.rand((n, *shape), generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 - 1


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_linear_maps_are_linear_with_an_exact_adjoint_and_svd(name, shape):
    a = build(name, shape).map
    if not isinstance(a, LinearMap):
        pytest.skip("not linear")
    x, z = images(shape, 2)
    assert torch.allclose(a(2 * x[None] - z[None]), 2 * a(x[None]) - a(z[None]), atol=1e-12)
    (oracle,) = torch.autograd.functional.vjp(lambda v: a(v[None])[0], x, v=a(z[None])[0])[1:]
    assert torch.allclose(a.adjoint(a(z[None]))[0], oracle, atol=1e-12)
    svd = a.svd()
    if svd is not None:
        c = svd.project(x[None])
        again = svd.project(svd.lift(c))
        assert torch.allclose(again, c, atol=1e-10), "V has orthonormal columns"
        assert torch.allclose(svd.project_measurement(a(x[None])), svd.singular_values.like(x) * c, atol=1e-10), "U^T A = S V^T"
        restored = svd.lift(svd.singular_values.like(x) * svd.project_measurement(a(z[None])))
        assert torch.allclose(restored, a.adjoint(a(z[None])), atol=1e-10), "V S U^T = A^T on the range of A"


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_a_batch_is_a_loop(name, shape):
    model = build(name, shape)
    x = images(shape, 3)
    y = model.simulate(x, seed=5)
    assert y.shape == (3, *model.measurement_shape)
    assert torch.equal(model.simulate(x[0], seed=5), y[0])
    looped = torch.stack([model.log_likelihood(a, b)[0] for a, b in zip(x, y, strict=True)])
    assert torch.allclose(model.log_likelihood(x, y), looped, rtol=1e-12)
    assert torch.allclose(model.log_likelihood(x, y[0])[1:], torch.stack([model.log_likelihood(a, y[0])[0] for a in x[1:]]), rtol=1e-12)


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_the_log_likelihood_gradient_matches_finite_differences(name, shape):
    model = build(name, shape)
    x, direction = images(shape, 2)
    y = model.simulate(x, seed=1)
    leaf = x.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(model.log_likelihood(leaf, y).sum(), leaf)
    h = 1e-5
    slope = (model.log_likelihood(x + h * direction, y) - model.log_likelihood(x - h * direction, y)) / (2 * h)
    assert torch.allclose((gradient * direction).sum(), slope, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_simulated_measurements_follow_the_log_likelihood(name, shape):
    model = build(name, shape)
    if not isinstance(model.noise, GaussianNoise):
        pytest.skip("goodness of fit is written for Gaussian noise")
    x = images(shape, 1).expand(400, -1, -1, -1)
    y = model.simulate(x, seed=2)
    m = y[0].numel()
    # -log p(y | x) is a constant plus half a chi-square with m degrees of freedom
    chi = -2 * model.log_likelihood(x, y) - 2 * m * math.log(model.noise.std * math.sqrt(2 * math.pi))
    assert abs(chi.mean() - m) < 4 * math.sqrt(2 * m / 400)
    assert abs(chi.var() / (2 * m) - 1) < 4 * math.sqrt(2 / 400) * math.sqrt(1 + 6 / m)
    assert model.residual(x, y).mean() == pytest.approx(1, abs=4 / math.sqrt(2 * m * 400) + 1 / m)


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_wrong_shapes_and_values_are_named(name, shape):
    model = build(name, shape)
    good = tuple(model.measurement_shape)
    wrong = torch.zeros((*good[:-1], good[-1] + 1))
    with pytest.raises(operators.ShapeError) as caught:
        model.check_measurement(wrong)
    assert str(good) in str(caught.value)
    assert str(tuple(wrong.shape)[-1]) in str(caught.value)
    with pytest.raises(operators.ShapeError, match="expected an image"):
        model.simulate(torch.zeros(1, 5, 7), seed=0)
    spoiled = torch.zeros(good)
    spoiled.view(-1)[3] = math.nan
    with pytest.raises(operators.MeasurementError, match="1 of"):
        model.check_measurement(spoiled)


@pytest.mark.parametrize(("name", "shape"), CASES)
def test_parameters_rebuild_the_model(name, shape):
    model = build(name, shape)
    again = operators.build(name, model.parameters(), shape)
    x = images(shape, 1)
    assert torch.equal(again.simulate(x, seed=3), model.simulate(x, seed=3))
    assert "image_shape" not in operators.schema(name)["properties"]
    assert set(model.parameters()) == set(operators.schema(name)["properties"])
