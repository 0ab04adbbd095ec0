"""Problems with exact answers, in float64."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dpnp.priors import Gaussian, GaussianMixture
from operators import ForwardModel, Linear
from operators.maps import Map
from operators.noise import GaussianNoise
from operators.shapes import ImageShape


def random_covariance(d: int, generator: torch.Generator, condition: float = 10.0) -> Tensor:
    """A random covariance (d, d) with eigenvalues from 1/condition to 1."""
    q, _ = torch.linalg.qr(torch.randn(d, d, generator=generator, dtype=torch.float64))
    eigenvalues = torch.logspace(0, -torch.log10(torch.tensor(condition)).item(), d, dtype=torch.float64)
    return (q * eigenvalues) @ q.T


def gaussian_prior(d: int, seed: int = 0) -> Gaussian:
    """A Gaussian prior on images (1, 1, d)."""
    g = torch.Generator().manual_seed(seed)
    return Gaussian(torch.randn(d, generator=g, dtype=torch.float64), random_covariance(d, g), (1, 1, d))


def mixture_prior(d: int, components: int, seed: int = 0, separation: float = 1.5) -> GaussianMixture:
    """A mixture of ``components`` separated Gaussians on images (1, 1, d)."""
    g = torch.Generator().manual_seed(seed)
    means = separation * torch.randn(components, d, generator=g, dtype=torch.float64)
    covariances = torch.stack([0.1 * random_covariance(d, g) for _ in range(components)])
    weights = torch.rand(components, generator=g, dtype=torch.float64) + 0.5
    return GaussianMixture(weights, means, covariances, (1, 1, d))


def condition(prior: GaussianMixture, matrix: Tensor, y: Tensor, noise: float | Tensor) -> GaussianMixture:
    """The exact posterior of ``prior`` under y = matrix x + N(0, noise² I), or N(0, noise) for a covariance: again a mixture."""
    m = matrix.double()
    noise_covariance = noise if isinstance(noise, Tensor) else noise**2 * torch.eye(len(m), dtype=torch.float64)
    means, covariances, logs = [], [], []
    for mean, covariance, weight in zip(prior.means, prior.covariances, prior.weights, strict=True):
        s = m @ covariance @ m.T + noise_covariance
        gain = torch.linalg.solve(s, m @ covariance).T
        residual = y - m @ mean
        means.append(mean + gain @ residual)
        posterior = covariance - gain @ m @ covariance
        covariances.append((posterior + posterior.T) / 2)
        logs.append(weight.log() - 0.5 * (residual @ torch.linalg.solve(s, residual) + torch.linalg.slogdet(s).logabsdet))
    return GaussianMixture(torch.softmax(torch.stack(logs), 0), torch.stack(means), torch.stack(covariances), prior.image_shape)


def moments(prior: GaussianMixture) -> tuple[Tensor, Tensor]:
    """Mean (d,) and covariance (d, d) of a mixture."""
    mean = prior.weights @ prior.means
    second = prior.covariances + torch.einsum("ki,kj->kij", prior.means, prior.means)
    return mean, torch.einsum("k,kij->ij", prior.weights, second) - torch.outer(mean, mean)


@dataclass(frozen=True)
class LinearProblem:
    """A prior, a linear model, a measurement and the exact posterior."""

    prior: GaussianMixture
    model: Linear
    y: Tensor

    @classmethod
    def random(cls, prior: GaussianMixture, m: int, noise_std: float, seed: int = 0, conditioning: float = 1.0) -> LinearProblem:
        """A measurement of a draw of ``prior`` by a random matrix with ``m`` rows, its singular values spread by ``conditioning``."""
        g = torch.Generator().manual_seed(1000 + seed)
        d = prior.means.shape[1]
        matrix = torch.randn(m, d, generator=g, dtype=torch.float64) / d**0.5
        if conditioning > 1:
            u, s, vt = torch.linalg.svd(matrix, full_matrices=False)
            matrix = (u * s[0] * conditioning ** -torch.linspace(0, 1, m, dtype=torch.float64)) @ vt
        model = Linear(matrix, noise_std, prior.image_shape)
        return cls(prior, model, model.simulate(prior.sample(1, g)[0], seed))

    @property
    def posterior(self) -> GaussianMixture:
        """p(x | y)."""
        return condition(self.prior, self.model.matrix, self.y, self.model.noise_std)

    def stationary(self, eta: float) -> GaussianMixture:
        """pi_eta ∝ p(x) (e^L * N(0, eta² I))(x): the posterior under noise covariance noise_std² I + eta² M M^T."""
        m = self.model.matrix
        covariance = self.model.noise_std**2 * torch.eye(len(m), dtype=torch.float64) + eta**2 * m @ m.T
        return condition(self.prior, m, self.y, covariance)


@dataclass(frozen=True)
class GridPosterior:
    """An exact posterior on images (1, 1, 2) by tabulating p(x) p(y | x) on a fine grid."""

    prior: GaussianMixture
    model: ForwardModel
    y: Tensor
    reach: float = 4.0
    cells: int = 600

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draws of a grid cell by its weight, then uniformly inside the cell: (n, 1, 1, 2)."""
        width = 2 * self.reach / self.cells
        axis = -self.reach + width * (torch.arange(self.cells, dtype=torch.float64) + 0.5)
        points = torch.cartesian_prod(axis, axis).reshape(-1, 1, 1, 2)
        tiny = torch.full((len(points),), 1e-9, dtype=torch.float64)
        logs = self.prior.log_density(points, tiny) + self.model.log_likelihood(points, self.y)
        picks = torch.multinomial(torch.softmax(logs, 0), n, replacement=True, generator=generator)
        return points[picks] + width * (torch.rand(n, 1, 1, 2, generator=generator, dtype=torch.float64) - 0.5)


class AbsoluteValue(Map):
    """a(x) = |x + shift|: two modes per coordinate, like a phaseless measurement."""

    def __init__(self, image_shape: ImageShape, shift: float) -> None:
        self.image_shape = self.output_shape = image_shape
        self._shift = shift

    def __call__(self, x: Tensor) -> Tensor:
        return ((x + self._shift).square() + 1e-4).sqrt()


@dataclass(frozen=True)
class Amplitude(ForwardModel):
    """y = |x + 0.2| + N(0, noise_std² I), smooth at zero."""

    image_shape: ImageShape
    noise_std: float

    @property
    def map(self) -> AbsoluteValue:
        """The amplitude."""
        return AbsoluteValue(self.image_shape, 0.2)

    @property
    def noise(self) -> GaussianNoise:
        """White noise."""
        return GaussianNoise(self.noise_std)
