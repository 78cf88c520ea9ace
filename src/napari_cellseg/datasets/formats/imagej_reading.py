"""ROIs of ImageJ and Fiji, read: polygons, rectangles, ovals, freehand and composite ones, within limits."""

import json
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from math import ceil, pi
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray
from roifile import ROI_SUBTYPE, ROI_TYPE, ImagejRoi

from napari_cellseg.datasets.formats.format import Notes
from napari_cellseg.datasets.formats.image_files import ImageFolder
from napari_cellseg.datasets.formats.outlines import (
    FARTHEST,
    Names,
    Outline,
    OutlineFile,
    image_of,
    number_of,
    on_planes,
    outline_samples,
    plain_text,
    said_shape,
    split_of,
    status_of,
)
from napari_cellseg.datasets.formats.tally import Tally
from napari_cellseg.datasets.sample import Sample
from napari_cellseg.errors import DatasetError, ImageError
from napari_cellseg.images.reading import list_images
from napari_cellseg.review.status import PERSON

MOST_ROIS = 1_000_000
"""ROIs that an archive may hold."""
MOST_BYTES = 1 << 30
"""Bytes that an archive's ROIs may unpack to."""
_SET = re.compile(r"[ _-]*(rois?|roi[ _-]?set)$", re.IGNORECASE)
_DRAWN = (ROI_TYPE.POLYGON, ROI_TYPE.FREEHAND, ROI_TYPE.TRACED)
_NO_OBJECTS = (ROI_SUBTYPE.TEXT, ROI_SUBTYPE.IMAGE, ROI_SUBTYPE.ARROW)
_CURVE = np.linspace(0, 1, 17)[1:, None]
_NO_AREA = "{} ROIs have no area (points, lines, texts) and were left out"
_GROUPED = "{} objects have the class of their ROI's group, 'group N'"
_POSITIONED = "{} ROIs tell a slice, z or t; where the image has several, each becomes an image of its own"
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, struct.error,
    ValueError, TypeError, KeyError, IndexError, OverflowError, AssertionError,
)  # fmt: skip


def is_imagej(path: Path) -> bool:
    """Whether a path is a ROI, a ZIP of ROIs, or a folder with one."""
    if path.is_dir():
        return any(is_imagej(file) for file in _roi_files(path))
    if not path.is_file():
        return False
    if path.suffix.lower() == ".roi":
        return True
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            return all(n.lower().endswith(".roi") for n in names) if names else bool(_about(archive))
    except _DAMAGED:
        return False


def _roi_files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in (".zip", ".roi") and p.is_file())


def read_imagej(path: Path, notes: Notes, *, images: Path | None = None) -> Iterator[Sample]:
    """Read samples of files of ROIs, each with the image of its name.

    Parameters
    ----------
    path : Path
        A ZIP of ROIs, a single ``.roi``, or a folder of them. ``NAME.zip``, ``NAME_rois.zip`` and
        ``NAME_RoiSet.zip`` belong to the image NAME; a single file belongs to the only image.
    notes : list of str
        Takes up what was left out.
    images : Path, optional
        Folder with the images; else they are looked for in ``images`` beside the files, and beside them.

    Raises
    ------
    DatasetError
        With file and ROI of what is wrong.
    """
    try:
        files = [f for f in _roi_files(path) if is_imagej(f)] if path.is_dir() else [path]
    except OSError as error:
        raise DatasetError(f"'{path}' cannot be read: {error}.") from error
    if not files:
        raise DatasetError(f"'{path}' holds no ROIs of ImageJ: no '.roi' and no ZIP of them.")
    base = path if path.is_dir() else path.parent
    roots = [base / "images", base] if images is None else [images]
    folder = ImageFolder(roots, anywhere=images is not None)
    tally, names = Tally(), Names()
    for file in files:
        image = _image(file, folder, roots, single=len(files) == 1)
        for sample in outline_samples(_read_file(file, tally), image, tally):
            yield sample.renamed(names.take(sample.name))
    tally.tell(notes)


def _image(file: Path, folder: ImageFolder, roots: Sequence[Path], single: bool) -> Path | None:
    for stem in dict.fromkeys((file.stem, _SET.sub("", file.stem))):
        found = image_of(file, stem, folder) if stem else None
        if found is not None:
            return found
    try:
        alone = [p for root in roots if root.is_dir() for p in list_images(root)] if single else []
    except ImageError as error:
        raise DatasetError(str(error)) from error
    return alone[0] if len(alone) == 1 else None


def _read_file(path: Path, tally: Tally) -> OutlineFile:
    about: dict[str, Any] = {}
    try:
        if path.suffix.lower() == ".roi":
            found = [_outline(path.read_bytes(), f"'{path}'", tally)]
        else:
            with zipfile.ZipFile(path) as archive:
                about = _about(archive)
                members = _members(archive, path)
                found = [_outline(archive.read(m), f"'{path}', {m.filename[:100]}", tally) for m in members]
    except DatasetError:
        raise
    except _DAMAGED as error:
        raise DatasetError(f"'{path}' is no ZIP of ROIs, or a damaged one ({error}).") from error
    placed = on_planes([outline for outline in found if outline is not None])
    tally.add(_POSITIONED, f"'{path}'", sum(bool(outline.position) for outline in placed))
    name = plain_text(about.get("name"), _SET.sub("", path.stem) or path.stem)
    return OutlineFile(path, placed, name, said_shape(about, f"'{path}'"), split_of(about.get("split")))


def _about(archive: zipfile.ZipFile) -> dict[str, Any]:
    """What our own archives tell of their image."""
    try:
        found = json.loads(archive.comment)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) and "height" in found else {}


def _members(archive: zipfile.ZipFile, path: Path) -> list[zipfile.ZipInfo]:
    members = [m for m in archive.infolist() if m.filename.lower().endswith(".roi")]
    size = sum(m.file_size for m in members)
    if len(members) > MOST_ROIS or size > MOST_BYTES:
        raise DatasetError(
            f"'{path}' holds {len(members):,} ROIs of {size:,} bytes; up to {MOST_ROIS:,} ROIs and "
            f"{MOST_BYTES:,} bytes are read."
        )
    return members


def _outline(data: bytes, where: str, tally: Tally) -> Outline | None:
    """The object of a ROI, or None where it has no area."""
    try:
        roi = ImagejRoi.frombytes(data)
        rings = _rings(roi)
    except _DAMAGED as error:
        raise DatasetError(f"{where}: it is no ROI of ImageJ, or a damaged one ({error}).") from error
    if rings is None:
        tally.add(_NO_AREA, where)
        return None
    if not all((np.abs(ring) < FARTHEST).all() for ring in rings):
        raise DatasetError(f"{where}: a coordinate is not finite, or beyond {FARTHEST:,.0f} pixels.")
    known = _properties(roi.props)
    group = f"group {roi.group}" if roi.group else "cell"
    tally.add(_GROUPED, where, bool(roi.group) and "class" not in known)
    return Outline(
        [[ring for ring in rings if len(ring) > 2]],
        where,
        plain_text(known.get("class"), group),
        number_of(known.get("label")),
        status_of(known.get("status")),
        plain_text(known.get("origin"), PERSON),
        _number(known.get("confidence")),
        _position(roi),
    )


def _properties(text: str) -> dict[str, str]:
    lines = (line.partition(":") for line in text.split("\n"))
    return {key.strip(): unquote(value.strip()) for key, _, value in lines}


def _number(text: str | None) -> float:
    try:
        value = float(text or "nan")
    except ValueError:
        return float("nan")
    return value if abs(value) < FARTHEST else float("nan")


def _position(roi: ImagejRoi) -> dict[str, int]:
    """Plane that a ROI tells, from 0; ImageJ counts from 1, and a plain slice counts as z."""
    found = {"t": roi.t_position, "z": roi.z_position or (0 if roi.t_position else roi.position)}
    return {axis: at - 1 for axis, at in found.items() if 0 < at < FARTHEST}


def _rings(roi: ImagejRoi) -> list[NDArray[Any]] | None:
    """Corner points of a ROI's outlines, or None where it has no area."""
    if roi.subtype in _NO_OBJECTS:
        return None
    if roi.composite and roi.roitype == ROI_TYPE.RECT:
        return _path_rings(roi.multi_coordinates.tolist())
    if roi.roitype in (ROI_TYPE.RECT, ROI_TYPE.OVAL):
        x, y, width, height = roi.left, roi.top, roi.right - roi.left, roi.bottom - roi.top
        if roi.subpixelrect:
            x, y, width, height = roi.xd, roi.yd, roi.widthd, roi.heightd
        corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
        return [np.array(corners, float) if roi.roitype == ROI_TYPE.RECT else _oval(x, y, width, height)]
    return [np.asarray(roi.coordinates(), float)] if roi.roitype in _DRAWN else None


def _oval(x: float, y: float, width: float, height: float) -> NDArray[np.float64]:
    """An ellipse in its box, as a polygon that is nowhere further from it than a hundredth of a pixel."""
    size = min(max(abs(width), abs(height), 1.0), FARTHEST)
    angle = np.arange(0, 2 * pi, 2 * pi / ceil(16 + 16 * size**0.5))
    return np.stack([x + width * (1 + np.cos(angle)) / 2, y + height * (1 + np.sin(angle)) / 2], 1)


def _path_rings(path: list[float]) -> list[NDArray[np.float64]]:
    """Rings of a composite ROI: a path of moves, lines and curves, each with its kind and its points."""
    rings: list[list[Any]] = []
    at = 0
    while at < len(path):
        kind = path[at]
        count = {0: 1, 1: 1, 2: 2, 3: 3, 4: 0}[int(kind)]
        points = np.array(path[at + 1 : at + 1 + 2 * count], float).reshape(count, 2)
        at += 1 + 2 * count
        if kind == 0:
            rings.append([points[0]])
        elif kind == 1:
            rings[-1].append(points[0])
        elif count:
            rings[-1].extend(_curve(np.vstack([rings[-1][-1], points])))
    return [np.array(ring) for ring in rings]


def _curve(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points of a Bézier curve of degree 2 or 3 behind its start: de Casteljau's construction."""
    levels = [np.broadcast_to(point, (len(_CURVE), 2)) for point in points]
    while len(levels) > 1:
        levels = [a + _CURVE * (b - a) for a, b in zip(levels, levels[1:], strict=False)]
    return levels[0]
