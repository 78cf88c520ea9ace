"""measure(): what a table has, from what it is measured, and what is refused."""

from time import sleep

import dask.array as da
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.measure import regionprops_table

import napari_cellseg as cs
from napari_cellseg.errors import AxesError, LabelsError, OptionError
from napari_cellseg.features.found import FoundObjects
from napari_cellseg.features.measuring import measuring
from napari_cellseg.features.registry import registry
from napari_cellseg.images.simulation import simulate_fluorescence

PLACE = ("area", "centroid", "bbox")


@pytest.fixture(scope="module")
def scene():
    return simulate_fluorescence(shape=(128, 160), seed=4)


def random_cells(rng, shape):
    """Small cells, some in contact, some in several planes."""
    seeds = np.where(rng.random(shape) < 0.004, rng.integers(1, 90, shape), 0)
    return ndimage.grey_dilation(seeds, size=(1, 7, 5)).astype(np.int32)


def edit(rng, plane):
    """A plane in which a cell is gone and another has grown or come; the labels and where each changed."""
    before, plane = plane, plane.copy()
    gone, grown = rng.choice(np.unique(plane), 2)
    plane[plane == gone] = 0
    y, x = rng.integers(0, plane.shape)
    plane[y : y + 9, x : x + 14] = rng.choice([grown, 95])
    changed = before != plane
    edited = {}
    for label in np.unique([before[changed], plane[changed]]):
        places = np.argwhere(changed & ((before == label) | (plane == label)))
        edited[int(label)] = (*places.min(axis=0), *(places.max(axis=0) + 1))
    return plane, {label: box for label, box in edited.items() if label > 0}


def test_a_simulated_image_is_measured_as_by_scikit_image(scene):
    table = cs.measure(scene.labels, scene.image, features=PLACE)
    expected = pd.DataFrame(regionprops_table(scene.labels, properties=("label", *PLACE)))
    assert list(table)[:2] == ["index", "area"]
    assert sorted(table.columns) == sorted(expected.rename(columns={"label": "index"}).columns)
    for name in table.columns:
        np.testing.assert_allclose(table[name], expected["label" if name == "index" else name])


def test_the_default_set_is_that_of_the_registry(scene):
    table = cs.measure(scene.labels)
    wanted = [f.name for f in registry(2).values() if f.default]
    assert [c for c in table.columns[1:] if c not in wanted] == []
    assert {"area", "perimeter", "centroid-0"} <= set(table.columns)
    assert table.columns[1:].tolist() == [name for name in wanted if name in table]


def test_scale_and_unit_reach_values_and_units(scene):
    pixels = cs.measure(scene.labels, features=("area", "perimeter", "extent", "bbox", "touches_border"))
    table = cs.measure(
        scene.labels,
        features=("area", "perimeter", "extent", "bbox", "touches_border"),
        scale=0.5,
        unit="µm",
    )
    np.testing.assert_allclose(table["area"], pixels["area"] / 4)
    np.testing.assert_allclose(table["perimeter"], pixels["perimeter"] / 2)
    np.testing.assert_array_equal(table["bbox-2"], pixels["bbox-2"])
    units = table.attrs["units"]
    assert (units["area"], units["perimeter"], units["extent"], units["bbox-0"]) == ("µm²", "µm", "", "px")
    assert set(units) == set(table.columns) - {"index"}


def test_pixels_may_be_oblong(scene):
    table = cs.measure(scene.labels, features=PLACE, scale=(2.0, 0.25))
    expected = regionprops_table(scene.labels, properties=PLACE, spacing=(2.0, 0.25))
    for name, values in expected.items():
        np.testing.assert_allclose(table[name], values)


@pytest.mark.parametrize("lazy", [False, True])
def test_stacks_are_measured_plane_by_plane(scene, lazy):
    stack = np.stack([scene.labels, np.zeros_like(scene.labels), scene.labels * 2])
    labels = da.from_array(stack, chunks=(1, 64, 64)) if lazy else stack
    table = cs.measure(labels, axes="TYX", features=PLACE)
    first = cs.measure(scene.labels, features=PLACE)
    assert table.columns[:2].tolist() == ["index", "t"]
    assert sorted(set(table["t"])) == [0, 2]
    for t, factor in ((0, 1), (2, 2)):
        part = table[table["t"] == t].drop(columns="t").reset_index(drop=True)
        part["index"] //= factor
        pd.testing.assert_frame_equal(part, first)
    assert cs.measure(labels, features="area").columns.tolist() == ["index", "z", "area"]


def test_volumes_are_measured_in_three_dimensions():
    labels = np.random.default_rng(1).integers(0, 5, (2, 4, 6, 5))
    table = cs.measure(labels, axes="TZYX", volume=True, features=PLACE, scale=(1, 2, 0.5, 0.25))
    assert table.columns[:2].tolist() == ["index", "t"]
    expected = regionprops_table(labels[1], properties=PLACE, spacing=(2, 0.5, 0.25))
    for name, values in expected.items():
        np.testing.assert_allclose(table.loc[table["t"] == 1, name], values)
    assert table.attrs["units"]["area"] == "px³"


def test_what_is_known_joins_in(scene):
    ids = np.unique(scene.labels)[1:]
    known = pd.DataFrame({"index": ids[:-1].astype(np.int32), "class": "a", "area": -1.0})
    table = cs.measure(scene.labels, features="area", table=known)
    assert table.columns.tolist() == ["index", "class", "area"]
    assert table["class"].tolist()[:-1] == ["a"] * (len(ids) - 1)
    assert pd.isna(table["class"].iloc[-1])
    assert (table["area"] > 0).all()
    pd.testing.assert_frame_equal(
        cs.measure(scene.labels, features="area", table=known.set_index("index", drop=False)), table
    )
    nothing = cs.measure(scene.labels, features="area", table=pd.DataFrame({"index": [], "class": []}))
    assert nothing["class"].isna().all()


def test_the_table_of_a_stack_joins_by_plane_where_it_must(scene):
    stack = np.stack([scene.labels, scene.labels])
    ids = np.unique(scene.labels)[1:]
    once = pd.DataFrame({"index": ids, "z": 0, "class": "a"})
    both = pd.concat([once, once.assign(z=1, **{"class": "b"})])
    assert set(cs.measure(stack, features="area", table=once)["class"]) == {"a"}
    table = cs.measure(stack, features="area", table=both)
    assert (table["class"] == np.where(table["z"] == 0, "a", "b")).all()
    with pytest.raises(OptionError, match="one row for each object"):
        cs.measure(scene.labels, table=both)


def test_some_objects_are_measured_as_among_all(scene):
    every = cs.measure(scene.labels)
    some = cs.measure(scene.labels, only=[every["index"].iloc[3], every["index"].iloc[1], 10**6])
    pd.testing.assert_frame_equal(some, every.iloc[[1, 3]].reset_index(drop=True))


def test_some_objects_see_all_neighbours_and_classes(scene):
    ids = np.unique(scene.labels)[1:]
    known = pd.DataFrame({"index": ids, "class": np.where(ids % 2, "odd", "even")})
    every = cs.measure(scene.labels, table=known, features=("neighbours", "classes"))
    assert {"nearest_distance_to-odd", "contacts_with-even", "neighbours_touching"} <= set(every.columns)
    some = cs.measure(scene.labels, table=known, features=("neighbours", "classes"), only=ids[4:7])
    pd.testing.assert_frame_equal(some, every.iloc[4:7].reset_index(drop=True))


@settings(deadline=None, max_examples=8)
@given(st.integers(0, 10**6), st.booleans(), st.booleans())
def test_edited_objects_are_measured_as_all_are_without_a_search(seed, lazy, stacked):
    rng = np.random.default_rng(seed)
    labels = random_cells(rng, (2, 150, 260) if stacked else (1, 150, 260))
    image = rng.integers(0, 4000, (*labels.shape, 2), np.uint16)
    pixels = da.from_array(image, chunks=(1, 64, 64, 1)) if lazy else image
    groups = ("size", "shape", "intensity", "background", "texture", "neighbours")
    options = {"features": groups, "axes": "TYXC", "scale": (0.5, 0.7)}
    found = FoundObjects()
    cs.measure(labels, pixels, found=found, **options)
    for _ in range(3):
        t = int(rng.integers(len(labels)))
        labels[t], edited = edit(rng, labels[t])
        found.follow((t,), labels[t], edited)
        every = cs.measure(labels, image, **options)
        some = cs.measure(labels, pixels, only=edited, found=found, **options)
        expected = every[every["index"].isin(edited)].reset_index(drop=True)
        pd.testing.assert_frame_equal(some, expected)
        again = cs.measure(labels, pixels, found=found, **options)
        pd.testing.assert_frame_equal(again, every)


@pytest.mark.parametrize("channels", [None, ("blue", "red")])
def test_columns_of_channels_end_in_their_names(scene, channels):
    image = np.stack([scene.image, 2 * scene.image], axis=-1)
    table = cs.measure(scene.labels, image, features="intensity_mean", channels=channels)
    assert table.columns.tolist() == ["index", *(f"intensity_mean-{c}" for c in channels or ("0", "1"))]
    expected = regionprops_table(scene.labels, image, properties=("intensity_mean",))
    np.testing.assert_allclose(table.iloc[:, 1:].T, list(expected.values()))
    plain = cs.measure(scene.labels, scene.image, features="intensity_mean")
    np.testing.assert_allclose(plain["intensity_mean"], expected["intensity_mean-0"])


def test_own_functions_are_columns(scene):
    def brightest(mask, intensity):
        return intensity[mask].max()

    extra = {"width": lambda mask, intensity: mask.shape[1], "brightest": brightest}
    table = cs.measure(scene.labels, scene.image, features="bbox", extra=extra)
    assert table.columns[-2:].tolist() == ["width", "brightest"]
    np.testing.assert_array_equal(table["width"], table["bbox-3"] - table["bbox-1"])
    expected = regionprops_table(scene.labels, scene.image, properties=("intensity_max",))
    np.testing.assert_allclose(table["brightest"], expected["intensity_max"])
    assert table.attrs["units"]["width"] == ""


def test_a_failing_function_is_named(scene):
    with pytest.raises(OptionError, match=r"extra 'bad' must return one number.*ZeroDivisionError"):
        cs.measure(scene.labels, extra={"bad": lambda mask, intensity: 1 / 0})
    with pytest.raises(OptionError, match="'area' is a column already"):
        cs.measure(scene.labels, extra={"area": lambda mask, intensity: 1})


def test_extra_sees_channels_last(scene):
    image = np.stack([scene.image, 2 * scene.image], axis=0)
    table = cs.measure(
        scene.labels,
        image,
        axes="CYX",
        features="area",
        extra={"ratio": lambda m, i: i[m][:, 1].sum() / i[m][:, 0].sum()},
    )
    np.testing.assert_allclose(table["ratio"], 2)


def test_labels_without_objects_have_all_columns(scene):
    empty = cs.measure(np.zeros((3, 20, 20), np.uint16), axes="TYX")
    full = cs.measure(scene.labels[None], axes="TYX")
    assert len(empty) == 0
    assert empty.columns.tolist() == full.columns.tolist()
    assert empty.dtypes.tolist() == full.dtypes.tolist()


@pytest.mark.parametrize("extra", [None, {"width": lambda mask, intensity: mask.shape[1]}])
def test_progress_only_grows_and_reaches_the_end(scene, extra):
    seen = []
    cs.measure(np.stack([scene.labels] * 3), features="area", extra=extra, progress=seen.append)
    assert [p.done for p in seen] == sorted(p.done for p in seen)
    assert (seen[-1].done, seen[-1].total, seen[-1].detail) == (300, 300, "plane 3 of 3")


def test_a_job_that_is_closed_starts_no_more_work(scene):
    measured = []

    def slow(mask, intensity):
        measured.append(mask)
        sleep(0.03)
        return 0.0

    job = measuring(scene.labels, features="area", extra={"slow": slow})
    while not measured:
        next(job)
    job.close()
    assert 0 < len(measured) < len(np.unique(scene.labels)) - 1


@pytest.mark.parametrize(
    "arguments, error, text",
    [
        ({"features": ["aera"]}, OptionError, "Did you mean 'area'"),
        ({"features": "zzz"}, OptionError, "Groups are size"),
        ({"features": "texture"}, OptionError, "needs an image"),
        ({"features": ["area", "classes"]}, OptionError, "needs a table with the classes"),
        ({"features": "sphericity"}, OptionError, "in 2 dimensions"),
        ({"scale": (1.0, 2.0, 3.0)}, OptionError, "scale must be"),
        ({"scale": 0}, OptionError, "scale must be"),
        ({"axes": "CYX"}, AxesError, "axes"),
        ({"volume": True}, AxesError, "axis Z"),
        ({"table": pd.DataFrame({"label": [1]})}, OptionError, "column 'index'"),
        ({"table": pd.DataFrame({"index": ["1"]})}, OptionError, "not texts"),
        ({"image": np.zeros((4, 4))}, AxesError, "shape of the labels"),
        ({"image": np.zeros((128, 160), complex)}, OptionError, "not complex128"),
        ({"image": np.zeros((128, 160), object)}, OptionError, "not object"),
        ({"image": np.zeros((128, 160, 2)), "channels": ["a"]}, OptionError, "2 different names"),
    ],
)
def test_what_cannot_be_measured_is_refused(scene, arguments, error, text):
    with pytest.raises(error, match=text):
        cs.measure(scene.labels, **arguments)


def test_labels_beyond_64_bits_with_a_sign_are_refused():
    labels = np.array([[0, 1, 2**63 - 1]], np.uint64)
    assert cs.measure(labels, features="area")["index"].tolist() == [1, 2**63 - 1]
    with pytest.raises(LabelsError, match="below 2"):
        cs.measure(labels + (labels > 1), features="area")


@pytest.mark.parametrize("labels", [np.zeros((5, 5)), np.ones((5, 5), bool), np.zeros((0, 5), int)])
def test_what_are_no_labels_is_refused(labels):
    with pytest.raises(LabelsError, match="whole numbers"):
        cs.measure(labels)
