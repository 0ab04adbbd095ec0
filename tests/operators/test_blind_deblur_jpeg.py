"""The forward model of JPEG files: what it reads, and what it refuses."""

import io

import numpy as np
import pytest
import torch

import operators
from operators import BlindDeblurJPEG
from tests.operators.jpegs import jpeg, picture

GREY = picture(24, 24)


def test_a_file_is_its_own_coefficients():
    y, parameters = BlindDeblurJPEG.read_file(jpeg(GREY, quality=70), (1, 24, 24))
    model = BlindDeblurJPEG((1, 24, 24), kernel=[[1]], noise_std=0.01, **parameters)
    x = torch.from_numpy(GREY).double()[None] / 127.5 - 1
    assert model.residual(x, y.double()) < 1


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
