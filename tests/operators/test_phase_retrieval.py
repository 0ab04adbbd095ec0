"""Coded phase retrieval."""

import pytest
import torch

import operators
from operators.rng import generator_for


def image(seed: int, shape=(1, 8, 8)) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_magnitudes_are_the_oversampled_transforms():
    model = operators.PhaseRetrieval(image_shape=(1, 8, 8), oversampling=3)
    x = image(0)
    mask = operators.maps.fourier.ternary_mask((8, 8), generator_for(0, operators.rng.MASK))
    padded = torch.zeros(24, 24, dtype=torch.float64)
    padded[:8, :8] = mask * x[0]
    ramp = torch.arange(24, dtype=torch.float64)
    dft = torch.exp(-2j * torch.pi * torch.outer(ramp, ramp) / 24) / 24**0.5
    z = dft @ padded.to(torch.complex128) @ dft.T
    assert model.measurement_shape == (1, 24, 24)
    assert torch.allclose(model.map(x[None])[0, 0], (z.abs().square() + 0.01**2).sqrt(), atol=1e-12)


def test_the_mask_has_the_papers_law_and_its_seed():
    masks = [operators.maps.fourier.ternary_mask((200, 200), generator_for(s, operators.rng.MASK)) for s in (0, 0, 1)]
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])
    for value, share in ((-1, 1 / 8), (0, 3 / 4), (1, 1 / 8)):
        assert (masks[0] == value).double().mean().item() == pytest.approx(share, abs=4.5 * (share * (1 - share) / 40_000) ** 0.5)


@pytest.mark.parametrize("mask", ["ternary", "none"])
def test_align_undoes_what_the_magnitudes_cannot_see(mask):
    model = operators.PhaseRetrieval(image_shape=(1, 8, 8), mask=mask)
    truth = torch.nn.functional.pad(image(1, (1, 4, 5)), (0, 3, 0, 4))
    twins = [truth, -truth]
    if mask == "none":
        twins += [truth.roll((3, 2), (-2, -1)), -truth.roll((4, 1), (-2, -1)), truth.flip(-1, -2)]
    x = torch.stack(twins)
    assert torch.allclose(model.map(x), model.map(truth[None]).expand(len(x), -1, -1, -1), atol=1e-12)
    assert torch.allclose(operators.align(x, truth, mask=mask == "ternary"), truth.expand_as(x), atol=1e-12)


@pytest.mark.parametrize("mask", ["ternary", "none"])
def test_align_takes_every_channel_by_itself(mask):
    model = operators.PhaseRetrieval(image_shape=(3, 8, 8), mask=mask)
    truth = torch.nn.functional.pad(image(1, (3, 4, 5)), (0, 3, 0, 4))
    x = torch.stack([truth, truth])
    x[0, 1], x[1, 0] = -truth[1], -truth[0]
    if mask == "none":
        x[0, 2], x[1, 2] = truth[2].roll((2, 1), (-2, -1)), -truth[2].flip(-1, -2)
    assert torch.allclose(model.map(x), model.map(truth[None]).expand(2, -1, -1, -1), atol=1e-12)
    assert torch.allclose(operators.align(x, truth, mask=mask == "ternary"), truth.expand_as(x), atol=1e-12)


def test_the_gradient_is_finite_where_the_magnitude_vanishes():
    model = operators.PhaseRetrieval(image_shape=(1, 4, 4))
    x = torch.zeros(1, 1, 4, 4, requires_grad=True)
    model.log_likelihood(x, torch.ones(model.measurement_shape)).sum().backward()
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize(("shape", "oversampling"), [((1, 5, 7), 1), ((1, 7, 5), 3), ((2, 6, 5), 2), ((1, 1, 1), 1), ((1, 4, 2), 1)])
def test_half_of_the_frequencies_give_the_gradient_at_any_sides(shape, oversampling):
    model = operators.PhaseRetrieval(image_shape=shape, oversampling=oversampling, mask="none")
    x = torch.stack([image(2, shape), image(3, shape)])
    y = model.simulate(x, seed=0)
    leaf = x.clone().requires_grad_(True)
    expected = model.log_likelihood(leaf, y)
    (gradient,) = torch.autograd.grad(expected.sum(), leaf)
    value, own = model.log_likelihood_and_gradient(x, y)
    assert torch.allclose(value, expected, rtol=1e-12)
    assert torch.allclose(own, gradient, atol=1e-10 * gradient.abs().max().item())


@pytest.mark.parametrize("width", [7, 8])
def test_the_real_transform_is_given_a_hermitian_spectrum(width, monkeypatch):
    """Libraries differ in what they make of another one."""
    given = []
    transform = torch.fft.irfft
    monkeypatch.setattr(torch.fft, "irfft", lambda lines, *args, **options: given.append(lines) or transform(lines, *args, **options))
    model = operators.PhaseRetrieval(image_shape=(1, 4, width), oversampling=1)
    x = image(2, (1, 4, width))[None]
    model.log_likelihood_and_gradient(x, model.simulate(image(3, (1, 4, width)), seed=0))
    (lines,) = given
    ends = [0, -1] if width == 8 else [0]
    assert lines.imag.abs().max() > 0
    assert lines[..., ends].imag.abs().max() == 0
