"""Gibbs draws of blurred images and their kernels from JPEG's cells."""

import pytest
import torch

import dpnp
import operators
from dpnp.consistency import MALA, consistency_sampler
from dpnp.consistency.blurred import BlurredCells
from dpnp.consistency.blurred_image import BlurredImage
from dpnp.consistency.blurred_kernel import BlurredKernel
from dpnp.consistency.entrywise import EntrywiseExact
from dpnp.priors.kernel_scale import KERNEL_SCALE, image_to_kernel
from dpnp.rng import SampleStreams
from operators.jpeg import FACTORS, transform_for
from operators.maps.blur import BlurMap, transfer_function

SHAPE = (1, 8, 8)
KERNEL = [[0.0, 0.1, 0.0], [0.2, 0.4, 0.1], [0.0, 0.2, 0.0]]


def rand(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 - 1


def streams(n, seed=0):
    return SampleStreams(seed, range(n), dtype=torch.float64)


class Impulses:
    """Streams whose n-th sample has the n-th of all normal numbers 1 and the others 0; sample 0 has only zeros."""

    def __init__(self, n):
        self.rows, self.used = torch.eye(n + 1, n, dtype=torch.float64).roll(1, 0), 0

    def normal(self, shape):
        count = torch.Size(shape).numel()
        self.used += count
        return self.rows[:, self.used - count : self.used].reshape(-1, *shape)


def law(draw, n):
    """Mean and covariance of ``draw(batch size, streams)``, which is affine in ``n`` normal numbers."""
    streams = Impulses(n)
    x = draw(n + 1, streams).flatten(1)
    assert streams.used == n
    return x[0], (x[1:] - x[0]).T @ (x[1:] - x[0])


def flat(planes):
    return torch.cat([plane.flatten(1) for plane in planes], 1)


def planes_like(flat_planes, planes, shape):
    """Numbers (n,) as planes (1, h, w) of images of ``shape``."""
    full, averaged = len(planes.full.value), len(planes.averaged.value)
    small = (shape[1] // planes.box[0], shape[2] // planes.box[1])
    sizes = [tuple(shape[1:])] * full + [small] * averaged
    return [v.reshape(1, *s) for v, s in zip(flat_planes.split([h * w for h, w in sizes]), sizes, strict=True)]


TRANSFORMS = [transform_for((1, 8, 16))] + [transform_for((3, 16, 16), factors) for factors in FACTORS.values()]
EVERY_TRANSFORM = pytest.mark.parametrize("a", TRANSFORMS, ids=["grey", *FACTORS])


def test_structure_picks_gibbs_for_blur_or_colour_and_one_exact_draw_for_grey_alone():
    def sampler(shape, **parameters):
        model = operators.BlindDeblurJPEG(shape, **parameters)
        return consistency_sampler(model, torch.zeros(model.measurement_shape), "auto", 40)

    assert isinstance(sampler(SHAPE, kernel=KERNEL), BlurredCells)
    assert isinstance(sampler(SHAPE, kernel=[[1]]), EntrywiseExact)
    assert isinstance(sampler((3, 16, 16), kernel=KERNEL, subsampling="4:2:0"), BlurredCells)
    assert isinstance(sampler((3, 16, 16), kernel=[[1]], subsampling="4:2:0"), BlurredCells)
    with pytest.raises(dpnp.UnsupportedError, match="exact"):
        consistency_sampler(operators.BlindDeblurJPEG(SHAPE, kernel=KERNEL), torch.zeros(1, 1, 8, 8), "exact", 40)


@EVERY_TRANSFORM
@pytest.mark.parametrize(("eta", "std"), [(0.3, 0.2), (10.0, 1e-4)])
def test_an_image_given_planes_and_kernel_is_the_closed_forms_gaussian(a, eta, std):
    shape, planes = a.image_shape, a.planes()
    n = torch.Size(shape).numel()
    kernel = torch.tensor(KERNEL, dtype=torch.float64)
    eye = torch.eye(n, dtype=torch.float64).reshape(n, *shape)
    matrix = flat(planes.project(a(BlurMap(kernel, shape)(eye)))).T
    x_k, seen = rand(*shape), rand(len(matrix), seed=1)
    # the gain form: with eta far above std, the precision's inverse would lose the digits that are compared
    gain = eta**2 * torch.linalg.solve(eta**2 * matrix @ matrix.T + std**2 * torch.eye(len(matrix), dtype=torch.float64), matrix).T
    mean = x_k.flatten() + gain @ (seen - matrix @ x_k.flatten())
    shrunk = torch.eye(n, dtype=torch.float64) - gain @ matrix
    covariance = eta**2 * shrunk @ shrunk.T + std**2 * gain @ gain.T

    def draw(batch, streams):
        p = [plane.expand(batch, -1, -1) for plane in planes_like(seen, planes, shape)]
        transfer = transfer_function(kernel, *shape[1:]).expand(batch, -1, -1)
        return BlurredImage(planes, *shape[1:]).draw(p, x_k.expand(batch, *shape), eta, std, transfer, streams)

    found_mean, found_covariance = law(draw, n + len(matrix))
    assert torch.allclose(found_mean, mean, atol=1e-6 * mean.abs().max())
    assert torch.allclose(found_covariance, covariance, atol=1e-6 * eta**2)


@EVERY_TRANSFORM
@pytest.mark.parametrize("size", [3, 9])
def test_a_kernel_of_sum_1_given_planes_and_image_is_the_closed_forms_gaussian(a, size):
    """9 is longer than a side of the grey image: such a kernel goes on round the edge."""
    shape, planes, eta = a.image_shape, a.planes(), 0.7
    std = torch.tensor([0.001, 0.002, 0.003], dtype=torch.float64)[: len(planes.full.value) + len(planes.averaged.value)]
    x, kappa_k = rand(*shape), rand(size, size, seed=2)
    one_each = torch.eye(size**2, dtype=torch.float64).reshape(-1, size, size)
    blurred = torch.fft.ifft2(transfer_function(one_each, *shape[1:])[:, None] * torch.fft.fft2(x)).real
    matrix = flat(planes.project(a(blurred))).T * KERNEL_SCALE / 2
    seen = rand(len(matrix), seed=1)
    weight = planes_like(torch.ones(len(matrix), dtype=torch.float64), planes, shape)
    weight = flat([w / s**2 for w, s in zip(weight, std, strict=True)])[0]
    covariance = torch.linalg.inv(matrix.T * weight @ matrix + torch.eye(size**2, dtype=torch.float64) / eta**2)
    mean = covariance @ (matrix.T * weight @ (seen - matrix.sum(1)) + kappa_k.flatten() / eta**2)
    along = covariance.sum(1)  # the same Gaussian, given the sum
    mean = mean + along * (2 / KERNEL_SCALE - size**2 - mean.sum()) / along.sum()
    covariance = covariance - torch.outer(along, along) / along.sum()

    def draw(batch, streams):
        p = [plane.expand(batch, -1, -1) for plane in planes_like(seen, planes, shape)]
        sampler = BlurredKernel(planes, *shape[1:], size)
        return sampler.draw(p, x.expand(batch, *shape), kappa_k.expand(batch, -1, -1), eta, std.expand(batch, -1), streams)

    found_mean, found_covariance = law(draw, size**2)
    assert torch.allclose(found_mean, mean, atol=1e-8)
    assert torch.allclose(found_covariance, covariance, atol=1e-8)


@pytest.mark.parametrize(
    ("shape", "n", "parameters"),
    [(SHAPE, 400, {"kernel": KERNEL}), ((3, 8, 16), 150, {"kernel": KERNEL, "subsampling": "4:2:2"}), ((3, 8, 8), 200, {"kernel": [[1]]})],
    ids=["grey", "blurred-4:2:2", "colour-alone"],
)
def test_images_follow_the_target_with_a_known_kernel(shape, n, parameters):
    eta = 0.3
    model = operators.BlindDeblurJPEG(shape, noise_std=0.15, quality=60, **parameters)
    x_k = rand(*shape)
    y = model.simulate(x_k.flip(-1), seed=1)
    gibbs = consistency_sampler(model, y, "auto", 40).draw(x_k.expand(n, *shape), eta, {}, streams(n)).x.flatten(1)
    mala = MALA(model, y, steps=200)
    long = mala.draw(x_k.expand(n, *shape), eta, mala.init(n), streams(n, 1)).x.flatten(1)
    for f in (lambda x: x, lambda x: x.square()):
        error = ((f(gibbs).var(0) + f(long).var(0)) / n).sqrt()
        assert ((f(gibbs).mean(0) - f(long).mean(0)) / error).abs().max() < 4.5


def test_the_image_of_a_kernel_and_back():
    assert image_to_kernel(torch.tensor([-1.0, 1.0])).tolist() == [0, pytest.approx(KERNEL_SCALE)]


def test_lgdmc_says_that_it_cannot_sample_a_kernel():
    model = operators.BlindDeblurJPEG((1, 40, 40))
    prior = dpnp.priors.Gaussian(torch.zeros(1600), torch.eye(1600), (1, 40, 40))
    with pytest.raises(dpnp.UnsupportedError, match="lgdmc cannot sample the unknown kernel"):
        dpnp.sample(prior, model, torch.zeros(model.measurement_shape), sampler=dpnp.LGDMC())
    with pytest.raises(dpnp.UnsupportedError, match="needs consistency='auto'"):
        dpnp.sample(prior, model, torch.zeros(model.measurement_shape), sampler=dpnp.DPnP(consistency="mala"))
