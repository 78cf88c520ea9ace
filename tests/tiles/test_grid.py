"""Tiles cover a plane, their weights sum to one, blocks partition it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cellseg.tiles.grid import block_grid, tile_axis, tile_grid

axes = st.builds(
    tile_axis,
    st.integers(1, 3000),
    st.integers(32, 700),
    st.integers(0, 300),
    st.sampled_from([1, 8, 16, 32]),
    growth=st.sampled_from([1.0, 1.5]),
)


@settings(deadline=None, max_examples=40)
@given(axes)
def test_tiles_cover_the_axis_with_weights_that_sum_to_one(axis):
    total = np.zeros(axis.starts[-1] + axis.edge)
    for start, weights in zip(axis.starts, axis.weights, strict=True):
        assert np.all(weights >= 0)
        total[start : start + axis.edge] += weights
    assert len(total) >= axis.length
    np.testing.assert_allclose(total[: axis.length], 1, atol=1e-5)


@settings(deadline=None, max_examples=40)
@given(axes)
def test_weight_outside_the_support_is_zero(axis):
    for tile, (start, weights) in enumerate(zip(axis.starts, axis.weights, strict=True)):
        low, high = axis.support(tile)
        at = np.arange(start, start + axis.edge)
        assert np.all(weights[(at < low) | ((at >= high) & (at < axis.length))] == 0)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 3000),
    st.integers(32, 700),
    st.integers(0, 300),
    st.sampled_from([1, 8, 16, 32]),
)
def test_tiles_are_no_larger_than_asked_and_overlap_enough(length, tile, overlap, multiple):
    axis = tile_axis(length, tile, overlap, multiple)
    assert axis.edge <= max(tile, multiple)
    assert axis.edge % multiple == 0
    assert all(start % multiple == 0 for start in axis.starts)
    shared = [a + axis.edge - b for a, b in zip(axis.starts[:-1], axis.starts[1:], strict=True)]
    largest = tile // multiple * multiple
    assert all(s >= min(overlap, largest // 2 // multiple * multiple) for s in shared)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 900), st.integers(1, 900), st.data())
def test_a_window_gets_every_tile_that_contributes_to_it(height, width, data):
    grid = tile_grid((height, width), 128, 32, 16)
    y0, x0 = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    y1, x1 = data.draw(st.integers(y0 + 1, height)), data.draw(st.integers(x0 + 1, width))
    covered = np.zeros((height, width))
    for row in grid.by_rows((slice(y0, y1), slice(x0, x1))):
        for tile in row:
            wy, wx = grid.rows.weights[tile.row], grid.columns.weights[tile.column]
            h, w = height - tile.y.start, width - tile.x.start
            covered[tile.y, tile.x] += np.outer(wy, wx)[:h, :w]
    np.testing.assert_allclose(covered[y0:y1, x0:x1], 1, atol=1e-5)


def test_small_planes_are_one_tile_and_large_ones_waste_little():
    assert len(tile_grid((520, 704), 512, 64, 16, growth=1.5)) == 1
    assert tile_grid((520, 704), 512, 64, 16, growth=1.5).tile_shape == (528, 704)
    grid = tile_grid((1024, 1024), 512, 64, 16, growth=1.5)
    assert len(grid) * np.prod(grid.tile_shape) < 1.35 * 1024**2


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 500), st.integers(1, 500), st.integers(20, 300), st.integers(0, 100), st.data())
def test_blocks_partition_the_window(height, width, edge, halo, data):
    y0, x0 = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    window = slice(y0, height), slice(x0, width)
    owners = np.zeros((height, width), int)
    for row in block_grid((height, width), edge, halo, window):
        for block in row:
            owners[block.write] += 1
            for write, read, size in zip(block.write, block.read, (height, width), strict=True):
                assert read.start == max(0, write.start - halo)
                assert read.stop == min(size, write.stop + halo)
                assert write.stop - write.start <= edge
    assert np.all(owners[window] == 1)
    assert owners.sum() == owners[window].size


@pytest.mark.parametrize("length", [1, 15, 16, 17])
def test_an_axis_shorter_than_a_multiple_is_one_padded_tile(length):
    axis = tile_axis(length, 64, 16, 16)
    assert axis.starts == (0,)
    assert axis.edge == -(-length // 16) * 16
