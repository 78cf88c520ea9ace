"""link="z": objects through planes, candidates included."""

import numpy as np
import pytest
import zarr

from napari_cellseg.pipeline import segment


class Spheres:
    """A pixel oracle whose foreground is as high as the image is bright."""

    def __init__(self, kit):
        self._oracle = kit.PixelOracle(exact=False, spoilt=0)
        self.card, self.device = self._oracle.card, "cpu"

    def predict_maps(self, tiles):
        maps = self._oracle.predict_maps((tiles > 0.2).astype(np.float32))
        maps[:, 0] = np.where(tiles[:, 0] > 0.2, np.clip(tiles[:, 0], 0, 1), 0)
        return maps


def sphere(stack, centre, radius, value):
    z, y, x = (np.arange(n) for n in stack.shape)
    gap = ((z - centre[0])[:, None, None] * 3) ** 2 + (y - centre[1])[:, None] ** 2 + (x - centre[2]) ** 2
    stack[gap <= radius**2] = value


@pytest.fixture
def stack():
    """Two bright spheres above each other with a gap, one beside, one faint."""
    image = np.zeros((9, 90, 120))
    sphere(image, (1.5, 25, 25), 7, 1.0)
    sphere(image, (7.0, 25, 25), 7, 1.0)
    sphere(image, (4.0, 60, 70), 15, 0.9)
    sphere(image, (4.0, 30, 95), 11, 0.35)
    return image


def test_spheres_become_one_object_each(kit, stack):
    found = segment(stack, Spheres(kit), link="z", confidence=0.6)
    assert len(found.features) == 3
    assert found.features["index"].tolist() == [1, 2, 3]
    assert found.labels[2, 25, 25] == 1
    assert found.labels[7, 25, 25] == 3
    assert set(np.unique(found.labels[:, 60, 70])) <= {0, 2}
    assert found.features["z"].tolist() == [
        int(np.flatnonzero((found.labels == i).any(axis=(1, 2)))[0]) for i in (1, 2, 3)
    ]
    assert np.array_equal(found.labels > 0, stack > 0.5)


def test_pieces_of_a_faint_object_share_one_reserved_id(kit, stack):
    found = segment(stack, Spheres(kit), link="z", confidence=0.6)
    assert set(found.candidates.ids) == {4}
    assert len(set(found.candidates.planes)) == len(found.candidates) > 1
    lax = segment(stack, Spheres(kit), link="z", confidence=0.05)
    assert len(lax.features) == 4
    assert np.array_equal(lax.labels > 0, stack > 0.2)


def test_confidence_is_the_mean_by_area_and_decides_for_the_whole_object(kit, stack):
    stack[2, stack[2] == 0.9] = 0.35
    loose = segment(stack, Spheres(kit), confidence=0.05)
    found = segment(stack, Spheres(kit), link="z", confidence=0.6)
    label = found.labels[2, 60, 70]
    assert label > 0
    pieces = [loose.labels[z, 60, 70] for z in range(9) if loose.labels[z, 60, 70]]
    areas = [np.count_nonzero(loose.labels == i) for i in pieces]
    scores = loose.features["confidence"].to_numpy()[np.array(pieces) - 1]
    assert scores.min() < 0.6 < scores.max()
    mean = np.average(scores, weights=areas)
    assert found.features["confidence"][label - 1] == pytest.approx(mean, abs=1e-5)


def test_an_object_that_is_weak_as_a_whole_is_taken_out_of_the_labels(kit, stack):
    stack[stack == 0.9] = 0.35
    middle = stack[1, 45:]
    middle[middle > 0] = 0.9
    found = segment(stack, Spheres(kit), link="z", confidence=0.6)
    assert not found.labels[:, 60, 70].any()
    pieces = found.candidates
    faint = [m.sum() for m, z in zip(pieces.instances.masks, pieces.planes, strict=True) if z == 1]
    assert np.count_nonzero(middle) in faint


def test_every_time_point_is_linked_by_itself(kit, stack):
    series = np.stack([stack, stack[:, ::-1]])
    found = segment(series, Spheres(kit), axes="TZYX", link="z", confidence=0.6)
    single = segment(stack, Spheres(kit), link="z", confidence=0.6)
    assert np.array_equal(found.labels[0], single.labels)
    assert found.features["t"].tolist() == [0, 0, 0, 1, 1, 1]
    swapped = segment(series.swapaxes(0, 1), Spheres(kit), axes="ZTYX", link="z", confidence=0.6)
    assert np.array_equal(swapped.labels.swapaxes(0, 1), found.labels)


def test_planes_that_do_not_follow_each_other_are_not_linked(kit, stack):
    found = segment(stack, Spheres(kit), link="z", planes=[2, 4, 5], confidence=0.6)
    assert len(np.unique(found.labels[4:6, 60, 70])) == 1
    assert found.labels[2, 60, 70] != found.labels[4, 60, 70]


def test_linked_labels_are_rewritten_in_a_zarr_store(kit, stack):
    expected = segment(stack, Spheres(kit), link="z", confidence=0.6).labels
    target = zarr.create_array(store={}, shape=stack.shape, chunks=(1, 32, 50), dtype="int32", fill_value=0)
    segment(stack, Spheres(kit), link="z", confidence=0.6, out=target)
    assert np.array_equal(target[:], expected)
