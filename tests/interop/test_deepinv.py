"""``operators.DeepInv`` with deepinv's own physics. ``make test`` runs this in a second pytest, beside a folder that holds deepinv."""

from functools import partial

import pytest
import torch

import dpnp
import operators
from dpnp.consistency import PerturbAndSolve, consistency_sampler
from operators.noise import GaussianNoise, PoissonNoise
from tests.operators import test_laws
from tests.operators.test_laws import images

physics = pytest.importorskip("deepinv", reason="deepinv is not installed: `make test` runs these apart").physics

SHAPE = (1, 16, 16)
KERNEL = torch.rand(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
KERNEL = KERNEL / KERNEL.sum()
MASK = (torch.rand(16, 16, generator=torch.Generator().manual_seed(1)) < 0.5).double()
BLUR = partial(physics.Blur, filter=KERNEL[None, None])

KINDS = {
    "blur-valid": partial(BLUR, padding="valid"),
    "blur-circular": partial(BLUR, padding="circular"),
    "blur-reflect": partial(BLUR, padding="reflect"),
    "blur-fft": partial(physics.BlurFFT, img_size=SHAPE, filter=KERNEL[None, None]),
    "denoising": physics.Denoising,
    "inpainting": partial(physics.Inpainting, img_size=SHAPE, mask=MASK[None]),
    "downsampling": partial(physics.Downsampling, img_size=SHAPE, factor=2, filter="bicubic", padding="circular"),
    "downsampling-matlab": partial(physics.DownsamplingMatlab, factor=2),
    "structured-random": partial(physics.StructuredRandom, img_size=SHAPE, output_size=(1, 8, 8)),
    "single-pixel": partial(physics.SinglePixelCamera, m=60, img_size=SHAPE),
    "tomography": partial(physics.Tomography, angles=12, img_width=16, normalize=False, dtype=torch.float64),
    "decolorize": physics.Decolorize,
}
LAWS = [
    test_laws.test_linear_maps_are_linear_with_an_exact_adjoint_and_svd,
    test_laws.test_a_batch_is_a_loop,
    test_laws.test_the_log_likelihood_gradient_matches_finite_differences,
    test_laws.test_simulated_measurements_follow_the_log_likelihood,
    test_laws.test_the_deviance_is_the_log_likelihoods,
    test_laws.test_wrong_shapes_and_values_are_named,
]


def quiet(kind):
    """In double precision and without noise of its own."""
    made = KINDS[kind]()
    made.noise_model = physics.ZeroNoise()
    return made.double()


def model_of(kind):
    shape = (3, 16, 16) if kind == "decolorize" else SHAPE
    return operators.DeepInv(quiet(kind), shape, (0, 1), GaussianNoise(0.05))


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize("kind", KINDS)
def test_it_obeys_the_laws(kind, law):
    law(model_of(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_physics_on_images_in_its_range(kind):
    model = model_of(kind)
    u = (images(model.image_shape, 2) + 1) / 2
    assert torch.allclose(model.map(2 * u - 1), quiet(kind)(u), atol=1e-12)


def test_compressed_sensing_computes_in_its_own_precision():
    sensing = physics.CompressedSensing(m=60, img_size=SHAPE)
    model = operators.DeepInv(sensing, SHAPE, (0, 1), GaussianNoise(0.05))
    u = (images(SHAPE, 2) + 1) / 2
    assert torch.allclose(model.map(2 * u - 1), sensing(u.float()).double(), atol=1e-5)
    assert model.map(2 * u - 1).dtype == torch.float64


def composed(**parts):
    return operators.build("composed", parts | {"observation": {"kind": "gaussian", "std": 0.1}}, SHAPE)


def blur(boundary):
    return {"kind": "blur", "kernel": KERNEL.tolist(), "boundary": boundary}


PAIRS = {
    "blur-circular": lambda: composed(physics=blur("circular")),
    "blur-fft": lambda: composed(physics=blur("circular")),
    "blur-reflect": lambda: composed(physics=blur("reflect")),
    "denoising": lambda: composed(physics={"kind": "identity"}),
    "inpainting": lambda: composed(physics={"kind": "inpainting", "mask": MASK.int().tolist()}),
}
"""Our own models of the same measurements, in [-1, 1] scale."""


def measured_twice(kind):
    """(our model, its measurement), (deepinv's, the same measurement in [0, 1])."""
    ours, theirs = PAIRS[kind](), model_of(kind)
    y = ours.simulate(images(SHAPE, 1)[0], seed=1)
    black = theirs.map(-torch.ones((1, *SHAPE), dtype=torch.float64)) - ours.map(-torch.ones((1, *SHAPE), dtype=torch.float64)) / 2
    return (ours, y), (theirs, y / 2 + black[0])


@pytest.mark.parametrize("kind", PAIRS)
def test_its_likelihood_is_our_own_maps(kind):
    (ours, y), (theirs, z) = measured_twice(kind)
    x = images(SHAPE, 3, seed=2)
    assert torch.allclose(theirs.map(x) - theirs.map(x[:1]), (ours.map(x) - ours.map(x[:1])) / 2, atol=1e-12)
    scale = y.numel() * torch.tensor(2.0, dtype=torch.float64).log()
    assert torch.allclose(theirs.log_likelihood(x, z), ours.log_likelihood(x, y) + scale, rtol=1e-10)


def prior():
    root = torch.randn(256, 256, generator=torch.Generator().manual_seed(3), dtype=torch.float64) / 32
    return dpnp.priors.Gaussian(torch.zeros(256, dtype=torch.float64), root @ root.T + 0.05 * torch.eye(256, dtype=torch.float64), SHAPE)


def test_its_samples_are_our_own_maps():
    (ours, y), (theirs, z) = measured_twice("blur-reflect")
    assert isinstance(consistency_sampler(theirs, z, "exact", 1), PerturbAndSolve)
    sampler = dpnp.DPnP(n_iterations=5, denoising_steps=4, eta_min=0.1)
    a, b = (dpnp.sample(prior(), m, data, sampler=sampler, n_samples=3, seed=0).samples for m, data in ((ours, y), (theirs, z)))
    assert torch.allclose(a, b, atol=1e-7)


def test_its_samples_have_the_law_of_our_own_maps_where_those_have_a_thin_svd():
    """Pixel by pixel: means and variances of draws by conjugate gradients, which cannot split the noise, and through the SVD."""
    n = 2000
    (ours, y), (theirs, z) = measured_twice("inpainting")
    sampler = dpnp.DPnP(n_iterations=3, denoising_steps=3, eta_min=0.2, split_noise=False)
    a, b = (dpnp.sample(prior(), m, data, sampler=sampler, n_samples=n, seed=s).samples for m, data, s in ((ours, y, 0), (theirs, z, 1)))
    for f in (lambda x: x, lambda x: x.square()):
        error = ((f(a).var(0) + f(b).var(0)) / n).sqrt()
        assert ((f(a).mean(0) - f(b).mean(0)) / error).abs().max() < 4.9  # of 512 numbers


def test_gaussian_noise_is_taken_over():
    blurred = physics.Blur(filter=KERNEL[None, None].float(), padding="circular", noise_model=physics.GaussianNoise(0.07))
    model = operators.DeepInv(blurred, SHAPE, value_range=(0, 1))
    assert model.noise == GaussianNoise(pytest.approx(0.07))
    u = torch.rand(300, *SHAPE, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    residuals = model.residual(model.from_physics(u), blurred(u)).square()
    assert abs(residuals.mean() - 1) < 4.5 * residuals.std() / 300**0.5


def test_noise_in_two_places_is_refused():
    blurred = BLUR(padding="circular", noise_model=physics.GaussianNoise(0.07))
    with pytest.raises(operators.PhysicsError, match=r"one place.*sigma=0.07.*ZeroNoise"):
        operators.DeepInv(blurred, SHAPE, (0, 1), GaussianNoise(0.07))


@pytest.mark.parametrize("given", [None, GaussianNoise(0.1)], ids=["alone", "beside ours"])
def test_other_noise_is_not_taken_over(given):
    blurred = BLUR(padding="circular", noise_model=physics.PoissonNoise(0.1))
    with pytest.raises(operators.PhysicsError, match=r"got PoissonNoise, which is not taken over.*ZeroNoise"):
        operators.DeepInv(blurred, SHAPE, (0, 1), given)


@pytest.mark.parametrize("sigma", [0.0, torch.tensor([0.1, 0.2])])
def test_noise_without_one_level_is_refused(sigma):
    with pytest.raises(operators.PhysicsError, match="one sigma > 0"):
        operators.DeepInv(physics.Denoising(physics.GaussianNoise(sigma)), SHAPE, (0, 1))


def test_photon_counts():
    """deepinv's counts are ours: its gain is one over our peak."""
    photons = physics.PoissonNoise(gain=1 / 200, normalize=False)
    u = torch.rand(300, *SHAPE, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    counts = photons(u + 1 / 200)  # one dark count
    model = operators.DeepInv(quiet("denoising"), SHAPE, (0, 1), PoissonNoise(peak=200, dark=1), measurement_range=(0, 1))
    model.check_measurement(counts[0])
    squares = model.residual(model.from_physics(u), counts).square()
    assert abs(squares.mean() - 1) < 4.5 * squares.std() / 300**0.5


def test_a_sensor_is_refused():
    with pytest.raises(operators.PhysicsError, match="sensor_model"):
        operators.DeepInv(physics.LinearPhysics(A_adjoint=lambda y: y, sensor_model=torch.sign), SHAPE, (0, 1), GaussianNoise(0.1))


def test_an_approximate_adjoint_is_refused():
    tomography = physics.Tomography(angles=12, img_width=16, normalize=True, adjoint_via_backprop=False)
    with pytest.raises(operators.PhysicsError, match=r"adjoint of A.*adjoint_via_backprop"):
        operators.DeepInv(tomography, SHAPE, (0, 1), GaussianNoise(0.1))


@pytest.mark.parametrize("kind", [physics.Haze, lambda: physics.PhaseRetrieval(quiet("blur-circular"))], ids=["haze", "phase retrieval"])
def test_a_nonlinear_physics_is_refused(kind):
    with pytest.raises(operators.PhysicsError, match="expected a linear physics"):
        operators.DeepInv(kind(), SHAPE, (0, 1), GaussianNoise(0.1))


def test_a_stack_of_measurements_is_refused():
    with pytest.raises(operators.PhysicsError, match="one real tensor, got TensorList"):
        operators.DeepInv(physics.Denoising().stack(BLUR(filter=KERNEL[None, None].float())), SHAPE, (0, 1), GaussianNoise(0.1))


def test_parts_one_after_another_are_one_physics():
    both = quiet("tomography") * quiet("blur-circular")
    model = operators.DeepInv(both, SHAPE, (0, 1), GaussianNoise(0.1))
    u = (images(SHAPE, 2) + 1) / 2
    assert torch.allclose(model.map(2 * u - 1), quiet("tomography").A(quiet("blur-circular").A(u)), atol=1e-12)


def test_an_automatic_adjoint_and_a_mask_per_batch():
    flip = physics.LinearPhysics(A=lambda x: x.flip(-1), img_size=SHAPE)
    assert operators.DeepInv(flip, SHAPE, (0, 1), GaussianNoise(0.1)).measurement_shape == SHAPE
    masks = physics.Inpainting(img_size=SHAPE, mask=torch.stack([MASK, 1 - MASK, MASK, MASK])[:, None])
    with pytest.raises(operators.PhysicsError, match="each image of a batch by itself"):
        operators.DeepInv(masks, SHAPE, (0, 1), GaussianNoise(0.1))
