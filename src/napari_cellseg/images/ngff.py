"""Zarr stores, plain or with OME-NGFF metadata 0.1 to 0.5."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import dask.array as da
import zarr

from napari_cellseg.errors import ImageError
from napari_cellseg.images.metadata import ImageMetadata, micrometres, name_axes, pixel_size, seconds


def read_zarr_metadata(path: Path) -> ImageMetadata:
    """Axes, pixel size and channel names of a zarr store."""
    return _open(path)[1]


def read_zarr(path: Path) -> tuple[Any, ImageMetadata]:
    """Pixels at full resolution, not loaded, and metadata of a zarr store.

    A zarr array, or a dask array where dimensions of length 1 had to be left out.
    """
    array, metadata, dropped = _open(path)
    return (da.from_zarr(array).squeeze(dropped) if dropped else array), metadata


def _open(path: Path) -> tuple[Any, ImageMetadata, tuple[int, ...]]:
    node = zarr.open(path, mode="r")
    if isinstance(node, zarr.Array):
        return _plain(node, path)
    attributes = _ome_attributes(node)
    notes: tuple[str, ...] = ()
    if "bioformats2raw.layout" in attributes and "0" in node:
        several = sum(name.isdecimal() for name, _ in node.groups())
        if several > 1:
            notes = (f"The file holds {several} images; the first is read. Another one is '{path / '1'}'.",)
        node = node["0"]
        attributes = _ome_attributes(node)
    if "plate" in attributes:
        raise ImageError(
            f"'{path}' is a whole plate: choose one of its fields, such as '{path / 'A' / '1' / '0'}'."
        )
    if attributes.get("multiscales"):
        array, metadata, dropped = _multiscale(node, attributes, path)
        return array, replace(metadata, notes=notes + metadata.notes), dropped
    arrays = sorted(name for name, _ in node.arrays())
    if len(arrays) == 1:
        return _plain(node[arrays[0]], path)
    raise ImageError(
        f"'{path}' has no OME-NGFF metadata and holds {len(arrays)} arrays"
        + (
            f": choose one of them, such as '{path / arrays[0]}'."
            if arrays
            else ", so there is no image to read."
        )
    )


def _ome_attributes(node: Any) -> dict[str, Any]:
    attributes = dict(node.attrs)
    inner = attributes.get("ome")
    return {**attributes, **inner} if isinstance(inner, dict) else attributes


def _plain(array: Any, path: Path) -> tuple[Any, ImageMetadata, tuple[int, ...]]:
    names = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS")
    if not names or any(str(n).upper() not in tuple("TZCYXS") for n in names):
        return array, ImageMetadata(), ()
    return array, ImageMetadata(axes="".join(str(n).upper() for n in names)), ()


def _multiscale(
    node: Any, attributes: dict[str, Any], path: Path
) -> tuple[Any, ImageMetadata, tuple[int, ...]]:
    image = attributes["multiscales"][0]
    level = image["datasets"][0]
    array = node[level["path"]]
    described = [
        a if isinstance(a, dict) else {"name": a} for a in image.get("axes") or "tczyx"[-array.ndim :]
    ]
    if len(described) != array.ndim:
        raise ImageError(f"'{path}' names {len(described)} axes, but its image has {array.ndim} dimensions.")
    names = "".join(str(a["name"])[:1] if len(str(a["name"])) == 1 else "Q" for a in described)
    axes, dropped, assumed, notes = name_axes(names, array.shape)
    if not axes:
        raise ImageError(f"'{path}' has axes '{names}' of shape {array.shape}, which are not understood.")
    scale = _scale(image, level, array.ndim)
    units = {str(a["name"]).upper(): (s, a.get("unit")) for a, s in zip(described, scale, strict=True)}
    y, x, z = (micrometres(*units.get(a, (None, None))) for a in "YXZ")
    channels = (attributes.get("omero") or {}).get("channels") or []
    labels = tuple(str(c.get("label", f"Channel {i}")) for i, c in enumerate(channels))
    interval = seconds(*units.get("T", (None, None)))
    metadata = ImageMetadata(axes, pixel_size(y, x, z), labels, interval, notes, assumed_axes=assumed)
    return array, metadata, dropped


def _scale(image: dict[str, Any], level: dict[str, Any], dimensions: int) -> list[float]:
    """Size of a full-resolution pixel along each axis: the level's scale times the image's."""
    total = [1.0] * dimensions
    for owner in (level, image):
        for step in owner.get("coordinateTransformations") or ():
            if step.get("type") == "scale" and len(step.get("scale") or ()) == dimensions:
                total = [t * float(s) for t, s in zip(total, step["scale"], strict=True)]
    return total
