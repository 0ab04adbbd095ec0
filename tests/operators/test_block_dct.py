"""JPEG's linear part against dense matrices built another way."""

import numpy as np
import pytest
import torch
from scipy.fft import dct, dctn

import operators
from operators.maps.block_dct import BlockDCT
from operators.maps.colour_dct import ColourBlockDCT

SUBSAMPLINGS = [(1, 1), (2, 1), (1, 2), (2, 2)]


def dense(a):
    """The matrix of a map, column by column."""
    n = int(np.prod(a.image_shape))
    return a(torch.eye(n, dtype=torch.float64).reshape(n, *a.image_shape)).reshape(n, -1).T


def plane_matrix(height, width):
    """Block DCT of a plane as a matrix: a Kronecker product, its rows sorted by block."""
    one = dct(np.eye(8), axis=0, norm="ortho")
    both = np.kron(np.kron(np.eye(height // 8), one), np.kron(np.eye(width // 8), one))
    order = np.arange(height * width).reshape(height // 8, 8, width // 8, 8).transpose(0, 2, 1, 3).ravel()
    return both[order]


def colour_matrix(height, width, across, down):
    """Block DCT of JFIF's Y, Cb, Cr with box-averaged chroma, from their textbook definitions."""
    luma, blue, red = np.array([[0.299, 0.587, 0.114], [-0.168735892, -0.331264108, 0.5], [0.5, -0.418687589, -0.081312411]])
    rows, columns = (np.kron(np.eye(n // f), np.full((1, f), 1 / f)) for n, f in ((height, down), (width, across)))
    average = np.kron(rows, columns)
    small = plane_matrix(height // down, width // across) @ average
    parts = [np.kron(luma, plane_matrix(height, width)), np.kron(blue, small), np.kron(red, small)]
    return np.concatenate([p.reshape(-1, 3 * height * width) for p in parts])


def test_the_grey_transform_is_scipys():
    x = torch.randn(2, 1, 16, 24, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    blocks = x.numpy()[:, 0].reshape(2, 2, 8, 3, 8).transpose(0, 1, 3, 2, 4)
    assert np.allclose(BlockDCT((1, 16, 24))(x), dctn(blocks, axes=(3, 4), norm="ortho"))


def test_the_grey_transform_is_orthonormal():
    a = BlockDCT((1, 16, 8))
    matrix = dense(a)
    assert a.row_gram == 1
    assert np.allclose(matrix, plane_matrix(16, 8))
    assert torch.allclose(matrix @ matrix.T, torch.eye(128, dtype=torch.float64))
    y = torch.randn(2, *a.output_shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.allclose(a.adjoint(y).flatten(1), y.flatten(1) @ matrix)
    svd = a.svd()
    assert torch.allclose(svd.lift(svd.project(a.adjoint(y))), a.adjoint(y))
    assert torch.allclose(svd.project_measurement(y), y)
    assert (svd.singular_values.value == 1).all()


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
def test_the_colour_transform_and_its_adjoint_are_their_matrices(subsampling):
    a = ColourBlockDCT((3, 16, 32), subsampling)
    expected = torch.from_numpy(colour_matrix(16, 32, *subsampling))
    assert a.output_shape == (len(expected),)
    assert torch.allclose(dense(a), expected, atol=1e-8)
    y = torch.randn(2, *a.output_shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.allclose(a.adjoint(y).flatten(1), y @ expected, atol=1e-8)
    assert a.row_gram is None
    assert a.svd() is None
    assert torch.equal(a.joined(a.components(y)), y)
    planes = a.planes()
    x = torch.randn(2, *a.image_shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    energy = sum(plane.square().sum() for plane in planes.project(y))
    assert torch.allclose(energy, y.square().sum()), "a rotation"
    full = torch.einsum("pc,bchw->pbhw", planes.full.value, x)
    averaged = torch.einsum("pc,bchw->pbhw", planes.averaged.value, x).unflatten(-1, (-1, planes.box[1]))
    averaged = averaged.mean(-1).unflatten(-2, (-1, planes.box[0])).mean(-2)
    for found, plane in zip(planes.project(a(x)), [*full, *averaged], strict=True):
        assert torch.allclose(found, plane)
    marked = planes.spread(torch.tensor([[1.0, 2.0, 3.0]]).double())
    assert [c.unique().tolist() for c in a.components(marked)] == [[1], [2], [3]]


@pytest.mark.parametrize("subsampling", SUBSAMPLINGS)
def test_the_colour_transforms_largest_singular_value(subsampling):
    across, down = subsampling
    matrix = torch.from_numpy(colour_matrix(8 * down, 8 * across, across, down))
    largest = ColourBlockDCT((3, 8 * down, 8 * across), subsampling).largest_singular_value()
    assert largest**2 == pytest.approx(torch.linalg.eigvalsh(matrix @ matrix.T).max().item(), rel=1e-6)


@pytest.mark.parametrize(("build", "shape"), [(BlockDCT, (1, 12, 16)), (BlockDCT, (3, 16, 16)), (ColourBlockDCT, (1, 16, 16))])
def test_images_that_blocks_do_not_fit_are_refused(build, shape):
    with pytest.raises(operators.ShapeError, match=r"multiples of 8 and 8, got"):
        build(shape)


def test_subsampled_blocks_need_larger_multiples():
    with pytest.raises(operators.ShapeError, match=r"multiples of 16 and 16, got \(3, 16, 24\)"):
        ColourBlockDCT((3, 16, 24), (2, 2))
