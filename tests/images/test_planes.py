"""A window of a plane equals numpy indexing, however the image is stored and whatever its axes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cellseg.errors import AxesError, CellSegWarning, ImageError
from napari_cellseg.images import planes as planes_module
from napari_cellseg.images.planes import open_planes

DTYPES = ["?", "u1", "i1", "<u2", ">u2", "i4", ">u4", "i8", "f2", "f4", ">f4", "f8"]


def pixels(shape: tuple[int, ...], dtype: str = "u2") -> np.ndarray:
    return np.random.default_rng(0).integers(0, 120, shape).astype(dtype)


def as_zarr(array: np.ndarray) -> Any:
    chunks = tuple(min(n, 1 + n // 2) for n in array.shape)
    return zarr.array(array.astype(array.dtype.newbyteorder("=")), chunks=chunks)


STORAGE: dict[str, Callable[[np.ndarray], Any]] = {
    "numpy": lambda a: a,
    "dask tiles": lambda a: da.from_array(a, chunks=tuple(1 + n // 3 for n in a.shape)),
    "dask strips": lambda a: da.from_array(a, chunks=(*a.shape[:-2], 2, a.shape[-1])),
    "zarr": as_zarr,
    "multiscale": lambda a: [a, a[..., :-1]],
}


@st.composite
def images_and_windows(draw: st.DrawFn) -> tuple[np.ndarray, str, slice, slice]:
    outer = draw(st.permutations("TZ"))[: draw(st.integers(0, 2))]
    axes = "".join(draw(st.permutations([*outer, "Y", "X"])))
    shape = tuple(draw(st.integers(2, 9)) for _ in axes)
    ends = st.one_of(st.none(), st.integers(-3, 12))
    windows = [slice(draw(ends), draw(ends)) for _ in "YX"]
    return pixels(shape, draw(st.sampled_from(DTYPES))), axes, windows[0], windows[1]


@pytest.mark.parametrize("storage", STORAGE)
@given(case=images_and_windows())
@settings(max_examples=40, deadline=None)
def test_any_window_equals_numpy(storage: str, case: tuple[np.ndarray, str, slice, slice]) -> None:
    image, axes, y, x = case
    planes = open_planes(STORAGE[storage](image), axes=axes)
    order = [axes.index(a) for a in (*planes.outer_axes, "Y", "X")]
    expected = image.transpose(order)
    assert planes.labels_shape == expected.shape
    assert len(planes) == int(np.prod(expected.shape[:-2]))
    for plane in range(len(planes)):
        window = planes.read(plane, y, x)
        assert window.dtype == planes.dtype == image.dtype.newbyteorder("=")
        np.testing.assert_array_equal(window[..., 0], expected[planes.index(plane)][y, x])


@pytest.mark.parametrize("storage", STORAGE)
@pytest.mark.parametrize("axes", ["CYX", "YCX", "YXC"])
def test_channels_are_chosen_and_combined(storage: str, axes: str) -> None:
    shape = tuple({"C": 4, "Y": 7, "X": 9}[a] for a in axes)
    image = pixels(shape)
    channels = np.moveaxis(image, axes.index("C"), 0).astype(np.float64)
    stored = STORAGE[storage](image) if storage != "multiscale" else image

    def read(channel: Any) -> np.ndarray:
        return open_planes(stored, axes=axes, channel=channel).read(0)[..., 0]

    np.testing.assert_array_equal(read(2), channels[2])
    np.testing.assert_array_equal(read([3]), channels[3])
    np.testing.assert_allclose(read([1, 3]), channels[[1, 3]].mean(0), rtol=1e-6)
    np.testing.assert_allclose(read((3, 0)), channels[[3, 0]].mean(0), rtol=1e-6)
    np.testing.assert_allclose(read("mean"), channels.mean(0), rtol=1e-6)
    np.testing.assert_array_equal(read("max"), channels.max(0))
    assert read("max").dtype == np.uint16
    assert read("mean").dtype == np.float32


def test_first_channel_comes_with_a_warning() -> None:
    image = pixels((2, 7, 9))
    with pytest.warns(CellSegWarning, match="2 channels and none was chosen: channel 0"):
        planes = open_planes(image, axes="CYX")
    np.testing.assert_array_equal(planes.read(0)[..., 0], image[0])
    np.testing.assert_array_equal(open_planes(image[:1], axes="CYX").read(0)[..., 0], image[0])


@pytest.mark.parametrize("samples", [3, 4])
@pytest.mark.parametrize("axes", ["ZYXS", "SZYX"])
def test_rgb_drops_alpha(samples: int, axes: str) -> None:
    image = pixels((2, 7, 9, samples), "u1")
    stored = image if axes == "ZYXS" else np.moveaxis(image, -1, 0)
    planes = open_planes(stored, axes=axes)
    assert planes.is_rgb
    assert planes.channels == 3
    np.testing.assert_array_equal(planes.read(1), image[1, ..., :3])
    green = open_planes(stored, axes=axes, channel=1)
    assert green.channels == 1
    np.testing.assert_array_equal(green.read(1)[..., 0], image[1, ..., 1])
    brightest = open_planes(stored, axes=axes, channel="max").read(0)
    np.testing.assert_array_equal(brightest[..., 0], image[0, ..., :3].max(-1))
    with pytest.raises(AxesError, match="between 0 and 2"):
        open_planes(stored, axes=axes, channel=3)


def test_rgb_of_several_channels() -> None:
    image = pixels((2, 7, 9, 3), "u1")
    planes = open_planes(image, axes="CYXS", channel="mean")
    np.testing.assert_allclose(planes.read(0), image.mean(0), rtol=1e-6)
    np.testing.assert_array_equal(open_planes(image, axes="CYXS", channel=1).read(0), image[1])


@pytest.mark.parametrize("samples", [1, 2])
def test_grey_with_or_without_alpha(samples: int) -> None:
    image = pixels((7, 9, samples), "u1")
    planes = open_planes(image, axes="YXS")
    assert not planes.is_rgb
    np.testing.assert_array_equal(planes.read(0)[..., 0], image[..., 0])


@pytest.mark.parametrize(
    "axes, channel, text",
    [
        ("ZYX", 0, "no channel axis.*axes='CYX'"),
        ("CYX", 3, "between 0 and 2.*3 channels, but 3"),
        ("CYX", -1, "between 0 and 2"),
        ("CYX", "red", "not 'red'"),
        ("CYX", 1.5, "not 1.5"),
        ("CYX", True, "not True"),
        ("CYX", [], "not \\[\\]"),
    ],
)
def test_wrong_channels(axes: str, channel: Any, text: str) -> None:
    with pytest.raises(AxesError, match=text):
        open_planes(pixels((3, 7, 9)), axes=axes, channel=channel)


@pytest.mark.parametrize(
    "image, text",
    [
        (np.zeros((0, 5)), r"no pixels: its shape is \(0, 5\)"),
        (np.zeros((5, 5), complex), "'complex128'"),
        (np.full((5, 5), None), "'object'"),
        (np.full((5, 5), "a"), "'<U1'"),
        ("image.tif", "Pixels|array"),
        (None, "Pixels|array"),
        ([np.zeros((5, 5)), np.zeros((5, 5))], "get smaller.*numpy.stack"),
        ([[1, 2], [3]], "array"),
        ([], "dimensions|pixels"),
        (np.zeros(5), "dimensions Y and X"),
    ],
)
def test_what_is_no_image(image: Any, text: str) -> None:
    with pytest.raises(ImageError, match=text):
        open_planes(image)


def test_plain_lists_of_numbers_are_images() -> None:
    np.testing.assert_array_equal(open_planes([[1, 2], [3, 4]]).read(0)[..., 0], [[1, 2], [3, 4]])


def test_planes_are_numbered_with_the_last_axis_fastest() -> None:
    planes = open_planes(pixels((2, 3, 4, 5)))
    assert [planes.index(i) for i in range(6)] == [(t, z) for t in range(2) for z in range(3)]
    assert open_planes(pixels((4, 5))).index(0) == ()
    with pytest.raises(IndexError, match="between 0 and 5"):
        planes.index(6)


def test_reading_a_window_loads_only_the_chunks_it_touches() -> None:
    loaded: list[Any] = []

    def load(block_info: Any = None) -> np.ndarray:
        loaded.append(block_info[None]["chunk-location"])
        return np.zeros((1, 64, 64), np.uint16)

    image = da.map_blocks(load, chunks=((1,) * 50, (64,) * 50, (64,) * 50), dtype=np.uint16)
    loaded.clear()
    open_planes(image).read(7, slice(70, 120), slice(0, 100))
    assert sorted(loaded) == [(7, 1, 0), (7, 1, 1)]


def test_a_row_of_tiles_decodes_each_strip_once() -> None:
    loaded: list[Any] = []

    def load(block_info: Any = None) -> np.ndarray:
        loaded.append(block_info[None]["chunk-location"])
        return np.zeros((16, 640), np.uint16)

    image = da.map_blocks(load, chunks=((16,) * 40, (640,)), dtype=np.uint16)
    loaded.clear()
    planes = open_planes(image)
    for x in range(0, 640, 64):
        planes.read(0, slice(20, 60), slice(x, x + 64))
    assert sorted(loaded) == [(1, 0), (2, 0), (3, 0)]


def test_what_is_read_can_be_changed_without_changing_the_image() -> None:
    image = pixels((7, 9))
    before = image.copy()
    open_planes(image).read(0)[:] = 0
    np.testing.assert_array_equal(image, before)


def test_memory_mapped_images(tmp_path: Path) -> None:
    image = pixels((3, 7, 9))
    np.save(tmp_path / "image.npy", image)
    planes = open_planes(np.load(tmp_path / "image.npy", mmap_mode="r"))
    np.testing.assert_array_equal(planes.read(2, slice(1, 5), slice(2, 4))[..., 0], image[2, 1:5, 2:4])


@given(
    shape=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    limit=st.integers(1, 4000),
    strided=st.booleans(),
    band=st.sampled_from([1, 100, 2**20]),
)
@settings(max_examples=60, deadline=None)
def test_samples_are_bounded_and_the_same_however_stored(
    shape: tuple[int, int], limit: int, strided: bool, band: int
) -> None:
    image = np.arange(np.prod(shape)).reshape(shape)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planes_module, "BAND_BYTES", band)
        patch.setattr(planes_module, "STRIDED_PIXELS", 2**26 if strided else 0)
        patch.setattr(planes_module, "BLOCK", 8)
        samples = [
            open_planes(stored).sample(0, limit)
            for stored in (image, da.from_array(image, chunks=(7, 13)), zarr.array(image, chunks=(5, 60)))
        ]
    for sample in samples:
        np.testing.assert_array_equal(sample, samples[0])
    assert 1 <= len(samples[0]) <= max(limit, 64)
    assert np.isin(samples[0], image).all()
    if limit >= image.size:
        np.testing.assert_array_equal(samples[0].ravel(), image.ravel())


def test_sample_of_a_region_stays_in_it() -> None:
    image = pixels((60, 70))
    image[10:20, 30:50] = 1000
    sample = open_planes(image).sample(0, region=(slice(10, 20), slice(30, 50)))
    np.testing.assert_array_equal(sample, np.full((200, 1), 1000))
    assert open_planes(image).sample(0, region=(slice(5, 5), slice(0, 9))).shape == (0, 1)


def test_slides_are_sampled_without_reading_them_whole() -> None:
    loaded: list[Any] = []

    def load(block_info: Any = None) -> np.ndarray:
        loaded.append(block_info[None]["chunk-location"])
        return np.zeros((512, 512), np.uint8)

    image = da.map_blocks(load, chunks=((512,) * 200, (512,) * 200), dtype=np.uint8)
    loaded.clear()
    sample = open_planes(image).sample(0)
    assert len(sample) == 2**20
    assert len(loaded) < 1100


@pytest.mark.parametrize("path", ["image.tif", Path("image.tif")])
def test_a_path_is_not_an_image_and_the_error_says_how_to_read_it(path: str | Path) -> None:
    with pytest.raises(ImageError, match=r"must be an array, not the path 'image\.tif'\..*read_image"):
        open_planes(path)


def test_the_mask_of_a_masked_array_is_not_used_and_that_is_said() -> None:
    image = np.ma.masked_less(np.arange(12.0).reshape(3, 4), 5)
    with pytest.warns(CellSegWarning, match="mask of a masked array is not used"):
        planes = open_planes(image)
    np.testing.assert_array_equal(planes.read(0)[..., 0], image.data)


def test_a_channel_of_a_plain_plane_is_refused_without_useless_advice() -> None:
    with pytest.raises(AxesError, match=r"its axes are 'YX'\. Leave channel out\.$"):
        open_planes(np.zeros((4, 5)), channel=1)
