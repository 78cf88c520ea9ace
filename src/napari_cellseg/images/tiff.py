"""TIFF files, as OME, ImageJ, Zeiss and plain programs write them: lazy pixels and what the tags say."""

import logging
import re
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import dask.array as da
import numpy as np
import tifffile
import zarr

from napari_cellseg.errors import CellSegWarning, ImageError
from napari_cellseg.images.metadata import (
    ImageMetadata,
    PixelSize,
    micrometres,
    name_axes,
    pixel_size,
    seconds,
)

LOADED_BYTES = 2**26
"""Images up to this size are loaded at once; larger ones stay on the disk."""
_CHUNK_BYTES = 2**22
_MICROSCOPE_PIXELS = (0.001, 20.0)
"""Pixel sizes in µm that plain resolution tags may mean; a printer's 72 to 1200 dpi lie above."""
_DAMAGE = re.compile(
    r"invalid page offset|invalid offset to page|corrupted file|"
    r"TiffTag (270|273|279|324|325|330) .*invalid value offset"
)
"""What tifffile only logs where a file ends before its headers do."""
_COLOUR = (tifffile.PHOTOMETRIC.RGB, tifffile.PHOTOMETRIC.YCBCR, tifffile.PHOTOMETRIC.CIELAB)


def read_tiff_metadata(path: Path) -> ImageMetadata:
    """Axes, pixel size and channel names from the headers of a TIFF file."""
    with _opened(path) as tif:
        return _metadata(tif, _first_series(tif, path), path)[0]


def read_tiff(path: Path) -> tuple[Any, ImageMetadata]:
    """Pixels and metadata of the first image of a TIFF file, at full resolution.

    Images up to `LOADED_BYTES` are numpy arrays; larger ones are memory-mapped where the file is not
    compressed, else dask arrays.
    """
    with _opened(path) as tif:
        series = _first_series(tif, path)
        metadata, letters, dropped = _metadata(tif, series, path)
        _check_complete(series, path)
        data = _pixels(series, path)
    if dropped:
        data = data.squeeze(dropped)
    if "S" in letters and letters[-1] != "S":
        data = (da if isinstance(data, da.Array) else np).moveaxis(data, letters.index("S"), -1)
    return data, metadata


@contextmanager
def _opened(path: Path) -> Iterator[tifffile.TiffFile]:
    """An open file, refused where its headers point beyond its end."""
    damage: list[str] = []
    thread = threading.get_ident()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == thread and _DAMAGE.search(record.getMessage()):
                damage.append(record.getMessage())

    logger, listener = logging.getLogger("tifffile"), Listener(logging.ERROR)
    logger.addHandler(listener)
    try:
        with tifffile.TiffFile(path) as tif:
            if tif.series and not damage:
                yield tif
            else:
                reason = "it ends before its headers do, copy it again" if damage else "it holds no image"
                raise ImageError(f"'{path}' cannot be read: {reason}.")
    finally:
        logger.removeHandler(listener)


def _first_series(tif: tifffile.TiffFile, path: Path) -> tifffile.TiffPageSeries:
    if 0 in tif.series[0].shape:
        raise ImageError(f"'{path}' holds no image.")
    return tif.series[0]


def _pixels(series: tifffile.TiffPageSeries, path: Path) -> Any:
    if series.nbytes <= LOADED_BYTES:
        return series.asarray()
    if series.dataoffset is not None and not series.is_multifile:
        return tifffile.memmap(path, series=0, level=0, mode="r")
    stored = zarr.open(tifffile.imread(path, series=0, level=0, aszarr=True), mode="r")
    return da.from_array(stored, chunks=_joined_strips(stored, series.axes))


def _joined_strips(stored: Any, axes: str) -> tuple[int, ...]:
    """Chunks to read at once: tiles as they are, strips of a few rows joined to a few MB."""
    chunks = list(stored.chunks)
    y, x = axes.index("Y"), axes.index("X")
    if chunks[x] >= stored.shape[x]:
        strip = int(np.prod(chunks)) * stored.dtype.itemsize
        chunks[y] = min(stored.shape[y], chunks[y] * max(1, _CHUNK_BYTES // strip))
    return tuple(chunks)


def _check_complete(series: tifffile.TiffPageSeries, path: Path) -> None:
    """Refuse a file that ends before its pixels do; warn of planes that lie in files that are gone."""
    missing = 0
    for page in series.pages:
        if page is None:
            missing += 1
            continue
        size = page.parent.filehandle.size
        if any(o + n > size for o, n in zip(page.dataoffsets, page.databytecounts, strict=True)):
            raise ImageError(f"'{path}' is truncated: it ends before its pixels do. Copy it again.")
    if missing:
        warnings.warn(
            f"'{path.name}' refers to {missing} planes in files that are not there; they are read as black.",
            CellSegWarning,
            stacklevel=4,
        )


def _metadata(
    tif: tifffile.TiffFile, series: tifffile.TiffPageSeries, path: Path
) -> tuple[ImageMetadata, str, tuple[int, ...]]:
    """Metadata of what `read_tiff` returns; the letters and the dropped dimensions of what is stored."""
    stored = series.axes
    if "S" in stored and (
        series.shape[stored.index("S")] not in (3, 4) or series.keyframe.photometric not in _COLOUR
    ):
        stored = stored.replace("S", "Q" if "C" in stored else "C")
    letters, dropped, assumed, notes = name_axes(stored, series.shape)
    if not letters:
        raise ImageError(
            f"'{path}' has axes '{series.axes}' of shape {series.shape}, which are not understood."
        )
    if len(tif.series) > 1:
        notes += (f"The file holds {len(tif.series)} images; the first is read.",)
    axes = letters.replace("S", "") + ("S" if "S" in letters else "")
    size, channels, interval = _described(tif)
    return ImageMetadata(axes, size, channels, interval, notes, assumed_axes=assumed), letters, dropped


def _described(tif: tifffile.TiffFile) -> tuple[PixelSize | None, tuple[str, ...], float | None]:
    """Pixel size, channel names and time interval."""
    if tif.is_ome and tif.ome_metadata:
        return _ome(tif.ome_metadata)
    if tif.imagej_metadata is not None:
        return _imagej(tif)
    if tif.is_lsm and tif.lsm_metadata:
        lsm = tif.lsm_metadata
        y, x, z = (micrometres(lsm.get(f"VoxelSize{a}"), "m") for a in "YXZ")
        return pixel_size(y, x, z), (), seconds(lsm.get("TimeIntervall"), "s")
    return _resolution(tif.pages.first), (), None


def _ome(text: str) -> tuple[PixelSize | None, tuple[str, ...], float | None]:
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return None, (), None
    pixels = next((e for e in root.iter() if e.tag.rpartition("}")[2] == "Pixels"), None)
    if pixels is None:
        return None, (), None
    y, x, z = (
        micrometres(pixels.get(f"PhysicalSize{a}"), pixels.get(f"PhysicalSize{a}Unit", "µm")) for a in "YXZ"
    )
    channels = [e for e in pixels if e.tag.rpartition("}")[2] == "Channel"]
    names = tuple(e.get("Name", f"Channel {i}") for i, e in enumerate(channels))
    named = any(e.get("Name") for e in channels)
    interval = seconds(pixels.get("TimeIncrement"), pixels.get("TimeIncrementUnit", "s"))
    return pixel_size(y, x, z), names if named else (), interval


def _imagej(tif: tifffile.TiffFile) -> tuple[PixelSize | None, tuple[str, ...], float | None]:
    tags = tif.imagej_metadata or {}
    unit = str(tags.get("unit", ""))
    y, x = (_edge(tif.pages.first, axis) for axis in "YX")
    size = pixel_size(
        micrometres(y, str(tags.get("yunit", unit))),
        micrometres(x, unit),
        micrometres(_magnitude(tags.get("spacing")), str(tags.get("zunit", unit))),
    )
    if size and micrometres(1, unit) == 25400 and not _plausible(size):
        size = None
    interval = seconds(tags.get("finterval"), str(tags.get("tunit", "s")))
    frames_per_second = tags.get("fps")
    if interval is None and isinstance(frames_per_second, float | int) and frames_per_second > 0:
        interval = 1 / float(frames_per_second)
    return size, (), interval


def _magnitude(number: Any) -> Any:
    """ImageJ writes the distance of planes as a negative number where the stage moved down."""
    return abs(number) if isinstance(number, int | float) else number


def _resolution(page: tifffile.TiffPage) -> PixelSize | None:
    unit = page.tags.valueof("ResolutionUnit", 2)
    name = {2: "inch", 3: "cm"}.get(int(unit))
    size = pixel_size(micrometres(_edge(page, "Y"), name), micrometres(_edge(page, "X"), name))
    return size if size and _plausible(size) else None


def _edge(page: tifffile.TiffPage, axis: str) -> float | None:
    """Edge of a pixel in the unit of the file, from its resolution tag."""
    fraction = page.tags.valueof(f"{axis}Resolution")
    if not isinstance(fraction, tuple) or len(fraction) != 2 or 0 in fraction:
        return None
    return float(fraction[1]) / float(fraction[0])


def _plausible(size: PixelSize) -> bool:
    low, high = _MICROSCOPE_PIXELS
    return low <= size.x <= high and low <= size.y <= high
