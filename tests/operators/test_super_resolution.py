"""4x antialiased bicubic super-resolution against independent implementations."""

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

import operators
from operators.maps import bicubic_matrix


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 8])
def test_the_interior_is_torchs_antialiased_bicubic(factor):
    x = torch.rand(1, 1, 48, 96, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    model = operators.SuperResolution(image_shape=(1, 48, 96), factor=factor)
    theirs = torch.nn.functional.interpolate(x, scale_factor=1 / factor, mode="bicubic", antialias=True)
    assert torch.allclose(model.map(x)[..., 2:-2, 2:-2], theirs[..., 2:-2, 2:-2], atol=1e-12)


def test_the_interior_is_pillows_bicubic():
    x = np.random.default_rng(0).random((64, 64), dtype=np.float32)
    theirs = np.asarray(Image.fromarray(x).resize((16, 16), Image.Resampling.BICUBIC))
    model = operators.SuperResolution(image_shape=(1, 64, 64), factor=4)
    ours = model.map(torch.from_numpy(x)[None, None])[0, 0].numpy()
    assert np.allclose(ours[2:-2, 2:-2], theirs[2:-2, 2:-2], atol=1e-5)


@pytest.mark.parametrize(("size", "factor"), [(64, 4), (12, 3), (8, 8), (4, 4), (6, 1)])
def test_the_edges_continue_by_reflection(size, factor):
    x = torch.rand(size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    margin = 4 * factor * -(-2 * factor // (4 * factor))  # a multiple of the factor, wider than the kernel
    padded = torch.from_numpy(np.pad(x.numpy(), margin, mode="reflect"))
    whole = bicubic_matrix(len(padded), factor) @ padded
    skip = margin // factor
    assert torch.allclose(bicubic_matrix(size, factor) @ x, whole[skip : skip + size // factor], atol=1e-12)


def test_a_constant_image_stays_constant_and_factor_one_is_the_identity():
    model = operators.SuperResolution(image_shape=(3, 8, 16), factor=4)
    assert torch.allclose(model.map(torch.full((1, 3, 8, 16), 0.3)), torch.tensor(0.3))
    assert torch.allclose(bicubic_matrix(7, 1), torch.eye(7, dtype=torch.float64))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"factor": 0}, "greater than or equal to 1"),
        ({"factor": 2.5}, "integer"),
        ({"noise_std": 0}, "greater than 0"),
        ({"noise_std": float("nan")}, "finite"),
        ({"sigma": 1}, "sigma"),
    ],
)
def test_bad_parameters_are_named(parameters, message):
    with pytest.raises(ValidationError, match=message):
        operators.build("super_resolution", parameters, (1, 64, 64))


def test_a_factor_that_does_not_divide_is_refused_with_both_sizes():
    with pytest.raises(operators.ShapeError, match=r"factor 3 .* 64 x 64"):
        operators.SuperResolution(image_shape=(1, 64, 64), factor=3)


def test_an_unknown_operator_lists_the_known():
    with pytest.raises(operators.UnknownOperatorError, match="super_resolution"):
        operators.build("superresolution", {}, (1, 64, 64))
