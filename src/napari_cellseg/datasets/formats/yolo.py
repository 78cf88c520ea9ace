"""YOLO segmentation: a polygon per object in a text file per image, as Ultralytics trains on.

Polygons hold the centres of pixels, ``(x + 0.5) / width``, so that a trainer that cuts coordinates to whole
pixels and fills them with OpenCV gets the masks back; corners would come back grown to the right and down.
Objects of one class with the very same pixels are kept, but Ultralytics itself trains on one of them.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.datasets.annotation import Annotation, ObjectMask, object_table
from napari_cellseg.datasets.encoding import write_png
from napari_cellseg.datasets.formats.format import Format, Notes
from napari_cellseg.datasets.formats.image_files import Stems, name_of, read_pixels
from napari_cellseg.datasets.formats.image_sizes import image_shape
from napari_cellseg.datasets.formats.polygons import MaskBudget, Ring, fill_pixel_polygon, pixel_polygon
from napari_cellseg.datasets.formats.tally import Tally
from napari_cellseg.datasets.formats.text_files import read_text
from napari_cellseg.datasets.formats.yolo_layout import Layout, find_layout, looks_like_yolo
from napari_cellseg.datasets.formats.yolo_yaml import MOST_CLASSES, yaml_text
from napari_cellseg.datasets.picture import picture
from napari_cellseg.datasets.sample import SPLITS, Origin, Sample
from napari_cellseg.datasets.settings import PERCENTILES
from napari_cellseg.errors import DatasetError

LARGEST_LABELS = 1 << 28
"""Bytes that the labels of one image may have."""
_DIGITS = 6
_TOLERANCE = 0.01
"""How far outside of the image a coordinate may lie, in shares of its width or height, as in Ultralytics."""
_BOX = "{} lines hold a box without an outline and were left out"
_NO_PIXEL = "{} outlines hold no pixel of their image and were left out"
_UNNAMED = "The classes have no names and are called class_0, class_1 …, by their numbers."


def polygon_lines(annotation: Annotation, classes: Sequence[str]) -> list[str]:
    """Lines of a file of labels, one per object in the order of the table, without line ends.

    Parameters
    ----------
    annotation : Annotation
        Its objects; each becomes one polygon, see `pixel_polygon`.
    classes : sequence of str
        Names in the order of their numbers.

    Returns
    -------
    list of str
        Number of the class, then x and y of at least three points, as shares of width and height.

    Raises
    ------
    DatasetError
        Where an object has a class that is not among them.
    """
    numbers = {name: k for k, name in reversed(list(enumerate(classes)))}
    names = annotation.objects["class"].tolist()
    unknown = sorted(set(names) - set(numbers))
    if unknown:
        raise DatasetError(f"There is no number for the class {unknown[0]!r}; known are {list(classes)!r}.")
    rows, columns = (_centres(size) for size in annotation.shape)
    lines = []
    for mask, name in zip(annotation.masks(), names, strict=True):
        words = [str(numbers[name])]
        for x, y in _at_least_three(pixel_polygon(mask)).tolist():
            words += (columns[x], rows[y])
        lines.append(" ".join(words))
    return lines


def _centres(size: int) -> list[str]:
    """Centres of pixels along an axis, as text."""
    digits = max(_DIGITS, len(str(size)) + 2)
    return [f"{(k + 0.5) / size:.{digits}f}" for k in range(size)]


def _at_least_three(points: Ring) -> Ring:
    """A polygon that readers take for one: Ultralytics asks for three points."""
    return points if len(points) > 2 else points[[0, -1, -1]]


def write_yolo(samples: Iterable[Sample], folder: Path, classes: Sequence[str]) -> Iterator[str]:
    """Write samples as Ultralytics reads them; those without a split are for training.

    Parameters
    ----------
    samples : iterable of Sample
        With pixels; they are written as 8-bit PNG, see `picture`.
    folder : Path
        An empty folder.
    classes : sequence of str
        Names in the order of their numbers.

    Yields
    ------
    str
        Name of each sample that is done.

    Raises
    ------
    DatasetError
        Where a sample has no pixels, or an object a class that is not among `classes`.
    """
    for kind in ("images", "labels"):
        for split in SPLITS:
            (folder / kind / split).mkdir(parents=True)
    (folder / "dataset.yaml").write_text(yaml_text(classes), encoding="utf-8")
    stems = Stems()
    for sample in samples:
        stem, split = stems.take(sample.name), sample.split or "train"
        pixels = picture(np.asarray(sample.training_pixels()), PERCENTILES)
        write_png(folder / "images" / split / f"{stem}.png", pixels)
        text = "".join(f"{line}\n" for line in polygon_lines(sample.annotation, classes))
        (folder / "labels" / split / f"{stem}.txt").write_text(text, encoding="utf-8")
        yield sample.name


def as_read_back(annotation: Annotation) -> Annotation:
    """What `read_yolo` reads of an annotation that `write_yolo` wrote: objects 1 to N, with bridges."""
    found = [
        fill_pixel_polygon(k, pixel_polygon(mask), annotation.shape)
        for k, mask in enumerate(annotation.masks(), 1)
    ]
    table = object_table(range(1, len(found) + 1), classes=annotation.objects["class"].tolist())
    return Annotation.from_masks(annotation.shape, found, table)


def read_yolo(path: Path, notes: Notes, *, images: Path | None = None) -> Iterator[Sample]:
    """Read samples of a YOLO dataset, its polygons filled as Ultralytics fills them.

    Parameters
    ----------
    path : Path
        A YAML, or a folder, see `find_layout`.
    notes : list of str
        Takes up what was left out.
    images : Path, optional
        Folder with the images, where they do not lie below `path`.

    Raises
    ------
    DatasetError
        With file and line of what is wrong: a line that is no polygon, one outside of its image, a class
        without a name.
    """
    layout = find_layout(path, images, notes)
    tally, stems = Tally(), Stems()
    if layout.classes is None:
        notes.append(_UNNAMED)
    for pair in layout.images:
        shape = image_shape(pair.image)
        labels = "" if pair.labels is None else read_text(pair.labels, LARGEST_LABELS)
        annotation = _read_labels(labels, f"'{pair.labels}'", shape, layout, tally)
        name = stems.take(name_of(pair.image.name))
        source = Origin(source=str(pair.image))
        read = partial(read_pixels, pair.image)
        yield Sample(name, annotation, read, origin=source, split=pair.split)
    tally.tell(notes)


def _read_labels(text: str, file: str, shape: tuple[int, int], layout: Layout, tally: Tally) -> Annotation:
    masks: list[ObjectMask] = []
    names: list[str] = []
    budget = MaskBudget(file)
    for number, line in enumerate(text.splitlines(), 1):
        words, where = line.split(), f"{file}, line {number}"
        if not words:
            continue
        name = _class_name(words[0], where, layout)
        shares = _shares(words[1:], where)
        if len(shares) < 6:
            tally.add(_BOX, where)
            continue
        mask = fill_pixel_polygon(len(masks) + 1, _to_pixels(shares, shape), shape)
        if mask.pixels.any():
            masks.append(budget.spend(mask))
            names.append(name)
        else:
            tally.add(_NO_PIXEL, where)
    return Annotation.from_masks(shape, masks, object_table(range(1, len(masks) + 1), classes=names))


def _class_name(word: str, where: str, layout: Layout) -> str:
    try:
        number = float(word)
    except ValueError:
        number = -1.0
    most = MOST_CLASSES if layout.classes is None else len(layout.classes)
    if not (0 <= number < most and number == int(number)):
        named = (
            f"'{layout.named_by}' names {most:,} classes" if layout.classes else f"at most {most:,} are read"
        )
        raise DatasetError(
            f"{where}: the class is {word[:30]!r}, but {named}, and the first one is number 0."
        )
    return f"class_{int(number)}" if layout.classes is None else layout.classes[int(number)]


def _shares(words: Sequence[str], where: str) -> NDArray[np.float64]:
    """Coordinates of a line, checked: x and y in turns; 4 or 5 numbers of a box."""
    try:
        values = np.array(words, np.float64)
    except ValueError as error:
        raise DatasetError(f"{where}: there must be numbers only ({str(error)[:80]}).") from error
    count = len(values)
    if count not in (4, 5) and (count < 6 or count % 2):
        confidence = " The last one may be a confidence, which must go." if count > 6 else ""
        raise DatasetError(
            f"{where}: behind the class there must be x and y of at least three points; there are {count} "
            f"numbers.{confidence}"
        )
    if not np.isfinite(values).all():
        raise DatasetError(f"{where}: a coordinate is not finite.")
    low, high = values.min(), values.max()
    if low < -_TOLERANCE or high > 1 + _TOLERANCE:
        raise DatasetError(
            f"{where}: coordinates must be shares of the image's width and height, 0 to 1; these reach from "
            f"{low:.6g} to {high:.6g}, outside of the image."
        )
    return values.clip(0, 1)


def _to_pixels(shares: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.int64]:
    """Points (P, 2) in whole pixels; what lies on a border of two, but for rounding, is in the second one."""
    size = np.array(shape[::-1], np.float64)
    rounding = np.minimum(1e-3 + 1e-6 * size, 0.25)
    return np.floor(shares.reshape(-1, 2) * size + rounding).astype(np.int64)


FORMATS = (
    Format(
        name="yolo",
        title="YOLO segmentation, polygons",
        description=(
            "Read by Ultralytics and most trainers of the YOLO family. Keeps classes, splits, overlaps and "
            "holes; pieces of an object that do not touch come back joined by lines of one pixel. Images "
            "become 8-bit PNG; status, confidence and origin of objects are not kept."
        ),
        matches=looks_like_yolo,
        read=read_yolo,
        write=write_yolo,
        as_read_back=as_read_back,
    ),
)
