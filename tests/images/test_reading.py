"""Every format round-trips, with the axes and the pixel size that the file knows; broken files say so."""

from pathlib import Path
from typing import Any

import dask.array as da
import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from napari_cellseg.errors import CellSegWarning, ImageError
from napari_cellseg.images import tiff
from napari_cellseg.images.planes import open_planes
from napari_cellseg.images.reading import PixelSize, is_folder, list_images, read_image, read_metadata


def pixels(*shape: int, dtype: Any = np.uint16) -> np.ndarray:
    high = 255 if np.dtype(dtype) == np.uint8 else 4000
    return np.random.default_rng(len(shape)).integers(0, high, shape).astype(dtype)


def check_round_trip(path: Path, expected: np.ndarray, axes: str | None) -> None:
    """Pixels and axes come back, and the headers alone say the same as the whole file."""
    image = read_image(path)
    assert image.axes == axes
    assert image.data.dtype.newbyteorder("=") == expected.dtype
    np.testing.assert_array_equal(np.asarray(image.data), expected)
    assert read_metadata(path) == image.metadata
    open_planes(image.data, axes=image.axes, channel=0 if axes and "C" in axes else None).read(0)


@pytest.fixture(params=["loaded", "lazy"])
def storage(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Read files as small images and as large ones are read."""
    if request.param == "lazy":
        monkeypatch.setattr(tiff, "LOADED_BYTES", 0)
    return str(request.param)


@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
@pytest.mark.parametrize("tile", [None, (32, 48)])
@pytest.mark.parametrize("dtype", ["u1", "u2", ">u2", "i2", "f4"])
def test_tiff_round_trips(tmp_path: Path, storage: str, compression: str, tile: Any, dtype: str) -> None:
    image = pixels(3, 2, 70, 90).astype(dtype)
    byteorder = ">" if dtype.startswith(">") else "<"
    options = {"compression": compression, "tile": tile, "byteorder": byteorder}
    path = tmp_path / "image.ome.tif"
    tifffile.imwrite(path, image, metadata={"axes": "ZCYX"}, ome=True, **options)
    check_round_trip(path, image.astype(image.dtype.newbyteorder("=")), "ZCYX")
    is_lazy = isinstance(read_image(path).data, da.Array | np.memmap)
    assert is_lazy == (storage == "lazy")


def test_chunks_of_large_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles stay tiles, strips of a row are joined."""
    monkeypatch.setattr(tiff, "LOADED_BYTES", 0)
    monkeypatch.setattr(tiff, "_CHUNK_BYTES", 100 * 90 * 2)
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, pixels(300, 90), compression="zlib", tile=(16, 32))
    assert read_image(path).data.chunksize == (16, 32)
    tifffile.imwrite(path, pixels(300, 90), compression="zlib", rowsperstrip=1)
    assert read_image(path).data.chunksize == (100, 90)


@pytest.mark.parametrize(
    "unit, value, expected",
    [("µm", 0.5, 0.5), ("nm", 500, 0.5), ("mm", 0.0005, 0.5), ("cm", 0.00005, 0.5), ("pixel", 3, None)],
)
def test_ome_pixel_size_in_any_unit(tmp_path: Path, unit: str, value: float, expected: float | None) -> None:
    path = tmp_path / "image.ome.tif"
    metadata = {"axes": "TZYX", "TimeIncrement": 2.0, "TimeIncrementUnit": "min"}
    for axis in "XYZ":
        metadata |= {
            f"PhysicalSize{axis}": value * (4 if axis == "Z" else 1),
            f"PhysicalSize{axis}Unit": unit,
        }
    tifffile.imwrite(path, pixels(2, 3, 20, 30), metadata=metadata)
    size = read_metadata(path).pixel_size
    if expected is None:
        assert size is None
    else:
        assert size is not None
        assert (size.y, size.x, size.z) == pytest.approx((expected, expected, 4 * expected))
    assert read_metadata(path).time_interval == pytest.approx(120)


def test_ome_channel_names(tmp_path: Path) -> None:
    path = tmp_path / "image.ome.tif"
    tifffile.imwrite(
        path, pixels(2, 20, 30), metadata={"axes": "CYX", "Channel": {"Name": ["DAPI", "GFP"]}}, ome=True
    )
    assert read_metadata(path).channel_names == ("DAPI", "GFP")


def test_ome_pyramid_gives_full_resolution(tmp_path: Path, storage: str) -> None:
    image = pixels(128, 192)
    path = tmp_path / "image.ome.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(image, subifds=2, tile=(32, 32), metadata={"axes": "YX"})
        writer.write(image[::2, ::2], subfiletype=1, tile=(32, 32))
        writer.write(image[::4, ::4], subfiletype=1, tile=(32, 32))
    check_round_trip(path, image, "YX")


def test_ome_image_in_several_files(tmp_path: Path, storage: str) -> None:
    image = pixels(2, 40, 50)
    first, second = tmp_path / "part0.ome.tif", tmp_path / "part1.ome.tif"
    blocks = "".join(
        f'<TiffData FirstZ="{z}" IFD="0" PlaneCount="1">'
        f'<UUID FileName="{p.name}">urn:uuid:{z}</UUID></TiffData>'
        for z, p in enumerate((first, second))
    )
    for number, path in enumerate((first, second)):
        xml = (
            f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:{number}">'
            '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="50" '
            f'SizeY="40" SizeZ="2" SizeC="1" SizeT="1">{blocks}</Pixels></Image></OME>'
        )
        tifffile.imwrite(path, image[number], description=xml, metadata=None)
    check_round_trip(first, image, "ZYX")
    second.unlink()
    with pytest.warns(CellSegWarning, match="1 plane"):
        read_image(first)


@pytest.mark.parametrize("unit", ["micron", "\\u00B5m", "um", "microns"])
def test_imagej_hyperstack(tmp_path: Path, storage: str, unit: str) -> None:
    image = pixels(2, 3, 2, 20, 30)
    path = tmp_path / "image.tif"
    metadata = {"axes": "TZCYX", "spacing": 2.5, "unit": unit, "finterval": 30.0}
    tifffile.imwrite(path, image, imagej=True, metadata=metadata, resolution=(4, 4))
    check_round_trip(path, image, "TZCYX")
    assert read_metadata(path).pixel_size == PixelSize(0.25, 0.25, 2.5)
    assert read_metadata(path).time_interval == 30


def test_imagej_stack_from_top_to_bottom(tmp_path: Path) -> None:
    metadata = {"axes": "ZYX", "spacing": -2.5, "unit": "um"}
    tifffile.imwrite(
        tmp_path / "image.tif", pixels(3, 20, 30), imagej=True, metadata=metadata, resolution=(4, 4)
    )
    assert read_metadata(tmp_path / "image.tif").pixel_size == PixelSize(0.25, 0.25, 2.5)


@pytest.mark.parametrize(
    "unit, per_unit, expected",
    [("nm", 0.01, 0.1), ("inch", 72, None), ("inch", 50800, 0.5), ("pixel", 1, None)],
)
def test_imagej_units(tmp_path: Path, unit: str, per_unit: float, expected: float | None) -> None:
    path = tmp_path / "image.tif"
    tifffile.imwrite(
        path, pixels(20, 30), imagej=True, metadata={"unit": unit}, resolution=(per_unit, per_unit)
    )
    size = read_metadata(path).pixel_size
    assert (size and size.x) == (expected and pytest.approx(expected, rel=1e-4))


@pytest.mark.parametrize(
    "unit, per_unit, expected",
    [(3, 20000, 0.5), (2, 50800, 0.5), (2, 72, None), (2, 300, None), (3, 118, None), (1, 2, None)],
)
def test_plain_tiff_resolution(tmp_path: Path, unit: int, per_unit: float, expected: float | None) -> None:
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, pixels(20, 30), resolution=(per_unit, per_unit), resolutionunit=unit)
    size = read_metadata(path).pixel_size
    assert (size and size.x) == (expected and pytest.approx(expected))


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("samples", [3, 4])
def test_rgb_tiff_ends_in_samples(tmp_path: Path, storage: str, planar: str, samples: int) -> None:
    image = pixels(40, 50, samples, dtype=np.uint8)
    path = tmp_path / "image.tif"
    stored = image if planar == "contig" else np.moveaxis(image, -1, 0)
    tifffile.imwrite(path, stored, photometric="rgb", planarconfig=planar, compression="zlib")
    check_round_trip(path, image, "YXS")


def test_interleaved_channels_that_are_no_colours(tmp_path: Path) -> None:
    image = pixels(40, 50, 3)
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, image, photometric="minisblack", planarconfig="contig")
    check_round_trip(path, image, "YXC")


def test_unnamed_planes_are_time_and_said_so(tmp_path: Path) -> None:
    image = pixels(3, 40, 50)
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, image, photometric="minisblack")
    check_round_trip(path, image, "TYX")
    assert "3 planes" in read_metadata(path).notes[0]


def test_too_many_unnamed_axes(tmp_path: Path) -> None:
    path = tmp_path / "image.tif"
    tifffile.imwrite(path, pixels(2, 3, 2, 10, 10), photometric="minisblack")
    with pytest.raises(ImageError, match="not understood"):
        read_image(path)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".gif"])
def test_grey_pictures(tmp_path: Path, suffix: str) -> None:
    image = pixels(20, 30, dtype=np.uint8)
    path = tmp_path / f"image{suffix}"
    Image.fromarray(image).save(path)
    check_round_trip(path, image, "YX")


@pytest.mark.parametrize("shape, axes", [((20, 30), "YX"), ((20, 30, 3), "YXS"), ((20, 30, 4), "YXS")])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_png_of_any_depth(tmp_path: Path, shape: tuple[int, ...], axes: str, dtype: Any) -> None:
    from imagecodecs import png_encode

    image = pixels(*shape, dtype=dtype)
    path = tmp_path / "image.png"
    path.write_bytes(png_encode(image))
    check_round_trip(path, image, axes)


def test_palettes_and_grey_alpha_are_resolved(tmp_path: Path) -> None:
    grey = pixels(20, 30, dtype=np.uint8)
    Image.fromarray(grey).convert("P").save(tmp_path / "grey_palette.png")
    check_round_trip(tmp_path / "grey_palette.png", grey, "YX")
    Image.fromarray(np.stack([grey, grey // 2], -1), mode="LA").save(tmp_path / "alpha.png")
    check_round_trip(tmp_path / "alpha.png", grey, "YX")
    colour = Image.fromarray(pixels(20, 30, 3, dtype=np.uint8)).convert("P", palette=Image.Palette.ADAPTIVE)
    colour.save(tmp_path / "colour_palette.png")
    check_round_trip(tmp_path / "colour_palette.png", np.asarray(colour.convert("RGB")), "YXS")


def test_jpeg(tmp_path: Path) -> None:
    image = np.full((20, 30, 3), (200, 20, 60), np.uint8)
    iio.imwrite(tmp_path / "image.JPG", image, quality=95)
    read = read_image(tmp_path / "image.JPG")
    assert read.axes == "YXS"
    assert np.abs(read.data.astype(int) - image).max() < 6


def test_pictures_larger_than_pillow_takes_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = pixels(20, 30, dtype=np.uint8)
    iio.imwrite(tmp_path / "image.png", image)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    check_round_trip(tmp_path / "image.png", image, "YX")
    assert Image.MAX_IMAGE_PIXELS == 100


def test_inks_become_colours(tmp_path: Path) -> None:
    grey = np.tile(np.arange(0, 240, 8, dtype=np.uint8), (20, 1))
    blue = np.dstack([np.zeros_like(grey), np.zeros_like(grey), grey])
    for name, picture, axes in (("grey", grey, "YX"), ("blue", blue, "YXS")):
        path = tmp_path / f"{name}.jpg"
        Image.fromarray(picture).convert("CMYK").save(path, quality=98, subsampling=0)
        read = read_image(path)
        assert read.axes == read_metadata(path).axes == axes
        assert np.abs(read.data.astype(int) - picture).max() < 12


def test_animated_gif(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((20, 30), 40 * i, np.uint8)) for i in range(4)]
    path = tmp_path / "image.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    check_round_trip(path, np.stack([np.asarray(f) for f in frames]), "TYX")


def test_npy_is_memory_mapped(tmp_path: Path) -> None:
    image = pixels(3, 20, 30)
    np.save(tmp_path / "image.npy", image)
    check_round_trip(tmp_path / "image.npy", image, None)
    assert isinstance(read_image(tmp_path / "image.npy").data, np.memmap)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_plain_zarr(tmp_path: Path, zarr_format: Any) -> None:
    image = pixels(3, 20, 30)
    path = tmp_path / "image.zarr"
    zarr.create_array(path, data=image, chunks=(1, 8, 16), zarr_format=zarr_format)
    check_round_trip(path, image, None)


def test_zarr_dimension_names(tmp_path: Path) -> None:
    image = pixels(3, 20, 30)
    zarr.create_array(tmp_path / "image.zarr", data=image, dimension_names=["c", "y", "x"])
    check_round_trip(tmp_path / "image.zarr", image, "CYX")


def write_ngff(path: Path, image: np.ndarray, version: str) -> None:
    root = zarr.open_group(path, mode="w", zarr_format=2 if version == "0.4" else 3)
    root.create_array("full", data=image, chunks=(1, 1, 16, 16))
    root.create_array("half", data=image[..., ::2, ::2], chunks=(1, 1, 16, 16))
    axes = [
        {"name": "t", "type": "time", "unit": "minute"},
        {"name": "c", "type": "channel"},
        {"name": "y", "type": "space", "unit": "nanometer"},
        {"name": "x", "type": "space", "unit": "nanometer"},
    ]
    datasets = [
        {"path": name, "coordinateTransformations": [{"type": "scale", "scale": [1, 1, 250 * f, 125 * f]}]}
        for name, f in (("full", 1), ("half", 2))
    ]
    whole = [{"type": "scale", "scale": [5, 1, 2, 2]}]
    content = {
        "multiscales": [{"axes": axes, "datasets": datasets, "coordinateTransformations": whole}],
        "omero": {"channels": [{"label": "DAPI"}, {"label": "GFP"}]},
    }
    root.attrs.update(content if version == "0.4" else {"ome": {"version": "0.5", **content}})


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ngff_multiscale(tmp_path: Path, version: str) -> None:
    image = pixels(3, 2, 40, 50)
    path = tmp_path / "image.ome.zarr"
    write_ngff(path, image, version)
    check_round_trip(path, image, "TCYX")
    metadata = read_metadata(path)
    assert metadata.pixel_size == PixelSize(0.5, 0.25)
    assert metadata.channel_names == ("DAPI", "GFP")
    assert metadata.time_interval == 300
    check_round_trip(path / "full", image, None)


def test_ngff_with_several_images(tmp_path: Path) -> None:
    path, image = tmp_path / "image.zarr", pixels(3, 2, 40, 50)
    root = zarr.open_group(path, mode="w", zarr_format=2)
    root.attrs["bioformats2raw.layout"] = 3
    write_ngff(path / "0", image, "0.4")
    check_round_trip(path, image, "TCYX")
    assert read_metadata(path).notes == ()
    write_ngff(path / "1", image + 1, "0.4")
    (note,) = read_image(path).metadata.notes
    assert "holds 2 images; the first is read" in note
    assert is_folder(tmp_path)
    assert not is_folder(path)
    assert not is_folder(path / "1")
    check_round_trip(path / "1", image + 1, "TCYX")


def test_zarr_group_without_an_image(tmp_path: Path) -> None:
    zarr.open_group(tmp_path / "image.zarr", mode="w")
    with pytest.raises(ImageError, match="no image"):
        read_image(tmp_path / "image.zarr")
    (tmp_path / "folder.zarr").mkdir()
    with pytest.raises(ImageError, match=r"folder\.zarr"):
        read_image(tmp_path / "folder.zarr")


@pytest.mark.parametrize("suffix", [".tif", ".png", ".jpg", ".bmp", ".gif", ".npy"])
def test_broken_files_name_themselves_and_the_reason(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"broken{suffix}"
    path.write_bytes(b"")
    with pytest.raises(ImageError, match=r"broken.*is empty"):
        read_image(path)
    path.write_bytes(b"this is a letter, not an image " * 40)
    with pytest.raises(ImageError, match=r"broken"):
        read_image(path)
    with pytest.raises(ImageError, match=r"broken"):
        read_image(tmp_path / f"broken_and_gone{suffix}")


@pytest.mark.parametrize("kept", [0.02, 0.3, 0.6, 0.95])
@pytest.mark.parametrize("name", ["ome.tif", "imagej.tif", "lzw.tif", "plain.tif", "a.png", "a.jpg", "a.npy"])
def test_truncated_files(tmp_path: Path, storage: str, name: str, kept: float) -> None:
    path = tmp_path / name
    stack = pixels(4, 60, 70)
    if name == "a.npy":
        np.save(path, stack)
    elif name in ("a.png", "a.jpg"):
        iio.imwrite(path, stack[0].astype(np.uint8))
    else:
        metadata = {"axes": "ZYX"} if name != "plain.tif" else None
        tifffile.imwrite(
            path,
            stack,
            metadata=metadata,
            photometric="minisblack",
            imagej=name == "imagej.tif",
            ome=name == "ome.tif",
            compression="lzw" if name == "lzw.tif" else None,
        )
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(ImageError, match=name):
        read_image(path)


def test_folder_listing(tmp_path: Path) -> None:
    for name in ("b.tif", "a.PNG", "notes.txt", "._b.tif", ".hidden.png"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "c.ome.zarr").mkdir()
    (tmp_path / "folder.tif").mkdir()
    assert [p.name for p in list_images(tmp_path)] == ["a.PNG", "b.tif", "c.ome.zarr"]
    with pytest.raises(ImageError, match="no folder"):
        list_images(tmp_path / "missing")


def test_unknown_kinds_of_file(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(ImageError, match=r"ending in \.tif"):
        read_image(tmp_path / "notes.txt")
    with pytest.raises(ImageError, match=r"ending in \.tif"):
        read_image(tmp_path)
