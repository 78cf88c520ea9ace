"""The same picture brighter, noisier, moved or smaller is found again; others are not taken for it."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, zoom

from napari_cellseg.datasets.store import Dataset
from napari_cellseg.datasets.twins import Signatures, is_twin, signature
from napari_cellseg.images.simulation.fluorescence import simulate_fluorescence

EDGE = 220


def field(seed, cells=30):
    """Cells with texture at random places, and the noise of a camera."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:EDGE, :EDGE]
    texture = gaussian_filter(rng.normal(0, 1, (EDGE, EDGE)), 1.5) * 4
    plane = np.zeros((EDGE, EDGE))
    for cy, cx, ry, rx in rng.uniform([0, 0, 6, 6], [EDGE, EDGE, 12, 12], (cells, 4)):
        plane[((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1] = rng.uniform(0.5, 1)
    plane = gaussian_filter(plane * (1 + 0.3 * texture), 1)
    return (900 + 9000 * plane + rng.normal(0, 90, plane.shape)).clip(0, 65535).astype(np.uint16)


CHANGES = {
    "brighter": lambda p: p * 2.5 + 300,
    "8 bits": lambda p: np.rint(255.0 * (p - p.min()) / np.ptp(p)).astype(np.uint8),
    "moved": lambda p: np.roll(p, (3, -4), (0, 1)),
    "cut": lambda p: p[5:, :-6],
    "noisier": lambda p: p + np.random.default_rng(0).normal(0, 0.03 * np.ptp(p), p.shape),
    "smaller": lambda p: zoom(p.astype(float), 0.5, order=1),
    "illuminated": lambda p: p * np.linspace(0.7, 1.3, EDGE),
    "all at once": lambda p: (
        np.roll(0.1 * p, (2, 3), (0, 1)) + np.random.default_rng(0).normal(0, 9, p.shape)
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found_among_others(change):
    planes = {str(seed): field(seed) for seed in range(6)}
    known = Signatures({name: signature(plane) for name, plane in planes.items()})
    changed = CHANGES[change](planes["3"])
    assert known.alike(signature(changed)) == ["3"]
    assert is_twin(changed, planes["3"])
    assert not any(is_twin(changed, planes[name]) for name in "01245")


def test_images_without_anything_in_them_are_like_none():
    rng = np.random.default_rng(1)
    dust = np.zeros((EDGE, EDGE))
    dust[40:44, 90:93] = 30
    light = 1000 + 200 * np.cos(np.mgrid[-1 : 1 : EDGE * 1j, -1 : 1 : EDGE * 1j]).prod(0)
    empties = [np.zeros((EDGE, EDGE), np.uint8), np.full((EDGE, EDGE), np.nan)]
    empties += [light + rng.normal(0, 60, dust.shape) for _ in range(4)]
    empties += [dust + light + rng.normal(0, 60, dust.shape) for _ in range(4)]
    known = Signatures({})
    for number, plane in enumerate(empties):
        assert not any(is_twin(plane, empties[int(name)]) for name in known.alike(signature(plane)))
        known.add(str(number), signature(plane))


def test_few_cells_at_other_places_are_no_twins():
    planes = [field(seed, cells=2) for seed in range(12)]
    known = Signatures({})
    for number, plane in enumerate(planes):
        assert known.alike(signature(plane)) == []
        known.add(str(number), signature(plane))


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (3, 7), (40, 31), (700, 9)])
def test_images_of_any_shape_have_a_signature(shape):
    plane = np.random.default_rng(0).random((*shape, 3))
    known = Signatures({"a": signature(plane), "b": ""})
    assert known.alike(signature(plane)) in ([], ["a"])
    assert isinstance(is_twin(plane, plane[..., 0]), bool)


def test_twins_share_a_split_and_groups_need_no_twin(tmp_path):
    dataset = Dataset.create(tmp_path / "data", fractions=(0.4, 0.3, 0.3))
    labels = np.zeros((EDGE, EDGE), int)
    for seed in range(5):
        dataset.add(field(seed), labels, name=str(seed))
    for seed in range(5):
        added = dataset.add(CHANGES["all at once"](field(seed)), labels, name=f"copy of {seed}")
        assert added.twin_of == str(seed)
        assert not added.updated
        assert not added.notes
        assert dataset.record(added.name).split == dataset.record(str(seed)).split
    dataset.resplit((0.5, 0.25, 0.25), seed=4)
    table = dataset.records().set_index("name")
    assert all(table["split"][str(seed)] == table["split"][f"copy of {seed}"] for seed in range(5))
    dataset.add(field(9), labels, name="9", split="train")
    torn = dataset.add(CHANGES["moved"](field(9)), labels, name="torn", split="test")
    assert torn.twin_of == "9"
    assert "'torn' is in test, its near-duplicate '9' in train" in torn.notes[0]
    film = np.stack([CHANGES["noisier"](field(20)), field(20)])
    assert dataset.add(film, np.zeros(film.shape, int), name="film", axes="TYX").twin_of == ""


def test_simulated_fields_are_no_twins():
    known = Signatures({})
    for seed in range(4):
        text = signature(simulate_fluorescence(seed=seed).image)
        assert known.alike(text) == []
        known.add(str(seed), text)
