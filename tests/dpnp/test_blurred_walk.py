"""The blur kernel's law with the image integrated out, against dense Gaussians, and its Hamiltonian chains."""

import pytest
import torch
from torch.nn.functional import avg_pool2d

from dpnp.consistency.blurred_kernel import HALF
from dpnp.consistency.blurred_walk import Evidence, Guess, KernelTarget, adapted, kernel_mass, trajectory
from dpnp.consistency.fourier import BoxAverage, radial_power, spectrum
from dpnp.priors.kernel_scale import image_sum
from dpnp.rng import SampleStreams
from operators.maps.blur import transfer_adjoint, transfer_function

SIDE, SIZE, STD = 8, 5, 0.3
BOXES = [(1, 1), (2, 2), (1, 2)]
SPECTRA = {"rough": 0.5, "known": 0.0}


def kernels(n: int, seed: int) -> torch.Tensor:
    """Kernels as images, all of the same sum."""
    kappa = torch.randn(n, SIZE, SIZE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return kappa + image_sum(SIZE**2) / SIZE**2 - kappa.mean((1, 2), keepdim=True)


def guess(box: tuple[int, int], power: float, n: int = 1) -> Guess:
    """An image and its error, both with more power at low frequencies."""
    x = torch.randn(1, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    f = torch.fft.fftfreq(SIDE, dtype=torch.float64)
    shape = 1 / (0.02 + f[:, None].square() + f.square())
    return Guess(BoxAverage(box, SIDE, SIDE), (3 * shape * spectrum(x)).expand(n, -1, -1, -1), (power * shape).expand(n, 1, -1, -1))


def planes(g: Guess, seed: int = 1) -> torch.Tensor:
    """Something seen, (1, 1, h, w)."""
    down, across = g.average.box
    return torch.randn(1, 1, SIDE // down, SIDE // across, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def dense_potential(g: Guess, seen: torch.Tensor, kappa: torch.Tensor) -> torch.Tensor:
    """-log N(seen; A x, A C A^T + std² I) with matrices, A the blur and the average over boxes, pixel by pixel."""
    unit = torch.eye(SIDE**2, dtype=torch.float64).reshape(-1, 1, SIDE, SIDE)
    transfer = transfer_function(HALF * (kappa + 1), SIDE, SIDE)

    def seen_of(x: torch.Tensor) -> torch.Tensor:
        return avg_pool2d(torch.fft.ifft2(transfer * torch.fft.fft2(x)).real, g.average.box).flatten(1)

    a = seen_of(unit).T
    root = torch.fft.ifft2(g.power[0, 0].sqrt() * torch.fft.fft2(unit)).real.flatten(1)
    mean = seen_of(torch.fft.ifft2(g.sharp, norm="ortho").real)[0]
    covariance = a @ root @ root.T @ a.T + STD**2 * torch.eye(len(mean), dtype=torch.float64)
    return -torch.distributions.MultivariateNormal(mean, covariance).log_prob(seen.flatten())


@pytest.mark.parametrize("power", SPECTRA.values(), ids=SPECTRA)
@pytest.mark.parametrize("box", BOXES, ids=str)
def test_the_evidence_is_the_log_density_of_a_dense_gaussian(box, power):
    g = guess(box, power)
    seen = planes(g)
    evidence = Evidence(g, spectrum(seen), STD)
    one, other = (transfer_function(HALF * (k + 1), SIDE, SIDE)[None] for k in kernels(2, 3))
    found = evidence.slope(one)[0] - evidence.slope(other)[0]
    expected = torch.sub(*(dense_potential(g, seen, k) for k in kernels(2, 3)))
    assert found.item() == pytest.approx(expected.item(), rel=1e-9)


@pytest.mark.parametrize("box", BOXES, ids=str)
def test_the_slope_is_the_potentials_gradient(box):
    """Against autograd, for two parts, two chains and kernels that reach round the image's edge."""
    parts = [Evidence(g, spectrum(planes(g)).expand(2, -1, -1, -1), STD) for g in (guess((1, 1), 0.5, 2), guess(box, 0.3, 2))]
    target = KernelTarget(parts, kernels(2, 4), 0.7)
    leaf = kernels(2, 5).requires_grad_(True)
    (gradient,) = torch.autograd.grad(target.slope(leaf)[0].sum(), leaf)
    slope = target.slope(leaf.detach())[1]
    assert torch.allclose(slope, gradient - gradient.mean((1, 2), keepdim=True), atol=1e-9 * gradient.abs().max().item())


@pytest.mark.parametrize("sides", [(9, 12), (4, 7)])
def test_the_adjoint_of_transfer_functions(sides):
    g = torch.Generator().manual_seed(0)
    kernel = torch.randn(3, 5, 7, generator=g, dtype=torch.float64)
    other = torch.randn(3, *sides, generator=g, dtype=torch.complex128)
    inner = (other.conj() * transfer_function(kernel, *sides)).real.sum()
    assert torch.allclose(inner, (kernel * transfer_adjoint(other, 5, 7)).sum())


def test_the_chains_have_the_law_of_a_gaussian_where_the_image_is_known():
    """500 chains of 30 trajectories: means and variances of 25 pixels within 5 standard errors of the exact ones."""
    n, eta = 500, 2.0
    g = guess((1, 1), 0.0, n)
    centre = kernels(1, 4).expand(n, -1, -1)
    target = KernelTarget([Evidence(g, spectrum(planes(g)).expand(n, -1, -1, -1), STD)], centre, eta)
    mass = kernel_mass([g], centre, eta, STD)
    kappa, log_step, streams = centre, torch.full((n,), -1.0, dtype=torch.float64), SampleStreams(5, range(n))
    for k in range(30):
        kappa, probability = trajectory(target, kappa, mass, log_step, streams)
        log_step = adapted(log_step, probability) if k < 15 else log_step
    mean, variance = exact_moments(target)
    assert torch.allclose(kappa.sum((1, 2)), centre.sum((1, 2)))
    assert ((kappa.flatten(1).mean(0) - mean).abs() < 5 * (variance / n).sqrt()).all()
    assert ((kappa.flatten(1).var(0) / variance - 1).abs() < 5 * (2 / n) ** 0.5).all()


def exact_moments(target: KernelTarget) -> tuple[torch.Tensor, torch.Tensor]:
    """Of exp(-U) for a quadratic U, on kernels with the sum of the centre."""
    centre = target.kappa_k[:1]
    alone = KernelTarget(
        [Evidence(Guess(e.guess.average, e.guess.sharp[:1], e.guess.power[:1]), e.seen[:1], e.std) for e in target.evidence],
        centre,
        target.eta,
    )

    def potential(flat: torch.Tensor) -> torch.Tensor:
        return alone.slope(flat.reshape(1, SIZE, SIZE))[0].sum()

    flat = centre.flatten()
    hessian, gradient = torch.autograd.functional.hessian(potential, flat), torch.autograd.functional.jacobian(potential, flat)
    basis = torch.linalg.svd(torch.ones(1, SIZE**2, dtype=torch.float64))[2][1:].T
    covariance = basis @ torch.linalg.inv(basis.T @ hessian @ basis) @ basis.T
    return flat - covariance @ gradient, covariance.diagonal()


@pytest.mark.parametrize("box", BOXES, ids=str)
def test_the_mass_makes_the_target_rounder(box):
    g, eta = guess(box, 0.0), 2.0
    centre = kernels(1, 4)
    target = KernelTarget([Evidence(g, spectrum(planes(g)), STD)], centre, eta)
    hessian = torch.autograd.functional.hessian(lambda k: target.slope(k.reshape(1, SIZE, SIZE))[0].sum(), centre.flatten())
    fourier = torch.fft.fft2(torch.eye(SIZE**2, dtype=torch.float64).reshape(-1, SIZE, SIZE), norm="ortho").flatten(1)
    root = (fourier.mH @ (kernel_mass([g], centre, eta, STD).flatten().rsqrt()[:, None] * fourier)).real
    condition = torch.linalg.cond(root @ hessian @ root)
    assert condition < 0.5 * torch.linalg.cond(hessian)


def test_a_divergent_trajectory_is_refused():
    g, centre = guess((1, 1), 0.5), kernels(1, 4)
    target = KernelTarget([Evidence(g, spectrum(planes(g)), STD)], centre, 2.0)
    wild = torch.full((1,), 300.0, dtype=torch.float64)
    kappa, probability = trajectory(target, centre, kernel_mass([g], centre, 2.0, STD), wild, SampleStreams(0, [0]))
    assert torch.equal(kappa, centre)
    assert probability.item() == 0


def test_radial_power_is_the_spectrum_of_an_isotropic_law():
    """White images of variance 4, 24 x 40: every ring's mean within 5 standard errors; rings are of equal frequency, not of equal index."""
    x = 2 * torch.randn(200, 1, 24, 40, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    power = radial_power(x)
    assert power.shape == x.shape
    assert (power.mean(0) / 4 - 1).abs().max() < 5 * (2 / 200) ** 0.5
    assert torch.equal(power[..., 3, 0], power[..., 0, 5]), "3 cycles in 24 pixels are 5 in 40"
