"""A band that rolls down a plane gives the blended maps of the whole plane."""

import numpy as np
import pytest

from napari_cellseg.tiles.blending import BlendingBand
from napari_cellseg.tiles.grid import tile_grid


@pytest.mark.parametrize("shape", [(300, 210), (90, 400), (65, 65)])
def test_tiles_of_one_map_blend_to_that_map(shape):
    rng = np.random.default_rng(0)
    grid = tile_grid(shape, 96, 24, 16)
    padded = rng.normal(size=(2, shape[0] + 96, shape[1] + 96)).astype(np.float32)
    window = slice(0, shape[0]), slice(0, shape[1])
    band = BlendingBand(grid, 2, 170, window)
    rows = list(grid.by_rows())
    done = 0
    for i, row in enumerate(rows):
        band.roll(done)
        for tile in row:
            band.add(tile, padded[:, tile.y, tile.x])
        final = rows[i + 1][0].support[0].start if i + 1 < len(rows) else shape[0]
        np.testing.assert_allclose(
            band.read(slice(done, final), window[1]), padded[:, done:final, : shape[1]], atol=1e-5
        )
        done = final
    assert done == shape[0]


def test_rows_outside_of_the_band_are_refused():
    grid = tile_grid((300, 64), 96, 24, 16)
    band = BlendingBand(grid, 1, 100, (slice(0, 300), slice(0, 64)))
    band.roll(50)
    with pytest.raises(ValueError, match="not in the band"):
        band.read(slice(40, 60), slice(0, 64))
    with pytest.raises(ValueError, match="not in the band"):
        band.read(slice(60, 160), slice(0, 64))
