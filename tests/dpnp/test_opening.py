"""How blind chains begin: the evidence for a kernel, the image given a guess of it, and the choice among kernels."""

from dataclasses import dataclass

import pytest
import torch
from torch.distributions import MultivariateNormal

import dpnp
import operators
from dpnp.consistency.blurred_walk import Guess
from dpnp.consistency.fourier import BoxAverage, spectrum
from dpnp.consistency.select import blurred_cells
from dpnp.denoising import QuarterCircle
from dpnp.priors.batched import BatchedPrior
from dpnp.priors.kernel_scale import image_to_kernel
from dpnp.priors.spectrum import on_frequencies, radial_spectrum
from dpnp.priors.tiled import Tiled
from dpnp.priors.wrapped import innermost
from dpnp.rng import SampleStreams
from dpnp.samplers import opening
from dpnp.samplers.blind import denoised
from dpnp.samplers.opening import BlindOpening, prior_spectrum
from operators.blur_kernels import random_kernels
from operators.maps import BlockDCT
from operators.maps.blur import transfer_function
from operators.maps.colour_dct import ColourBlockDCT

SIDE = 40


class Stationary:
    """A Gaussian prior of grey images with a power law, whose draws look neither smooth nor white."""

    image_shape, device, dtype = (1, SIDE, SIDE), torch.device("cpu"), torch.float32

    def __init__(self):
        f = torch.fft.fftfreq(SIDE)
        self.power = 0.02 / (0.03**2 + f[:, None].square() + f.square())
        self.calls = 0

    def denoise(self, x, sigma):
        self.calls += 1
        return torch.fft.ifft2(torch.fft.fft2(x) * self.power / (self.power + sigma.reshape(-1, 1, 1, 1) ** 2)).real

    def sample(self, seed):
        noise = torch.randn(self.image_shape, generator=torch.Generator().manual_seed(seed))
        return torch.fft.ifft2(torch.fft.fft2(noise) * self.power.sqrt()).real


def falling(side: int) -> torch.Tensor:
    """A power spectrum with more in low frequencies."""
    f = torch.fft.fftfreq(side, dtype=torch.float64)
    return 0.1 / (0.02 + f[:, None].square() + f.square())


@pytest.mark.parametrize("subsampling", [None, (1, 1), (2, 1), (2, 2)])
def test_the_variances_of_coefficients_are_those_of_the_dense_covariance(subsampling):
    """Planes with falling spectra, of another strength each, through matrices."""
    side = 16
    a = BlockDCT((1, side, side)) if subsampling is None else ColourBlockDCT((3, side, side), subsampling)
    planes = a.planes()
    sides = [side // d for d in planes.box]
    shapes = [(side, side)] * len(planes.full.value) + [tuple(sides)] * len(planes.averaged.value)
    power = [(i + 1) * falling(side)[None, : s[0], : s[1]].expand(1, *s) for i, s in enumerate(shapes)]
    power = [(p + p.flip((1, 2)).roll((1, 1), (1, 2))) / 2 for p in power]  # of real images
    y = torch.eye(a.output_shape[0] if subsampling else side**2, dtype=torch.float64).reshape(-1, *a.output_shape)
    parts = [torch.fft.fft2(p, norm="ortho").abs().square() * s for p, s in zip(planes.project(y), power, strict=True)]
    dense = sum(p.flatten(1).sum(1) for p in parts)
    assert torch.allclose(planes.variances(power).expand(1, *a.output_shape).flatten(), dense)


def test_the_evidence_is_the_probability_of_the_cells_where_the_image_is_known():
    """Without an error of the image: the model's own log-likelihood."""
    model = operators.BlindDeblurJPEG((1, SIDE, SIDE), noise_std=0.1, quality=60)
    x = Stationary().sample(0)[None].double()
    y = model.simulate(x[0], seed=0)
    kernels = random_kernels(5, torch.Generator().manual_seed(2)).double()
    found = blurred_cells(model, y).log_evidence(x.expand(5, -1, -1, -1), torch.zeros(5, 1, SIDE, SIDE), kernels)
    expected = model.given({"kernel": kernels}).log_likelihood(x.expand(5, -1, -1, -1), y)
    assert torch.allclose(found, expected)


def test_the_evidence_prefers_the_true_kernel_at_the_right_error():
    """The guess is what a denoiser makes of the true image in noise of 1, with the prior's own error: 40 wrong kernels, five images."""
    prior, model = Stationary(), operators.BlindDeblurJPEG((1, SIDE, SIDE), quality=60)
    others = random_kernels(40, torch.Generator().manual_seed(3))
    for seed in range(5):
        x = prior.sample(seed)
        z = x + torch.randn(x.shape, generator=torch.Generator().manual_seed(100 + seed))
        guess = prior.denoise(z[None], torch.ones(1)).expand(41, -1, -1, -1)
        power = (prior.power / (prior.power + 1)).expand(41, 1, -1, -1)
        kernels = torch.cat([model.simulated_kernel(seed)[None].float(), others])
        evidence = blurred_cells(model, model.simulate(x, seed)).log_evidence(guess, power, kernels)
        assert evidence.argmax() == 0
        narrower = blurred_cells(model, model.simulate(x, seed)).log_evidence(guess, 0.01 * power, kernels)
        assert narrower[0] < evidence[0] - 10, "an error that is taken for a hundredth of its power"


@pytest.mark.parametrize("box", [(1, 1), (2, 2), (1, 2)], ids=str)
def test_the_image_given_a_guess_has_the_law_of_a_dense_gaussian(box):
    """4,000 draws of 64 pixels: means and variances within 5 standard errors of those of the matrices."""
    side, n, std = 8, 4000, 0.3
    g = torch.Generator().manual_seed(0)
    average, power = BoxAverage(box, side, side), falling(side).expand(1, 1, -1, -1)
    mean = torch.randn(side**2, generator=g, dtype=torch.float64)
    kernel = torch.rand(5, 5, generator=g, dtype=torch.float64)
    transfer = transfer_function(kernel / kernel.sum(), side, side)
    unit = torch.eye(side**2, dtype=torch.float64).reshape(-1, side, side)
    blurred = torch.fft.ifft2(transfer * torch.fft.fft2(unit)).real
    a = blurred.unflatten(-1, (-1, box[1])).mean(-1).unflatten(-2, (-1, box[0])).mean(-2).flatten(1).T
    c = torch.fft.ifft2(power[0, 0] * torch.fft.fft2(unit)).real.flatten(1)
    seen = torch.randn(len(a), generator=g, dtype=torch.float64)
    gain = c @ a.T @ torch.linalg.inv(a @ c @ a.T + std**2 * torch.eye(len(a), dtype=torch.float64))
    exact = MultivariateNormal(mean + gain @ (seen - a @ mean), c - gain @ a @ c + 1e-12 * torch.eye(side**2, dtype=torch.float64))

    guess = Guess(average, spectrum(mean.reshape(1, 1, side, side)), power)
    planes = spectrum(seen.reshape(1, 1, side // box[0], side // box[1]))
    drawn = guess.draw(planes, transfer.expand(n, -1, -1), std, SampleStreams(1, range(n)))
    x = torch.fft.ifft2(drawn, norm="ortho").real.flatten(1)
    assert ((x.mean(0) - exact.mean).abs() < 5 * (exact.variance / n).sqrt()).all()
    assert ((x.var(0) / exact.variance - 1).abs() < 5 * (2 / n) ** 0.5).all()


def test_images_of_a_guess_explain_a_colour_file():
    """4:2:0: the blurred images lie in the file's cells, to the noise, where the guess, and another file's images, do not."""
    shape = (3, 48, 48)
    model = operators.BlindDeblurJPEG(shape, noise_std=0.05, quality=60, subsampling="4:2:0")
    white = torch.fft.fft2(torch.randn(2, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    x = torch.fft.ifft2(white * falling(48).sqrt() / 3).real
    y, kernel = model.simulate(x[0], seed=2), model.simulated_kernel(2)[None]
    drawn = blurred_cells(model, y).draw_guessed(torch.zeros(1, *shape), falling(48).expand(1, *shape) / 9, kernel, SampleStreams(0, [0]))
    known = model.given({"kernel": kernel})
    residual = [known.residual(image, y).item() for image in (drawn, x[:1], torch.zeros_like(drawn), x[1:])]
    assert drawn.dtype == torch.float32
    assert abs(residual[0] - residual[1]) < 0.1 * residual[1]
    assert min(residual[2:]) > 1.5 * residual[1]


def test_the_opening_finds_kernel_and_image():
    """Four files, two chains each; all but two of the eight: the kernel is nearer to the truth than 9 of 10 kernels of its prior, which
    by chance has a probability of 2e-5, and the image nearer than twice the blurred image's error, where draws of the prior are not.
    """
    prior, model = Stationary(), operators.BlindDeblurJPEG((1, SIDE, SIDE), quality=60)
    others = random_kernels(200, torch.Generator().manual_seed(4))
    right_kernel, right_image, by_chance = 0, 0, 0
    for seed in (2, 3, 5, 6):  # kernels that leave something
        x, kernel = prior.sample(10 + seed), model.simulated_kernel(seed).float()
        cells, streams = blurred_cells(model, model.simulate(x, seed)), SampleStreams(seed, range(2))
        begin = BlindOpening(prior, cells, lambda *a: denoised(QuarterCircle(2), *a), 0.45)
        with torch.no_grad():
            chain = begin.draw(streams.normal((1, SIDE, SIDE)), streams.normal((33, 33)), streams)
        near = (others - kernel).flatten(1).norm(dim=1).quantile(0.1)
        right_kernel += int(((image_to_kernel(chain.kappa) - kernel).flatten(1).norm(dim=1) < near).sum())
        blurred = torch.fft.ifft2(transfer_function(kernel, SIDE, SIDE) * torch.fft.fft2(x)).real
        right_image += int(((chain.x - x).square().mean((1, 2, 3)) < 2 * (blurred - x).square().mean()).sum())
        by_chance += int((prior.sample(50 + seed) - x).square().mean() < 2 * (blurred - x).square().mean())
    assert right_kernel >= 6
    assert right_image >= 6
    assert by_chance == 0


def test_a_choice_by_even_evidence_is_even(monkeypatch):
    """All candidates alike: each is chosen as often, the present one too; 2,000 choices among 4 within 5 standard errors."""
    monkeypatch.setattr(opening, "CANDIDATES", 4)
    monkeypatch.setattr(BlindOpening, "_evidence", lambda self, guess, power, eta, kernels, strengths: torch.zeros_like(strengths))
    n = 2000
    start = BlindOpening(Stationary(), None, None, 0.45)
    kappa, strength = torch.full((n, 33, 33), 7.0), torch.full((n,), 3.0, dtype=torch.float64)
    chosen, kept = start._choose(torch.zeros(n, 1, SIDE, SIDE), None, 5.0, kappa, strength, SampleStreams(0, range(n)))
    stayed = (chosen == 7).flatten(1).all(1)
    assert torch.equal(stayed, kept == 3), "kernel and strength go together"
    assert abs(stayed.double().mean().item() - 0.25) < 5 * (0.25 * 0.75 / n) ** 0.5


def test_a_choice_is_by_the_evidence_to_the_power_of_a_tenth(monkeypatch):
    """Evidence of 0, 10 and 20 nats: 3,000 choices within 5 standard errors of the shares e^0 : e^1 : e^2."""
    monkeypatch.setattr(opening, "CANDIDATES", 3)
    monkeypatch.setattr(opening, "CHUNK", 2**40)
    told = torch.tensor([0.0, 10.0, 20.0])
    monkeypatch.setattr(BlindOpening, "_evidence", lambda self, guess, power, eta, kernels, strengths: told.expand_as(strengths))
    n, shares = 3000, torch.softmax(told / 10, 0)
    start = BlindOpening(Stationary(), None, None, 0.45)
    strength = torch.full((n,), -1.0, dtype=torch.float64)
    kept = start._choose(torch.zeros(n, 1, SIDE, SIDE), None, 5.0, torch.zeros(n, 33, 33), strength, SampleStreams(0, range(n)))[1]
    assert abs((kept == -1).double().mean() - shares[0]) < 5 * (shares[0] * (1 - shares[0]) / n).sqrt()
    monkeypatch.setattr(BlindOpening, "_evidence", lambda self, guess, power, eta, kernels, strengths: told.flip(0).expand_as(strengths))
    kept = start._choose(torch.zeros(n, 1, SIDE, SIDE), None, 5.0, torch.zeros(n, 33, 33), strength, SampleStreams(1, range(n)))[1]
    assert abs((kept == -1).double().mean() - shares[2]) < 5 * (shares[2] * (1 - shares[2]) / n).sqrt()


def test_candidates_in_parts_are_as_good_and_each_chain_has_its_own(monkeypatch):
    """Two chains with other guesses, spectra and strengths: all at once, in parts, and one chain by itself."""
    prior, model = Stationary(), operators.BlindDeblurJPEG((1, SIDE, SIDE), quality=60)
    guess = torch.stack([prior.sample(1), prior.sample(2)])
    power = torch.stack([prior.power[None], 3 * prior.power[None]]).double()
    kappa = torch.stack([denoised(QuarterCircle(2), torch.zeros(1, 33, 33), 5.0, SampleStreams(s, [0]))[0] for s in (0, 1)])
    strength = torch.tensor([0.5, 2.0], dtype=torch.float64)
    start = BlindOpening(prior, blurred_cells(model, model.simulate(prior.sample(0), 0)), None, 0.45)
    found = start._choose(guess, power, 2.0, kappa, strength, SampleStreams(3, [0, 1]))
    alone = start._choose(guess[1:], power[1:], 2.0, kappa[1:], strength[1:], SampleStreams(3, [1]))
    monkeypatch.setattr(opening, "CHUNK", 50 * SIDE**2)
    parts = start._choose(guess, power, 2.0, kappa, strength, SampleStreams(3, [0, 1]))
    for whole, one, many in zip(found, alone, parts, strict=True):
        assert torch.equal(whole, many)
        assert torch.equal(whole[1:], one)


def test_the_spectrum_of_a_prior_is_drawn_once():
    prior = Stationary()
    first = prior_spectrum(BatchedPrior(prior, 8))
    assert torch.equal(prior_spectrum(BatchedPrior(prior, 2)), first)
    assert prior.calls == 8 * 17
    spectra = on_frequencies(first, SIDE, SIDE)[0, 0]
    assert (spectra / prior.power).log().mean().exp().item() == pytest.approx(1.0, abs=0.5), "8 draws, 16 steps"
    assert innermost(BatchedPrior(BatchedPrior(prior, 2))) is prior
    tiled = Tiled(prior, (1, SIDE + 20, SIDE))
    assert innermost(BatchedPrior(tiled)) is tiled, "another law"
    prior.dtype = torch.float64
    assert not torch.equal(prior_spectrum(prior), first), "draws of their own in another precision"


class Called(Exception):
    pass


def stop() -> None:
    raise Called


def test_a_prior_that_knows_its_spectrum_is_not_asked():
    shipped = dpnp.load_prior("faces-64", device="cpu")
    assert prior_spectrum(BatchedPrior(shipped, 8, stop)) is shipped.spectrum


def test_the_draws_for_a_spectrum_can_be_stopped():
    with pytest.raises(Called):
        prior_spectrum(BatchedPrior(Stationary(), 8, stop))


def test_the_chroma_of_nearly_grey_images_has_no_negative_power():
    """As a card has them, in seven digits, for channels that differ by a hundred-thousandth."""
    side = 32
    grey, colour = (torch.randn(2, c, side, side, generator=torch.Generator().manual_seed(c), dtype=torch.float64) for c in (1, 3))
    x = grey + 1e-5 * colour
    rounded = radial_spectrum(x, torch.zeros_like(x[0])).flatten().tolist()
    spectrum = torch.tensor([float(f"{v:.7g}") for v in rounded], dtype=torch.float64).reshape(-1, 3, 3)
    model = operators.BlindDeblurJPEG((3, side, side), subsampling="4:4:4")
    assert (blurred_cells(model, model.simulate(x[0], seed=0)).power_of(spectrum) >= 0).all()


@pytest.mark.parametrize("subsampling", [(1, 1), (2, 2)])
def test_the_planes_power_is_that_of_the_channels_cross_spectra(subsampling):
    """Of correlated channels: what the spectra of the images' own planes are on average."""
    side = 48
    model = operators.BlindDeblurJPEG((3, side, side), subsampling=f"4:{'4:4' if subsampling == (1, 1) else '2:0'}")
    x = torch.randn(5, 3, side, side, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = torch.einsum("cd,bdhw->bchw", torch.tensor([[1.0, 0, 0], [0.8, 0.3, 0], [0.5, -0.2, 0.4]], dtype=torch.float64), x)
    cells = blurred_cells(model, model.simulate(x[0], seed=0))
    found = cells.power_of(radial_spectrum(x, torch.zeros_like(x[0])))
    assert torch.allclose(found, cells.power(x).mean(0))


@dataclass
class Compared(Stationary):
    """Equality by value, and so no hash."""

    name: str = "compared"

    def __post_init__(self):
        super().__init__()


class Slotted:
    """No weak references."""

    __slots__ = ("_prior",)
    image_shape, device, dtype = [1, SIDE, SIDE], torch.device("cpu"), torch.float32

    def __init__(self):
        self._prior = Stationary()

    def denoise(self, x, sigma):
        return self._prior.denoise(x, sigma)


@pytest.mark.parametrize("make", [Compared, Slotted])
def test_any_object_that_denoises_has_a_spectrum(make):
    prior = make()
    assert torch.equal(prior_spectrum(prior), prior_spectrum(prior))
