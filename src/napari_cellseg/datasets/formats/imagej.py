"""ImageJ's ROI Manager: a ZIP of ROIs per image.

Objects are drawn along the edges of their pixels: a polygon where that is enough, else a composite ROI with
all pieces and holes. What ImageJ has no place for (label, class, status …) stands in the ROI's properties.
"""

import json
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from math import isfinite
from pathlib import Path
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray
from roifile import ROI_TYPE, ImagejRoi

from napari_cellseg.datasets.annotation import ObjectMask
from napari_cellseg.datasets.formats.format import Format
from napari_cellseg.datasets.formats.image_files import Stems, write_image
from napari_cellseg.datasets.formats.imagej_reading import is_imagej, read_imagej
from napari_cellseg.datasets.formats.outlines import COLOURS, IGNORED, image_record
from napari_cellseg.datasets.formats.polygons import Ring, corner_polygons
from napari_cellseg.datasets.sample import Sample

_LEVEL = 1
_MOST_GROUPS = 255
_MOVE, _LINE, _CLOSE = 0, 1, 4


def write_imagej(samples: Iterable[Sample], folder: Path, classes: Sequence[str]) -> Iterator[str]:
    """Write ``NAME.zip`` with a ROI per object for each sample, and its image to ``images``.

    Parameters
    ----------
    samples : iterable of Sample
        Those without pixels get no image.
    folder : Path
        An empty folder.
    classes : sequence of str
        Names in the order of their colours and of ImageJ's groups, from 1.

    Yields
    ------
    str
        Name of each sample that is done.
    """
    stems = Stems()
    for sample in samples:
        stem = stems.take(sample.name)
        write_image(sample, folder / "images", stem)
        with zipfile.ZipFile(
            folder / f"{stem}.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL
        ) as archive:
            archive.comment = json.dumps(image_record(sample)).encode("ascii")
            for roi in _rois(sample, classes):
                archive.writestr(zipfile.ZipInfo(f"{roi.name}.roi"), roi.tobytes(), zipfile.ZIP_DEFLATED)
        yield sample.name


def _rois(sample: Sample, classes: Sequence[str]) -> Iterator[ImagejRoi]:
    table = sample.annotation.objects
    rows = zip(table["class"], table["status"], table["origin"], table["confidence"], strict=True)
    numbers = {name: k for k, name in enumerate(classes)}
    for mask, (name, status, origin, confidence) in zip(sample.annotation.masks(), rows, strict=True):
        number = numbers.get(name, -1)
        known = {"label": str(mask.index), "class": name, "status": status, "origin": origin}
        if isfinite(confidence):
            known["confidence"] = repr(float(confidence))
        yield _roi(mask, f"{mask.index:05d}", number, known)
    if sample.ignored is not None and sample.ignored.any():
        area = ObjectMask(0, 0, 0, sample.ignored).trimmed()
        yield _roi(area, "ignored", -1, {"class": IGNORED})


def _roi(mask: ObjectMask, name: str, number: int, known: dict[str, str]) -> ImagejRoi:
    rings = [ring for polygon in corner_polygons(mask) for ring in polygon]
    if len(rings) == 1:
        roi = ImagejRoi.frompoints(rings[0], name=name)
        roi.roitype = ROI_TYPE.TRACED
    else:
        path = np.concatenate([_path(ring) for ring in rings])
        y0, x0, y1, x1 = mask.box
        roi = ImagejRoi(roitype=ROI_TYPE.RECT, top=y0, left=x0, bottom=y1, right=x1, name=name)
        roi.shape_roi_size, roi.multi_coordinates = len(path), path
    roi.props = "".join(f"{key}: {quote(value)}\n" for key, value in known.items())
    roi.group = number + 1 if number < _MOST_GROUPS else 0
    roi.stroke_color = bytes([255, *COLOURS[number % len(COLOURS)]])
    return roi


def _path(ring: Ring) -> NDArray[np.float32]:
    """A ring as ImageJ's path: move to the first point, lines to the others, close."""
    steps = np.empty((len(ring), 3), np.float32)
    steps[:, 0] = _LINE
    steps[0, 0] = _MOVE
    steps[:, 1:] = ring
    return np.append(steps.ravel(), np.float32(_CLOSE))


FORMATS = (
    Format(
        name="imagej",
        title="ImageJ ROI zip",
        description=(
            "Opened by the ROI Manager of ImageJ and Fiji. Keeps all pixels of objects, overlaps, holes, "
            "classes as groups, and in its properties labels, status, confidence and origin; images lie "
            "beside it at full depth."
        ),
        matches=is_imagej,
        read=read_imagej,
        write=write_imagej,
    ),
)
