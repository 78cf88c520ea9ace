"""What a layer's image is: axes, channels, pixel size."""

from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import tifffile
from napari.layers import Image

from napari_cellseg.errors import AxesError
from napari_cellseg.images.reading import PixelSize
from napari_cellseg.viewer.layer_image import read_layer
from napari_cellseg.viewer.pixel_size import apply_pixel_size, describe
from napari_cellseg.viewer.reading import read_image_layer


@pytest.mark.parametrize(
    "shape, options, axes",
    [
        ((20, 30), {}, "YX"),
        ((20, 30, 3), {"rgb": True}, "YXS"),
        ((5, 20, 30), {}, "ZYX"),
        ((4, 5, 20, 30), {}, "TZYX"),
        ((4, 20, 30, 3), {"rgb": True}, "ZYXS"),
        ((4, 20, 30), {"axis_labels": ("Time", "y", "x")}, "TYX"),
        ((2, 4, 20, 30), {"axis_labels": ("c", "t", "y", "x")}, "CTYX"),
        ((4, 20, 3), {"rgb": False}, "ZYX"),
    ],
)
def test_axes(shape: tuple[int, ...], options: dict, axes: str) -> None:
    image = read_layer(Image(np.zeros(shape, np.uint8), **options))
    assert image.axes == axes
    assert image.shape == shape


def test_given_axes_hold() -> None:
    image = read_layer(Image(np.zeros((2, 20, 30))), "cyx")
    assert (image.axes, image.axes_from) == ("CYX", "you")
    assert [c.value for c in image.channels] == [0, 1, "mean", "max"]


def test_axes_that_do_not_fit_are_an_error() -> None:
    with pytest.raises(AxesError, match="3"):
        read_layer(Image(np.zeros((2, 20, 30))), "YX")
    with pytest.raises(AxesError):
        read_layer(Image(np.zeros((2, 2, 2, 20, 30))))


def test_multiscale_gives_full_resolution_without_loading() -> None:
    levels = [da.zeros((64, 64), chunks=32), da.zeros((32, 32), chunks=32)]
    image = read_layer(Image(levels, multiscale=True))
    assert image.data is levels[0] or image.data.shape == (64, 64)
    assert isinstance(image.data, da.Array)


@pytest.mark.parametrize(
    "options, size, in_layer",
    [
        ({"scale": (0.5, 0.25), "units": ("µm", "µm")}, PixelSize(0.5, 0.25), True),
        ({"scale": (5e-4, 5e-4), "units": ("mm", "mm")}, PixelSize(0.5, 0.5), True),
        ({"scale": (0.5, 0.5)}, PixelSize(0.5, 0.5), False),
        ({}, None, False),
    ],
)
def test_pixel_size_of_the_layer(options: dict, size: PixelSize | None, in_layer: bool) -> None:
    known = read_layer(Image(np.zeros((20, 30)), **options)).pixel_size
    assert known.in_layer is in_layer
    if size is None:
        assert known.size is None
    else:
        assert known.size is not None
        assert (known.size.y, known.size.x) == pytest.approx((size.y, size.x))


@pytest.fixture
def imagej_file(tmp_path: Path) -> Path:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(
        path,
        np.zeros((4, 20, 30), np.uint16),
        imagej=True,
        resolution=(1 / 0.25, 1 / 0.25),
        metadata={"spacing": 1.5, "unit": "um", "axes": "ZYX"},
    )
    return path


def test_tags_that_naparis_reader_drops_are_found(imagej_file: Path) -> None:
    layer = Image(tifffile.imread(imagej_file), metadata={"path": str(imagej_file)})
    image = read_layer(layer)
    assert image.axes == "ZYX"
    size = image.pixel_size.size
    assert size is not None
    assert (size.z, size.y, size.x) == pytest.approx((1.5, 0.25, 0.25))
    apply_pixel_size(layer, image.layer_axes, size)
    assert layer.scale == pytest.approx((1.5, 0.25, 0.25))
    assert [str(u) for u in layer.units] == ["micrometer"] * 3
    assert read_layer(layer).pixel_size.in_layer


def test_own_reader_keeps_pixel_size_and_axes(imagej_file: Path) -> None:
    data, keywords, kind = read_image_layer(imagej_file)
    layer = Image(data, **keywords)
    assert kind == "image"
    assert layer.axis_labels == ("z", "y", "x")
    assert layer.scale == pytest.approx((1.5, 0.25, 0.25))
    assert read_layer(layer).axes == "ZYX"


def test_a_broken_file_is_said_not_raised(tmp_path: Path) -> None:
    path = tmp_path / "broken.tif"
    path.write_bytes(b"II*\0nonsense")
    layer = Image(np.zeros((20, 30)), metadata={"path": str(path)})
    known = read_layer(layer).pixel_size
    assert known.size is None
    assert "broken.tif" in known.source


def test_description() -> None:
    assert describe(PixelSize(0.65, 0.65)) == "0.65 µm"
    assert describe(PixelSize(0.65, 0.5, 2)) == "0.65 × 0.5 µm, planes 2 µm apart"


def test_samples_of_a_layer_that_is_not_rgb_are_refused() -> None:
    with pytest.raises(AxesError, match="RGB"):
        read_layer(Image(np.zeros((3, 20, 30))), "SYX")
