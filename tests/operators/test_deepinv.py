"""``operators.DeepInv`` on toy physics; with deepinv itself: ``tests/interop``."""

import pytest
import torch
from pydantic import ValidationError

import operators
from operators.maps import LinearMap, PhysicsMap
from operators.noise import GaussianNoise, PoissonNoise, Quantizer
from tests.operators.toy_physics import MatrixPhysics

SHAPE = (1, 4, 6)
NOISE = GaussianNoise(0.1)


def images(n=3, dtype=torch.float32):
    return torch.rand((n, *SHAPE), generator=torch.Generator().manual_seed(1), dtype=dtype) * 2 - 1


@pytest.mark.parametrize(("value_range", "black", "white"), [((0, 1), 0, 1), ((0, 255), 0, 255), ((-1, 1), -1, 1), ((-3, 1), -3, 1)])
def test_the_map_is_the_physics_in_its_own_range(value_range, black, white):
    physics = MatrixPhysics(5, SHAPE).double()
    model = operators.DeepInv(physics, SHAPE, value_range, NOISE)
    ends = torch.tensor([-1.0, 1.0], dtype=torch.float64).reshape(2, 1, 1, 1).expand(2, *SHAPE)
    assert torch.allclose(model.map(ends), torch.stack([black * physics.matrix.sum(1), white * physics.matrix.sum(1)]), atol=1e-12)
    x = images(dtype=torch.float64)
    assert torch.allclose(model.map(x), physics.A(model.to_physics(x)))
    assert torch.allclose(model.from_physics(model.to_physics(x)), x)
    assert model.measurement_shape == (5,)
    assert isinstance(model.map, LinearMap) == (value_range == (-1, 1))


def test_gaussian_noise_is_in_the_physics_units():
    physics = MatrixPhysics(5, SHAPE).double()
    model = operators.DeepInv(physics, SHAPE, (0, 1), NOISE)
    x = images(1, torch.float64)
    noise = model.simulate(x.expand(4000, *SHAPE), seed=0) - physics.A(0.5 + 0.5 * x)
    assert abs(noise.std().item() / 0.1 - 1) < 4.5 / (2 * noise.numel()) ** 0.5


def test_noise_with_a_black_and_a_white_of_its_own_gets_the_measurement_range():
    physics = MatrixPhysics(5, SHAPE).double()
    model = operators.DeepInv(physics, SHAPE, (0, 1), PoissonNoise(30, 1), measurement_range=(0, 2))
    x = images(dtype=torch.float64)
    assert torch.allclose(model.noise.rate(model.map(x)), 30 * (physics.A(model.to_physics(x)) / 2).clamp_min(0) + 1)


@pytest.mark.parametrize("noise", [PoissonNoise(30, 1), Quantizer(0.4)], ids=["poisson", "quantizer"])
def test_other_noise_without_a_measurement_range_is_refused(noise):
    with pytest.raises(operators.PhysicsError, match=f"measurement_range.*{type(noise).__name__}"):
        operators.DeepInv(MatrixPhysics(5, SHAPE), SHAPE, (0, 1), noise)


def test_gaussian_noise_with_a_measurement_range_is_refused():
    with pytest.raises(operators.PhysicsError, match="no measurement_range"):
        operators.DeepInv(MatrixPhysics(5, SHAPE), SHAPE, (0, 1), NOISE, measurement_range=(0, 1))


def test_the_value_range_must_be_given():
    with pytest.raises(ValidationError, match="value_range"):
        operators.DeepInv(MatrixPhysics(5, SHAPE), SHAPE, noise_model=NOISE)


@pytest.mark.parametrize("value_range", [(1, 0), (0, 0), (0, float("inf")), (float("nan"), 1)])
def test_a_range_that_is_none_is_refused(value_range):
    with pytest.raises(ValidationError, match="low < high"):
        operators.DeepInv(MatrixPhysics(5, SHAPE), SHAPE, value_range, NOISE)


def test_a_physics_without_noise_needs_a_noise_model():
    with pytest.raises(operators.PhysicsError, match="expected a noise_model"):
        operators.DeepInv(MatrixPhysics(5, SHAPE), SHAPE, (0, 1))


@pytest.mark.parametrize("std", [0.0, -0.1, float("nan")])
def test_noise_without_a_level_is_refused(std):
    with pytest.raises(operators.PhysicsError, match="noise level above 0"):
        operators.DeepInv(MatrixPhysics(5, SHAPE), SHAPE, (0, 1), GaussianNoise(std))


class Square(MatrixPhysics):
    def A(self, x):
        return super().A(x).square()


class Shifted(MatrixPhysics):
    def A(self, x):
        return super().A(x) + 1


class Mixing(MatrixPhysics):
    def A(self, x):
        return super().A(x) - super().A(x.mean(0, keepdim=True))


class AlmostAdjoint(MatrixPhysics):
    def A_adjoint(self, y):
        return super().A_adjoint(y) * 1.01


class Permuted(MatrixPhysics):
    def A_adjoint(self, y):
        return super().A_adjoint(y).flip(-1)


class FlatAdjoint(MatrixPhysics):
    def A_adjoint(self, y):
        return y @ self.matrix


class Complex(MatrixPhysics):
    def A(self, x):
        return super().A(x) * 1j


class Pair(MatrixPhysics):
    def A(self, x):
        return super().A(x), super().A(x)


class OneForAll(MatrixPhysics):
    def A(self, x):
        return super().A(x).sum(0, keepdim=True)


class NotANumber(MatrixPhysics):
    def A(self, x):
        return super().A(x) * float("nan")


class Saturating(MatrixPhysics):
    def sensor_model(self, y):
        return y.clamp(-0.5, 0.5)


class NoAdjoint(torch.nn.Module):
    def A(self, x):
        return x


REFUSED = [
    (Square, "not 2 A"),
    (Shifted, "not 2 A"),
    (NotANumber, "each image"),
    (Mixing, "each image of a batch by itself"),
    (AlmostAdjoint, r"to be the adjoint of A, got <x, A_adjoint y> = -?\d"),
    (Permuted, "to be the adjoint of A"),
    (FlatAdjoint, r"to give real images \(4, 1, 4, 6\), got \(4, 24\)"),
    (Complex, r"one real tensor, got torch.complex64 \(4, 5\)"),
    (Pair, "one real tensor, got tuple"),
    (OneForAll, "one measurement per image, got 1 of 4"),
    (Saturating, "sensor_model"),
]


@pytest.mark.parametrize(("kind", "message"), REFUSED, ids=lambda value: getattr(value, "__name__", ""))
def test_what_is_not_a_linear_physics_is_refused(kind, message):
    with pytest.raises(operators.PhysicsError, match=message) as caught:
        operators.DeepInv(kind(5, SHAPE), SHAPE, (0, 1), NOISE)
    assert kind.__name__ in str(caught.value)


def test_a_physics_without_an_adjoint_is_refused():
    with pytest.raises(operators.PhysicsError, match=r"A_adjoint.*got NoAdjoint"):
        operators.DeepInv(NoAdjoint(), SHAPE, (0, 1), NOISE)


def test_images_that_the_physics_does_not_take_are_refused():
    with pytest.raises(operators.PhysicsError, match=r"MatrixPhysics.A failed on \(4, 1, 5, 6\), of images \(1, 5, 6\): RuntimeError"):
        operators.DeepInv(MatrixPhysics(5, SHAPE), (1, 5, 6), (0, 1), NOISE)


def test_later_changes_of_the_physics_have_no_effect():
    physics = MatrixPhysics(5, SHAPE)
    model = operators.DeepInv(physics, SHAPE, (0, 1), NOISE)
    before = model.map(images())
    physics.matrix.mul_(2)
    assert torch.equal(model.map(images()), before)


@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
def test_the_physics_keeps_its_precision_and_the_images_theirs(precision):
    physics = MatrixPhysics(5, SHAPE).to(precision)
    model = operators.DeepInv(physics, SHAPE, (0, 1), NOISE)
    for dtype in (torch.float32, torch.float64):
        x = images(dtype=dtype)
        assert model.map(x).dtype == model.map.linear_part().adjoint(model.map(x)).dtype == model.simulate(x, seed=0).dtype == dtype
        expected = physics.double().A(model.to_physics(x.double()))
        assert torch.allclose(model.map(x).double(), expected, atol=1e-6)


def test_the_largest_singular_value_is_estimated():
    physics = MatrixPhysics(5, SHAPE).double()
    estimate = PhysicsMap(physics, SHAPE, gain=3.0).largest_singular_value()
    exact = 3 * torch.linalg.matrix_norm(physics.matrix, 2).item()
    assert 0.95 * exact < estimate <= exact * (1 + 1e-12)


def test_it_has_no_json():
    with pytest.raises(operators.PhysicsError, match="JSON"):
        operators.DeepInv(MatrixPhysics(5, SHAPE), SHAPE, (0, 1), NOISE).parameters()
    assert "deepinv" not in operators.names()
