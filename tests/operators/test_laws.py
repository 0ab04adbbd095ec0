"""Laws that every forward model of the catalogue obeys. A new model is found here by itself."""

import math

import numpy as np
import pytest
import scipy.stats
import torch

import operators
from operators.noise import GaussianNoise, PoissonNoise, SeparableNoise
from tests.operators.toy_physics import MatrixPhysics

SHAPES = [(1, 16, 16), (3, 8, 24)]
NOT_WITHOUT = ("blind_deblur_jpeg",)  # has laws only with a known kernel, and images of whole blocks
KERNEL = [[0, 0.1, 0], [0.2, 0.4, 0.1], [0, 0.2, 0]]
VARIANTS: dict[str, list[dict]] = {
    "blind_deblur_jpeg": [{"kernel": KERNEL}, {"kernel": [[1]], "noise_std": 0.1, "table": [[20] * 8] * 8}],
    "composed": [
        {"physics": physics, "observation": observation}
        for physics in (
            {"kind": "bicubic", "factor": 2, "boundary": "circular"},
            {"kind": "blur"},
            {"kind": "blur", "kernel": [[0.1, 0.3, 0.2], [0, 0.2, 0], [0, 0, 0.2]], "boundary": "reflect"},
            {"kind": "blur", "std": 0.8, "boundary": "zero"},
            {"kind": "inpainting"},
            {"kind": "fourier_magnitude", "mask": "none"},
            {"kind": "identity"},
        )
        for observation in ({"kind": "gaussian", "std": 0.2}, {"kind": "quantized", "bits": 2}, {"kind": "poisson"})
    ]
    + [{"observation": {"kind": "quantized", "bits": 1, "dither": "gaussian", "looks": 2}}],
    "super_resolution": [{"boundary": "edge"}],
    "quantization": [{"dither": "gaussian"}, {"bits": 3, "dither": "gaussian", "tau": 0.1}, {"bits": 2, "tau": 0.2}, {"looks": 3}],
}
"""Parameters to try besides the defaults, for models whose parameters change the law."""
ROWS = torch.randn(10, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64).mul(0.3).tolist()
MATRIX = {"kind": "matrix", "rows": ROWS}
OWN_SHAPES: dict[str, list[tuple[dict, tuple[int, int, int]]]] = {
    "composed": [
        ({"physics": MATRIX, "observation": {"kind": "gaussian"}}, (1, 4, 4)),
        (
            {"physics": MATRIX, "observation": {"kind": "quantized", "bits": 3, "dither": "gaussian"}},
            (1, 4, 4),
        ),
        ({"physics": MATRIX, "observation": {"kind": "poisson"}}, (1, 4, 4)),
        ({"observation": {"kind": "jpeg", "noise_std": 0.1, "table": [[20] * 8] * 8}}, (1, 8, 16)),
        ({"physics": {"kind": "bicubic", "factor": 2}, "observation": {"kind": "jpeg", "quality": 60}}, (1, 16, 16)),
        ({"physics": {"kind": "blur"}, "observation": {"kind": "jpeg"}}, (1, 16, 16)),
        ({"physics": {"kind": "blur", "std": 0.8, "boundary": "reflect"}, "observation": {"kind": "jpeg"}}, (1, 8, 16)),
        ({"physics": {"kind": "inpainting"}, "observation": {"kind": "jpeg"}}, (1, 16, 8)),
        ({"physics": {"kind": "bicubic", "factor": 2}, "observation": {"kind": "jpeg", "subsampling": "4:2:0"}}, (3, 32, 32)),
        ({"observation": {"kind": "jpeg", "quality": 80, "chroma_tables": [[[20] * 8] * 8, [[30] * 8] * 8]}}, (3, 8, 16)),
    ],
    "blind_deblur_jpeg": [
        ({"kernel": [[1]]}, (3, 8, 16)),
        ({"kernel": KERNEL, "subsampling": "4:2:0"}, (3, 16, 16)),
        ({"kernel": KERNEL, "subsampling": "4:2:2", "noise_std": 0.1, "chroma_tables": [[[20] * 8] * 8, [[30] * 8] * 8]}, (3, 8, 16)),
        ({"kernel": [[1]], "subsampling": "4:4:0", "quality": 80}, (3, 16, 8)),
    ],
}
"""Parameters to try on images of their own shapes, for models that not every shape fits."""


def cases() -> list:
    found = [(name, {}, shape) for name in operators.names() if name not in NOT_WITHOUT for shape in SHAPES]
    found += [(name, parameters, SHAPES[0]) for name, variants in VARIANTS.items() for parameters in variants]
    found += [(name, parameters, shape) for name, variants in OWN_SHAPES.items() for parameters, shape in variants]
    return [pytest.param(operators.build(n, p, shape), id=f"{n}-{shape}-{p or ''}"[:150]) for n, p, shape in found]


def foreign() -> list:
    """Models of physics objects, which are not in the catalogue."""
    physics = MatrixPhysics(7, (1, 6, 6)).double()
    gaussian = operators.DeepInv(physics, (1, 6, 6), (0, 1), GaussianNoise(0.2))
    poisson = operators.DeepInv(physics, (1, 6, 6), (0, 255), PoissonNoise(30, 1), measurement_range=(-200, 300))
    return [pytest.param(gaussian, id="deepinv-gaussian"), pytest.param(poisson, id="deepinv-poisson")]


def distinct_noises() -> list:
    return list({repr(case.values[0].noise): case for case in cases()}.values())


CATALOGUE = pytest.mark.parametrize("model", cases())
LAWS = pytest.mark.parametrize("model", cases() + foreign())


def images(shape: tuple[int, ...], n: int, seed: int = 0) -> torch.Tensor:
    return torch.rand((n, *shape), generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 - 1


@LAWS
def test_linear_maps_are_linear_with_an_exact_adjoint_and_svd(model):
    a = model.map.linear_part()
    if a is None:
        pytest.skip("not linear")
    x, z = images(model.image_shape, 2)
    assert torch.allclose(model.map(x[None]), a(x[None]) + model.map(torch.zeros_like(x[None])), atol=1e-12), "the rest is a constant"
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


@LAWS
def test_a_batch_is_a_loop(model):
    x = images(model.image_shape, 3)
    y = model.simulate(x, seed=5)
    assert y.shape == (3, *model.measurement_shape)
    assert torch.allclose(model.simulate(x[0], seed=5), y[0], rtol=0, atol=1e-12)
    looped = torch.stack([model.log_likelihood(a, b)[0] for a, b in zip(x, y, strict=True)])
    assert torch.allclose(model.log_likelihood(x, y), looped, rtol=1e-12)
    assert torch.allclose(model.log_likelihood(x, y[0])[1:], torch.stack([model.log_likelihood(a, y[0])[0] for a in x[1:]]), rtol=1e-12)


@LAWS
def test_the_log_likelihood_gradient_matches_finite_differences(model):
    x, direction = images(model.image_shape, 2)
    y = model.simulate(x, seed=1)
    leaf = x.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(model.log_likelihood(leaf, y).sum(), leaf)
    h = 1e-5
    slope = (model.log_likelihood(x + h * direction, y) - model.log_likelihood(x - h * direction, y)) / (2 * h)
    assert torch.allclose((gradient * direction).sum(), slope, rtol=1e-6, atol=1e-6)


@LAWS
def test_the_physics_own_gradient_is_autograds(model):
    x = images(model.image_shape, 2)
    y = model.simulate(x, seed=1)
    leaf = x.clone().requires_grad_(True)
    expected = model.log_likelihood(leaf, y)
    (gradient,) = torch.autograd.grad(expected.sum(), leaf)
    value, own = model.log_likelihood_and_gradient(x, y)
    assert torch.allclose(value, expected, rtol=1e-12, atol=1e-9)
    assert torch.allclose(own, gradient, rtol=1e-9, atol=1e-9 * gradient.abs().max().item())


@LAWS
def test_simulated_measurements_follow_the_log_likelihood(model):
    """Bartlett's identities: at the truth the score has mean zero and its variance is minus the mean second derivative."""
    n, h = 1500, 1e-3
    x, direction = images(model.image_shape, 2, seed=4)
    y = model.simulate(x.expand(n, *model.image_shape), seed=2)

    def log_likelihood(t: float) -> torch.Tensor:
        return model.log_likelihood((x + t * direction).expand(n, *model.image_shape), y)

    below, at, above = (log_likelihood(t) for t in (-h, 0.0, h))
    score, curvature = (above - below) / (2 * h), (above - 2 * at + below) / h**2
    assert abs(score.mean()) < 4.5 * score.std() / n**0.5
    information = score.square() + curvature
    assert abs(information.mean()) < 4.5 * information.std() / n**0.5 + 1e-4 * score.var()
    assert score.std() > 0


@pytest.mark.parametrize("model", distinct_noises())
def test_simulated_entries_have_the_density_of_the_log_likelihood(model):
    """Goodness of fit, of 3,000 draws of each of four entries: chi-square where the values are few, else Kolmogorov and Smirnov's.

    About a hundred entries in all: one in a hundred seeds fails by chance.
    """
    if not isinstance(model.noise, SeparableNoise) or model.measurement_shape != model.map.output_shape:
        pytest.skip("no law of single entries")
    x = images(model.image_shape, 1)
    y = model.simulate(x.expand(3000, -1, -1, -1), seed=7)
    for entry in torch.linspace(0, y[0].numel() - 1, 4).long().tolist():
        assert goodness_of_fit(y.flatten(1)[:, entry], lambda v, entry=entry: entry_density(model, x, y[0], entry, v)) > 1e-4


def entry_density(model, x: torch.Tensor, y: torch.Tensor, entry: int, values: torch.Tensor) -> torch.Tensor:
    """The likelihood's density of one entry of the measurement ``y`` at ``values`` (V,)."""
    others = y.flatten().repeat(len(values), 1)
    others[:, entry] = values
    log_density = model.noise.log_prob_entries(others.reshape(-1, *y.shape), model.map(x).expand(len(values), *y.shape))
    return log_density.flatten(1)[:, entry].exp()


def goodness_of_fit(drawn: torch.Tensor, density) -> float:
    """The probability of so bad a fit."""
    values, counts = drawn.unique(return_counts=True)
    if len(values) < len(drawn) / 2:
        expected = len(drawn) * density(values)
        often = expected >= 5
        rest = torch.stack([counts[~often].sum().double(), len(drawn) - expected[often].sum()])  # observed, expected
        assert rest[1] > -1e-6 * len(drawn), "probabilities of no more than 1 in all"
        observed, expected = torch.cat([counts[often], rest[:1]]), torch.cat([expected[often], rest[1:].clamp_min(1e-3)])
        return float(scipy.stats.chi2.sf(((observed - expected).square() / expected).sum().item(), int(often.sum())))
    spread = drawn.std()
    grid = torch.linspace((drawn.min() - 6 * spread).item(), (drawn.max() + 6 * spread).item(), 2001, dtype=torch.float64)
    heights = density(grid)
    cumulative = torch.cat([torch.zeros(1), ((heights[1:] + heights[:-1]) / 2 * grid.diff()).cumsum(0)])
    assert cumulative[-1].item() == pytest.approx(1, abs=1e-5), "a density"
    return float(scipy.stats.kstest(drawn.numpy(), lambda v: np.interp(v, grid.numpy(), cumulative.numpy())).pvalue)


@LAWS
def test_the_residual_is_one_at_the_truth(model):
    n = 1000
    x = images(model.image_shape, 1).expand(n, -1, -1, -1)
    squares = model.residual(x, model.simulate(x, seed=3)).square()
    assert abs(squares.mean() - 1) < 4.5 * squares.std() / n**0.5


@LAWS
def test_the_deviance_is_the_log_likelihoods(model):
    x = images(model.image_shape, 4)
    y = model.simulate(x[0], seed=3)
    deviance = model.noise.deviance(y[None], model.map(x))
    assert (deviance >= 0).all()
    assert torch.allclose(deviance.diff(), -2 * model.log_likelihood(x, y).diff(), rtol=1e-9)


@pytest.mark.parametrize("model", distinct_noises())
def test_separable_noise_sums_over_entries_and_smooths_by_quadrature(model):
    if not isinstance(model.noise, SeparableNoise):
        pytest.skip("not separable")
    x = images(model.image_shape, 1)
    y, clean = model.simulate(x, seed=3), model.map(x)
    assert torch.allclose(model.noise.log_prob_entries(y, clean).flatten(1).sum(1), model.noise.log_prob(y, clean))
    t = torch.linspace(-9, 9, 1501, dtype=torch.float64)
    # the trapezoidal rule is less exact at the kink where Poisson rates reach the dark count
    weight = torch.exp(-t.square() / 2) * (t[1] - t[0]) / math.sqrt(2 * math.pi)
    for std in (0.01, 0.4, 2.0):
        exact = sum(w * model.noise.log_prob_entries(y, clean + std * s).exp() for s, w in zip(t, weight, strict=True)).log()
        assert torch.allclose(
            model.noise.smoothed_log_prob_entries(y, clean, std), exact, atol=1e-3 if isinstance(model.noise, PoissonNoise) else 1e-6
        )


@pytest.mark.parametrize("model", distinct_noises())
def test_what_is_taken_out_of_a_noise_and_what_is_left_are_that_noise(model):
    if not isinstance(model.noise, SeparableNoise):
        pytest.skip("not separable")
    level = getattr(model.noise, "tau", model.noise.scale)
    std = 0.4 * level
    left, least = model.noise.without(std), model.noise.without(1e3 * level)
    x = images(model.image_shape, 1)
    y, clean = model.simulate(x, seed=3), model.map(x)
    whole = model.noise.log_prob_entries(y, clean)
    whole_by_definition = isinstance(model.noise, PoissonNoise) or getattr(model.noise, "looks", 1) > 1 or level == 0
    assert model.noise.divides != whole_by_definition
    if whole_by_definition:
        assert torch.equal(left.log_prob_entries(y, clean), whole)
        return
    together = left.smoothed_log_prob_entries(y, clean, std)
    assert left.scale < model.noise.scale
    assert torch.allclose(together.exp(), whole.exp(), atol=2e-3 if getattr(model.noise, "dither", "") == "logistic" else 1e-9)
    assert getattr(least, "tau", least.scale) == pytest.approx(0.05**0.5 * level), "a twentieth of the variance stays"


@LAWS
def test_wrong_shapes_and_values_are_named(model):
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


@CATALOGUE
def test_values_that_the_noise_cannot_produce_are_named(model):
    if isinstance(model.noise, GaussianNoise):
        pytest.skip("every number can be")
    y = model.simulate(images(model.image_shape, 1)[0], seed=0)
    model.check_measurement(y)
    y.view(-1)[3] += 0.37
    with pytest.raises(operators.MeasurementError, match="got 1 of"):
        model.check_measurement(y)


@CATALOGUE
def test_parameters_rebuild_the_model(model):
    again = operators.build(model.name, model.parameters(), model.image_shape)
    x = images(model.image_shape, 1)
    assert torch.equal(again.simulate(x, seed=3), model.simulate(x, seed=3))
    assert "image_shape" not in operators.schema(model.name)["properties"]
    assert set(model.parameters()) == set(operators.schema(model.name)["properties"])
