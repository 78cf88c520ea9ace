"""Objects as outlines with what is known of them, for formats that hold a file of outlines per image."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.datasets.annotation import LARGEST_LABEL, Annotation, ObjectMask, object_table
from napari_cellseg.datasets.formats.coco_json import is_unicode
from napari_cellseg.datasets.formats.image_files import ImageFolder, name_of, read_pixels
from napari_cellseg.datasets.formats.image_sizes import image_shape
from napari_cellseg.datasets.formats.polygons import MaskBudget, RingPolygon, fill_corner_polygons
from napari_cellseg.datasets.formats.runs import LARGEST_PLANE
from napari_cellseg.datasets.formats.tally import Tally
from napari_cellseg.datasets.sample import SPLITS, Origin, Pixels, Sample, Split
from napari_cellseg.datasets.stacks import Stack, plane_name
from napari_cellseg.errors import DatasetError, ImageError
from napari_cellseg.images.reading import IMAGE_SUFFIXES, read_image
from napari_cellseg.review.status import PERSON, Status

IGNORED = "Ignore*"
"""Class of the area that nobody has reviewed, as QuPath names what is neither object nor background."""
COLOURS = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)
"""Colours of classes in their order, safe for colour-blind eyes: Okabe and Ito's."""
FARTHEST = 1e9
"""Pixels from the origin beyond which a coordinate is taken for broken."""
LONGEST = 1000
"""Letters of a text that is taken from a file."""
_ENDINGS = (*(s for s in IMAGE_SUFFIXES if s not in (".npy", ".zarr")), ".ome.tif", ".ome.tiff")
_NO_PIXEL = "{} outlines hold no centre of a pixel of their image and were left out"
_NO_IMAGE = "{} files of outlines have no image beside them; they are read without pixels"
_NO_SIZE = (
    "{} files of outlines neither have an image nor tell its size; the plane ends where the outlines do"
)


@dataclass(frozen=True, slots=True)
class Outline:
    """An object of a file.

    Attributes
    ----------
    polygons : sequence of polygon
        Corner polygons; their union is the object.
    where : str
        File and key, for errors.
    class_name : str
        Its class, or `IGNORED`.
    label : int, optional
        As the file says; None, or one that is taken, gets a new one.
    status, origin : str
        As in the table of an annotation.
    confidence : float
        NaN, where there is none.
    position : dict of str to int
        Index along ``t`` and ``z`` of the plane that it lies on, from 0; empty: the image has one plane.
    """

    polygons: Sequence[RingPolygon]
    where: str
    class_name: str = "cell"
    label: int | None = None
    status: str = Status.ACCEPTED.value
    origin: str = PERSON
    confidence: float = float("nan")
    position: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OutlineFile:
    """A file of outlines.

    Attributes
    ----------
    path : Path
        The file.
    outlines : sequence of Outline
        Its objects.
    name : str
        Name of the image.
    shape : tuple of int, optional
        Rows and columns, as the file says.
    split : {"train", "val", "test"}, optional
        As the file says.
    """

    path: Path
    outlines: Sequence[Outline]
    name: str
    shape: tuple[int, int] | None = None
    split: Split | None = None


def outline_samples(file: OutlineFile, image: Path | None, tally: Tally) -> Iterator[Sample]:
    """Samples of a file, one for each plane that has outlines, or one without objects.

    Parameters
    ----------
    file : OutlineFile
        What it says.
    image : Path, optional
        Its image; where there is none, samples have no pixels.
    tally : Tally
        Counts what was left out.

    Raises
    ------
    DatasetError
        Where the image cannot be read or has no such plane, or the outlines need absurd sizes.
    """
    told = any(outline.position for outline in file.outlines)
    one_plane = not told or (image is not None and not _has_planes(image))
    planes: dict[tuple[tuple[str, int], ...], list[Outline]] = {}
    for outline in file.outlines:
        key = () if one_plane else tuple(sorted(outline.position.items()))
        planes.setdefault(key, []).append(outline)
    lengths = {axis: at + 1 for key in planes for axis, at in sorted(key)}
    for key in sorted(planes) or [()]:
        position = dict(key)
        shape, read = _plane(file, image, position, tally)
        annotation, ignored = _annotation(planes.get(key, []), shape, f"'{file.path}'", tally)
        source = str(image or file.path)
        group = file.name if position else ""
        origin = Origin(source=source, group=group, position=position)
        yield Sample(plane_name(file.name, position, lengths), annotation, read, origin, file.split, ignored)


def _plane(
    file: OutlineFile, image: Path | None, position: Mapping[str, int], tally: Tally
) -> tuple[tuple[int, int], partial[Pixels] | None]:
    """Rows and columns of a plane, and what reads its pixels."""
    if image is not None and position:
        read = partial(_read_plane, image, dict(position))
        rows, columns = read().shape[:2]
        return (int(rows), int(columns)), read
    if image is not None:
        return image_shape(image), partial(read_pixels, image)
    tally.add(_NO_IMAGE, f"'{file.path}'")
    if file.shape is not None:
        return file.shape, None
    tally.add(_NO_SIZE, f"'{file.path}'")
    ends = [ring.max(0) for o in file.outlines for polygon in o.polygons for ring in polygon if len(ring)]
    columns, rows = np.ceil(np.max(ends, 0)).tolist() if ends else (1, 1)
    if not (rows <= LARGEST_PLANE and columns <= LARGEST_PLANE and rows * columns <= LARGEST_PLANE):
        raise DatasetError(
            f"'{file.path}': its outlines reach to row {rows:,.0f} and column {columns:,.0f}; planes of up "
            f"to {LARGEST_PLANE:,} pixels are read."
        )
    return (max(1, int(rows)), max(1, int(columns))), None


def _has_planes(image: Path) -> bool:
    """Whether an image has several planes along t or z."""
    try:
        opened = read_image(image)
    except (ImageError, OSError) as error:
        raise DatasetError(str(error)) from error
    sizes = zip(opened.axes or "", opened.data.shape, strict=False)
    return any(n > 1 for axis, n in sizes if axis in "TZ")


def _read_plane(path: Path, position: Mapping[str, int]) -> Pixels:
    """Pixels of one plane of a stack."""
    try:
        image = read_image(path)
        axes = image.axes or ""
        count = image.data.shape[axes.index("C")] if "C" in axes else 1
        samples = image.data.shape[axes.index("S")] if "S" in axes else 1
        channels = tuple(range(count * min(samples, 3))) if "C" in axes or "S" in axes else ()
        stack = Stack(image.data, axes, channels)
        index = tuple(position.get(axis.lower(), 0) for axis in stack.outer)
        if any(at >= n for at, n in zip(index, stack.outer_shape, strict=True)) or "Y" not in axes:
            raise DatasetError(f"'{path}' with axes '{axes}' has no plane at {dict(position)}.")
        return stack.read(index, None)
    except (ImageError, OSError) as error:
        raise DatasetError(str(error)) from error


def _annotation(
    outlines: Iterable[Outline], shape: tuple[int, int], where: str, tally: Tally
) -> tuple[Annotation, NDArray[np.bool_] | None]:
    budget = MaskBudget(where)
    ignored: NDArray[np.bool_] | None = None
    found: list[tuple[ObjectMask, Outline]] = []
    for outline in outlines:
        mask = budget.spend(fill_corner_polygons(0, outline.polygons, shape))
        if not mask.pixels.any():
            tally.add(_NO_PIXEL, outline.where)
        elif outline.class_name == IGNORED:
            ignored = np.zeros(shape, bool) if ignored is None else ignored
            ignored[mask.window] |= mask.pixels
        else:
            found.append((mask, outline))
    rows = [outline for _, outline in found]
    index = _labels([outline.label for outline in rows])
    masks = (replace(mask, index=label) for label, (mask, _) in zip(index, found, strict=True))
    table = object_table(
        index,
        classes=[o.class_name for o in rows],
        status=[o.status for o in rows],
        confidence=np.array([o.confidence for o in rows], float),
        origin=[o.origin for o in rows],
    )
    return Annotation.from_masks(shape, masks, table), ignored


def _labels(said: Sequence[int | None]) -> list[int]:
    """A label for each object: what is said, where that is valid and not taken, else the next free one."""
    taken: set[int] = set()
    kept: list[int | None] = []
    for label in said:
        free = label is not None and 0 < label <= LARGEST_LABEL and label not in taken
        kept.append(label if free else None)
        taken |= {label} if free and label is not None else set()
    numbers = (k for k in range(1, LARGEST_LABEL) if k not in taken)
    return [next(numbers) if label is None else label for label in kept]


def image_of(path: Path, stem: str, folder: ImageFolder) -> Path | None:
    """The image that a file of outlines belongs to: the one of its name, which may end as the image does."""
    endings = (*_ENDINGS, "") if name_of(stem) != stem else _ENDINGS
    found = folder.find(stem, f"'{path}'", suffixes=endings)
    return found if found is not None and found.is_file() else None


def image_record(sample: Sample) -> dict[str, Any]:
    """What our own files tell of an image, as `said_shape` and `split_of` read it."""
    height, width = sample.annotation.shape
    return {"name": sample.name, "height": height, "width": width, "split": sample.split}


def said_shape(said: Mapping[str, Any], where: str) -> tuple[int, int] | None:
    """Rows and columns of the image, where our own files tell them.

    Raises
    ------
    DatasetError
        Where they are absurd.
    """
    height, width = said.get("height"), said.get("width")
    if type(height) is not int or type(width) is not int:
        return None
    if height < 1 or width < 1 or height * width > LARGEST_PLANE:
        raise DatasetError(f"{where}: planes of 1 to {LARGEST_PLANE:,} pixels are read.")
    return height, width


def split_of(value: Any) -> Split | None:
    """A split, where a value names one."""
    return next((split for split in SPLITS if split == value), None)


def plain_text(value: Any, default: str) -> str:
    """A text of one line that can be written to a file; the default, where a value is none."""
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST or not is_unicode(value):
        return default
    return value if min(value) >= " " else " ".join(value.split())


def number_of(text: Any) -> int | None:
    """A whole number from its digits; None, where a value is none."""
    digits = isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 11
    return int(text) if digits else None


def status_of(value: Any) -> str:
    """A review status; accepted, where a value is none."""
    return Status(value).value if value in [s.value for s in Status] else Status.ACCEPTED.value


def on_planes(outlines: Sequence[Outline]) -> list[Outline]:
    """Outlines without the axes along which all of them lie at the first place."""
    axes = {axis for outline in outlines for axis, at in outline.position.items() if at > 0}
    return [replace(o, position={axis: o.position.get(axis, 0) for axis in sorted(axes)}) for o in outlines]


class Names:
    """Names of samples, each used once."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, name: str) -> str:
        """The name, with a number behind it where it is taken."""
        found, number = name, 2
        while found in self._taken:
            found, number = f"{name}_{number}", number + 1
        self._taken.add(found)
        return found
