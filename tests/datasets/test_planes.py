"""Images of several planes, seen plane by plane."""

import numpy as np
import pytest

from napari_cellseg.datasets import planes
from napari_cellseg.datasets.planes import outer_lengths, plane_name, plane_positions, take_plane
from napari_cellseg.errors import DatasetError


@pytest.mark.parametrize("axes", ["TZCYX", "YXTZC", "CTZYX", "TZYXC"])
def test_every_plane_is_taken_once_with_its_channels(axes):
    sizes = dict(zip("TZCYX", (3, 2, 4, 5, 6), strict=True))
    values = np.arange(720).reshape(tuple(sizes.values()))
    data = values.transpose(["TZCYX".index(a) for a in axes])
    lengths = outer_lengths(data.shape, axes)
    assert lengths == {"t": 3, "z": 2}
    found = {(p["t"], p["z"]): take_plane(data, axes, p) for p in plane_positions(lengths)}
    assert len(found) == 6
    assert all((plane == np.moveaxis(values[place], 0, -1)).all() for place, plane in found.items())


def test_one_plane_keeps_its_name():
    lengths = outer_lengths((1, 5, 6), "ZYX")
    assert lengths == {}
    assert [plane_name("a", p, lengths) for p in plane_positions(lengths)] == ["a"]
    assert take_plane(np.zeros((1, 5, 6, 1)), "ZYXC", {}).shape == (5, 6)


def test_names_sort_as_the_planes_do():
    lengths = {"t": 2000, "z": 2}
    names = [plane_name("a b", p, lengths) for p in plane_positions(lengths)]
    assert names[:2] == ["a b_t0000_z00", "a b_t0000_z01"]
    assert names == sorted(names)
    assert plane_name("a", {"t": 3, "z": 1}, {"t": 20, "z": 5}) == "a_t003_z01"


def test_alpha_is_left_out():
    assert take_plane(np.zeros((5, 6, 4), np.uint8), "YXS", {}).shape == (5, 6, 3)


def test_what_is_no_plane_is_refused(monkeypatch):
    with pytest.raises(DatasetError, match="either channels or colours"):
        take_plane(np.zeros((2, 5, 6, 3), np.uint8), "CYXS", {})
    monkeypatch.setattr(planes, "LARGEST_PLANE", 29)
    with pytest.raises(DatasetError, match="5 × 6"):
        take_plane(np.zeros((5, 6)), "YX", {})
