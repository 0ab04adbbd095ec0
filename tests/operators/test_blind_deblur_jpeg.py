"""The forward model of JPEG files: what it reads, and what it refuses."""

import io
import re

import numpy as np
import pytest
import torch

import operators
from operators import BlindDeblurJPEG
from operators.jpeg import Component, JPEGCoefficients, UnsupportedJPEGError, read_jpeg, subsampling_of
from tests.operators.jpegs import jpeg, picture

GREY = picture(24, 24)
COLOUR = picture(32, 48, channels=3)
WORDS = "a colour file needs a prior for colour images, or save it as greyscale"


def to_model(image):
    channels_first = image[None] if image.ndim == 2 else image.transpose(2, 0, 1)
    return torch.from_numpy(channels_first.copy()).double() / 127.5 - 1


def test_a_file_is_its_own_coefficients():
    y, parameters = BlindDeblurJPEG.read_file(jpeg(GREY, quality=70), (1, 24, 24))
    model = BlindDeblurJPEG((1, 24, 24), kernel=[[1]], noise_std=0.01, **parameters)
    assert model.residual(to_model(GREY), y.double()) < 1


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_a_colour_file_is_its_own_coefficients_tables_and_subsampling(subsampling, options):
    content = jpeg(COLOUR, quality=70, subsampling=subsampling, **options)
    y, parameters = BlindDeblurJPEG.read_file(content, (3, 32, 48))
    assert parameters["subsampling"] == subsampling
    assert [parameters["table"], *parameters["chroma_tables"]] == [c.quantisation.tolist() for c in read_jpeg(content).components]
    model = BlindDeblurJPEG((3, 32, 48), kernel=[[1]], noise_std=0.01, **parameters)
    model.check_measurement(y)
    assert model.residual(to_model(COLOUR), y.double()) < 1
    assert model.residual(to_model(COLOUR).flip(0), y.double()) > 3, "red is not blue"


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_a_measurement_of_whole_grey_levels_is_pillows_file_but_for_its_rounding(subsampling):
    """Pillow rounds Y, Cb and Cr to whole levels before the transform, averages once more, and its integer transform is off by 0.15."""
    x = to_model(COLOUR)
    real, _ = BlindDeblurJPEG.read_file(jpeg(COLOUR, quality=60, subsampling=subsampling), (3, 32, 48))
    model = BlindDeblurJPEG((3, 32, 48), kernel=[[1]], noise_std=0, quality=60, subsampling=subsampling)
    ours = model.simulate(x, seed=0)
    assert (ours - real).abs().max() <= 1
    assert (ours != real).double().mean() < 0.02
    scaled = (model.map(x[None])[0] - model.noise.scaling.zero.value) / model.noise.scaling.step.value
    to_an_edge = (scaled - scaled.floor() - 0.5).abs() * model.noise.scaling.step.value * 127.5
    assert to_an_edge[ours != real].max() < 1.5, "in grey levels: only near the edges of cells"


def test_cb_and_cr_may_have_tables_of_their_own():
    model = BlindDeblurJPEG((3, 8, 8), kernel=[[1]], table=[[2] * 8] * 8, chroma_tables=[[[3] * 8] * 8, [[5] * 8] * 8])
    steps = (model.noise.scaling.step.value * 127.5).split(64)
    assert [step.round(decimals=9).unique().tolist() for step in steps] == [[2], [3], [5]]


def test_single_and_double_precision_images_have_the_same_coefficients():
    """At this contrast some coefficients of a single-precision transform lie in the next cell."""
    x = 1000 * (torch.rand(8, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1)
    model = BlindDeblurJPEG((3, 32, 32), kernel=[[0.2, 0.5, 0.3]], subsampling="4:2:0", quality=95)
    assert torch.equal(model.simulate(x, seed=0).double(), model.simulate(x.double(), seed=0))
    single = model.noise.encode(model.map(x).double())
    assert (single != model.noise.encode(model.map(x.double()))).any()


@pytest.mark.parametrize(
    ("content", "shape", "words"),
    [
        (jpeg(COLOUR), (1, 32, 48), WORDS),
        (jpeg(GREY), (3, 24, 24), "a grey file needs a prior for grey images"),
        (jpeg(COLOUR), (3, 48, 32), r"an image \(3, 48, 32\), got one of \(3, 32, 48\)$"),
        (jpeg(picture(24, 40, channels=3), subsampling="4:2:0"), (3, 24, 40), r"multiples of 16 and 16, got \(3, 24, 40\)"),
    ],
)
def test_files_that_do_not_fit_the_prior_are_refused(content, shape, words):
    with pytest.raises(operators.ShapeError, match=words):
        BlindDeblurJPEG.read_file(content, shape)


@pytest.mark.parametrize(
    ("shape", "parameters", "words"),
    [
        ((2, 8, 8), {}, r"grey images \(1, H, W\) or RGB images \(3, H, W\), got \(2, 8, 8\)"),
        ((1, 8, 8), {"subsampling": "4:2:0"}, "subsampling are of colour images"),
        ((1, 8, 8), {"chroma_tables": [[[1] * 8] * 8] * 2}, "subsampling are of colour images"),
        ((3, 8, 8), {"chroma_tables": [[[1] * 8] * 8, [[1] * 7] * 8]}, "8 rows of 8 numbers"),
        ((3, 8, 8), {"subsampling": "4:2:2"}, "multiples of 8 and 16"),
        ((3, 8, 16), {"subsampling": "4:2:0"}, "multiples of 16 and 16"),
    ],
)
def test_parameters_that_do_not_fit_the_images_are_refused(shape, parameters, words):
    with pytest.raises(operators.ShapeError, match=words):
        BlindDeblurJPEG(shape, kernel=[[1]], **parameters)


@pytest.mark.parametrize(
    ("factors", "expected"),
    [([(1, 1)] * 3, "4:4:4"), ([(1, 2), (1, 1), (1, 1)], "4:4:0"), ([(2, 2), (1, 2), (1, 2)], "4:2:2"), ([(2, 2)] * 3, "4:4:4")],
)
def test_subsampling_is_the_ratio_of_the_factors(factors, expected):
    assert subsampling_of(with_factors(factors)) == expected


@pytest.mark.parametrize(
    "factors", [[(4, 1), (1, 1), (1, 1)], [(2, 2), (1, 1), (2, 1)], [(1, 1), (2, 1), (2, 1)], [(3, 1), (2, 1), (2, 1)]]
)
def test_other_subsamplings_are_refused(factors):
    with pytest.raises(UnsupportedJPEGError, match=r"4:4:4, 4:2:2, 4:4:0, 4:2:0, got .*" + re.escape(str(factors))):
        subsampling_of(with_factors(factors))


def with_factors(factors):
    nothing = np.zeros((1, 1, 8, 8), np.int32)
    return JPEGCoefficients(tuple(Component(nothing, nothing[0, 0] + 1, f) for f in factors), 8, 8)


def test_kernels_of_33_pixels_go_round_the_edge_of_images_of_32():
    """The blur, written out pixel by pixel."""
    model = BlindDeblurJPEG((3, 32, 32), subsampling="4:2:0")
    kernel = torch.rand(33, 33, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    x = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    expected = sum(kernel[i, j] * x.roll((i - 16, j - 16), (1, 2)) for i in range(33) for j in range(33))
    each, known = model.given({"kernel": kernel[None]}), BlindDeblurJPEG((3, 32, 32), subsampling="4:2:0", kernel=kernel.tolist())
    for found in (each.map.first(x[None]), known.map.first(x[None])):
        assert torch.allclose(found[0], expected)
    with pytest.raises(operators.ShapeError, match=r"at least 32 x 32 pixels for an unknown kernel, got \(3, 24, 32\)"):
        BlindDeblurJPEG((3, 24, 32))
    with pytest.raises(operators.ShapeError, match="odd sides, at most 33 x 33, got 35 x 33"):
        BlindDeblurJPEG((3, 32, 32), kernel=[[1.0] * 33] * 35)


def test_another_file_than_the_jpeg_itself_is_refused():
    with pytest.raises(operators.FileKindError, match=r"expected the \.jpg file itself.* got a file of the kind PNG"):
        BlindDeblurJPEG.read_file(b"\x89PNG\r\n\x1a\n" + bytes(50), (1, 24, 24))
    with pytest.raises(operators.FileKindError, match=r"got a file of 5 bytes that starts with b'hello'"):
        BlindDeblurJPEG.read_file(b"hello", (1, 24, 24))
    array = io.BytesIO()
    np.save(array, np.zeros((3, 3, 8, 8)))
    assert BlindDeblurJPEG.read_file(array.getvalue(), (1, 24, 24)) is None, "an array may hold the coefficients"


def test_a_measurement_of_another_shape_is_told_what_is_taken():
    with pytest.raises(operators.ShapeError, match=r"expected the \.jpg file itself.*\(3, 3, 8, 8\).* got \(1, 24, 24\)"):
        BlindDeblurJPEG((1, 24, 24), kernel=[[1]]).check_measurement(torch.zeros(1, 24, 24))
