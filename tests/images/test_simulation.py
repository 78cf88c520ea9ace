"""Simulated truth is exact, the same seed gives the same image, and every dial does what it says."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_cellseg.errors import OptionError
from napari_cellseg.images.simulation import (
    SimulatedImage,
    simulate_brightfield,
    simulate_fluorescence,
    simulate_timelapse,
    simulate_zstack,
)

SMALL: dict[str, Callable[..., SimulatedImage]] = {
    "fluorescence": lambda **k: simulate_fluorescence((160, 170), **k),
    "timelapse": lambda **k: simulate_timelapse(6, (120, 130), division=0.1, **k),
    "zstack": lambda **k: simulate_zstack((10, 90, 100), **k),
    "brightfield": lambda **k: simulate_brightfield((160, 170), **k),
}


def check_truth(scene: SimulatedImage) -> None:
    """Labels are int32, 1 … N without gaps, and each object is in one piece."""
    assert scene.labels.dtype == np.int32
    assert scene.labels.shape == scene.image.shape
    assert len(scene.axes) == scene.image.ndim
    ids = np.unique(scene.labels)
    np.testing.assert_array_equal(ids[ids > 0], np.arange(1, scene.labels.max() + 1))
    for labels in scene.labels if scene.axes == "TYX" else [scene.labels]:
        for number, box in enumerate(ndimage.find_objects(labels), start=1):
            if box is not None:
                assert ndimage.label(labels[box] == number)[1] == 1


@pytest.mark.parametrize("kind", SMALL)
@pytest.mark.parametrize("seed", range(3))
def test_truth_is_exact(kind: str, seed: int) -> None:
    scene = SMALL[kind](seed=seed)
    check_truth(scene)
    assert scene.labels.max() > 1
    assert scene.image.dtype == np.uint16


@pytest.mark.parametrize("kind", SMALL)
def test_the_seed_decides(kind: str) -> None:
    first, again, other = (SMALL[kind](seed=s) for s in (5, 5, 6))
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.labels, again.labels)
    assert (first.image != other.image).any()


@given(
    shape=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    dials=st.tuples(*[st.floats(0, 1)] * 5),
    objects=st.integers(0, 20),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=20, deadline=None)
def test_any_size_and_any_dial(
    shape: tuple[int, int], dials: tuple[float, ...], objects: int, seed: int
) -> None:
    touching, irregularity, a, b, c = dials
    common: dict[str, Any] = {
        "touching": touching,
        "irregularity": irregularity,
        "objects": objects,
        "seed": seed,
    }
    fluorescence = simulate_fluorescence(
        shape, diameter=(4, 30), texture=a, background=b, noise=c, bits=8, **common
    )
    brightfield = simulate_brightfield(
        shape, contrast=a, bubbles=b, debris=c, motion_blur=a, defocus=b, noise=c, **common
    )
    for scene in (fluorescence, brightfield):
        check_truth(scene)
        assert scene.labels.max() <= objects
    assert fluorescence.image.dtype == np.uint8
    assert brightfield.image.max() < 2**12


def test_nuclei_are_brighter_than_the_background() -> None:
    scene = simulate_fluorescence(seed=1)
    inside, outside = scene.image[scene.labels > 0], scene.image[scene.labels == 0]
    assert np.percentile(inside, 5) > 2 * np.percentile(outside, 50)


def test_touching_is_a_dial() -> None:
    def contacts(touching: float) -> int:
        labels = simulate_fluorescence((400, 400), touching=touching, seed=2).labels
        left, right = labels[:, :-1], labels[:, 1:]
        pairs = np.stack([left, right])[:, (left != right) & (left > 0) & (right > 0)]
        return len(np.unique(pairs, axis=1).T)

    assert contacts(0.0) == 0
    assert contacts(0.9) > contacts(0.3) > 3


def test_diameters_and_counts_are_as_asked() -> None:
    scene = simulate_fluorescence((400, 400), objects=40, diameter=(20, 30), touching=0, seed=3)
    assert scene.labels.max() == 40
    inner = np.bincount(scene.labels[30:-30, 30:-30].ravel(), minlength=41)[1:]
    whole = np.bincount(scene.labels.ravel(), minlength=41)[1:]
    diameters = 2 * np.sqrt(whole[inner == whole] / np.pi)
    assert 17 < diameters.min() < diameters.max() < 33


def test_noise_and_contrast_are_dials() -> None:
    clean, noisy = (simulate_fluorescence((200, 200), noise=n, seed=4).image.astype(float) for n in (0, 0.8))
    assert np.std(noisy - ndimage.gaussian_filter(noisy, 2)) > 3 * np.std(
        clean - ndimage.gaussian_filter(clean, 2)
    )
    still: dict[str, Any] = {"uneven_light": 0, "bubbles": 0, "debris": 0, "noise": 0, "seed": 4}
    empty = simulate_brightfield((200, 200), contrast=0, **still)
    assert np.ptp(empty.image) == 0
    assert empty.labels.max() > 0
    faint, strong = (np.std(simulate_brightfield((200, 200), contrast=c, **still).image) for c in (0.2, 0.8))
    assert strong > 3 * faint


@pytest.mark.parametrize("dial", ["uneven_light", "bubbles", "debris"])
def test_what_spoils_bright_field_leaves_the_truth_alone(dial: str) -> None:
    still = dict.fromkeys(["uneven_light", "bubbles", "debris", "motion_blur", "defocus", "noise"], 0.0)
    clean = simulate_brightfield((256, 256), seed=5, **still)  # type: ignore[arg-type]
    spoilt = simulate_brightfield((256, 256), seed=5, **(still | {dial: 1.0}))  # type: ignore[arg-type]
    np.testing.assert_array_equal(clean.labels, spoilt.labels)
    assert np.std(spoilt.image) > 1.25 * np.std(clean.image)


@pytest.mark.parametrize("dial", ["motion_blur", "defocus"])
def test_blur_takes_detail_from_bright_field(dial: str) -> None:
    still = dict.fromkeys(["uneven_light", "bubbles", "debris", "motion_blur", "defocus", "noise"], 0.0)
    clean = simulate_brightfield((256, 256), seed=5, **still).image  # type: ignore[arg-type]
    blurred = simulate_brightfield((256, 256), seed=5, **(still | {dial: 1.0})).image  # type: ignore[arg-type]
    assert np.std(ndimage.laplace(blurred.astype(float))) < 0.6 * np.std(ndimage.laplace(clean.astype(float)))


def test_ids_persist_and_daughters_replace_their_mother() -> None:
    scene = simulate_timelapse(12, (200, 200), division=0.08, seed=6)
    assert scene.parents
    frames = [set(np.unique(f)) - {0} for f in scene.labels]
    for daughter, mother in scene.parents.items():
        birth = min(t for t, ids in enumerate(frames) if daughter in ids)
        last = max(t for t, ids in enumerate(frames) if mother in ids)
        assert last < birth
    for number in set().union(*frames):
        centres = [ndimage.center_of_mass(f == number) for f in scene.labels if (f == number).any()]
        steps = np.linalg.norm(np.diff(centres, axis=0), axis=1)
        assert steps.size == 0 or steps.max() < 15


def test_objects_of_a_z_stack_span_planes() -> None:
    scene = simulate_zstack((16, 128, 128), seed=7)
    spans = [box[0].stop - box[0].start for box in ndimage.find_objects(scene.labels)]
    assert np.median(spans) > 5
    assert scene.pixel_size.z is not None


@pytest.mark.parametrize(
    "options, text",
    [
        ({"noise": 3}, "noise must be between 0 and 1, not 3"),
        ({"touching": -0.1}, "touching"),
        ({"diameter": (30, 20)}, "smallest, largest"),
        ({"objects": -1}, "at least 0"),
        ({"bits": 32}, "between 8 and 16"),
    ],
)
@pytest.mark.parametrize("kind", SMALL)
def test_wrong_dials_are_refused(kind: str, options: dict[str, Any], text: str) -> None:
    with pytest.raises(OptionError, match=text):
        SMALL[kind](**options)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(OptionError, match="shape must be 2 numbers"):
        simulate_fluorescence((0, 5))
    with pytest.raises(OptionError, match="frames must be at least 1"):
        simulate_timelapse(0)
