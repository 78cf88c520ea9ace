"""Label images on the disk with their images, and what is measured of each put into one table."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pandas as pd

from napari_cellseg.batch.files import distinct_stems
from napari_cellseg.errors import CellSegError, ImageError, OptionError
from napari_cellseg.evaluation.files import ENDINGS, FEATURES, image_name
from napari_cellseg.events import Job, Progress, relay
from napari_cellseg.features.tables import table_provenance
from napari_cellseg.images.axes import resolve_axes
from napari_cellseg.images.reading import (
    ImageFile,
    PixelSize,
    file_stem,
    is_folder,
    list_images,
    read_image,
)

STAGE = "Measuring files"
MICROMETRE = "µm"
IMAGE = "image"
"""Column that names the image of an object, where there are several."""

KNOWN: dict[str, type] = {
    "index": int,
    "t": int,
    "z": int,
    "class": str,
    "confidence": float,
    "status": str,
    "origin": str,
}
"""Columns of a table beside labels that join in, with their types, which no empty table shows."""

NO_NUMBERS = ("NA", "NaN", "nan")
"""What may stand for a number that is not known."""


@dataclass(frozen=True, slots=True)
class LabelledFile:
    """A label image on the disk, and its image where there is one."""

    name: str
    labels: Path
    image: Path | None


@dataclass(frozen=True, slots=True)
class MeasuredFiles:
    """What was measured.

    Attributes
    ----------
    table : DataFrame
        All rows; of several files with their image's name in the first column, `IMAGE`. Units, definitions
        and provenance are in its ``attrs``.
    failures : dict of str to str
        What went wrong, in words, by the path of the label image.
    """

    table: pd.DataFrame
    failures: Mapping[str, str]


def find_labelled(labels: str | Path, images: str | Path | None = None) -> list[LabelledFile]:
    """Label images and their images.

    Parameters
    ----------
    labels : path
        A label image, or a folder of them. Of a folder with files that are named as labels (``a_labels.tif``,
        ``a_mask.png``) only these are taken.
    images : path, optional
        The image, or a folder of images of the same names (``a.tif``); where two are called the same, of the
        names that `segmenting_files` gives to their results (``a_tif``, ``a_png``).

    Raises
    ------
    ImageError
        Where a path is missing, or the folder has no label images.
    OptionError
        Where one is a file and the other a folder, a label image has no image or may be of several, or two
        label images are of one image.
    """
    labels = Path(labels)
    if not labels.exists():
        raise ImageError(f"There is no file or folder '{labels}'.")
    if not is_folder(labels):
        image = None if images is None else Path(images)
        if image is not None and is_folder(image):
            raise OptionError(f"'{labels}' is one label image: give its image, not the folder '{image}'.")
        return [LabelledFile(image_name(labels), labels, image)]
    found = list_images(labels)
    if not found:
        raise ImageError(f"There are no label images in the folder '{labels}'.")
    chosen = [path for path in found if image_name(path) != file_stem(path)] or found
    twice = _first_pair(chosen, image_name)
    if twice:
        raise OptionError(f"Two label images of '{labels}' are of the same image: {twice}. Move one away.")
    if images is None:
        return [LabelledFile(image_name(path), path, None) for path in chosen]
    if not is_folder(Path(images)):
        raise OptionError(f"'{labels}' is a folder: give the folder of its images, not '{images}'.")
    others = list_images(images)
    stems = Counter(file_stem(path) for path in others)
    by_name = {file_stem(path): path for path in others if stems[file_stem(path)] == 1}
    by_name |= dict(zip(distinct_stems(others), others, strict=True))
    missing = [path.name for path in chosen if image_name(path) not in by_name]
    if missing:
        lost = image_name(Path(missing[0]))
        doubted = _first_pair([path for path in others if file_stem(path) == lost], file_stem)
        if doubted:
            raise OptionError(
                f"'{missing[0]}' may be of two images in '{images}': {doubted}. Move one away, or measure it "
                "with the file of its image."
            )
        raise OptionError(
            f"Every label image needs an image of the same name in '{images}'; {len(missing)} have none, for "
            f"example '{missing[0]}'. Names may end in {', '.join(ENDINGS[:3])}, …"
        )
    return [LabelledFile(image_name(path), path, by_name[image_name(path)]) for path in chosen]


def _first_pair(paths: Sequence[Path], name: Callable[[Path], str]) -> str:
    """The first two files of one name, in words; empty where all names differ."""
    seen: dict[str, Path] = {}
    for path in paths:
        before = seen.setdefault(name(path), path)
        if before is not path:
            return f"'{before.name}' and '{path.name}'"
    return ""


@dataclass(frozen=True)
class OpenedLabels:
    """A label image that was opened, with all that is known of it.

    Attributes
    ----------
    name : str
        What its image is called.
    labels : array-like of int
        Its pixels.
    image : array-like or None
        Those of the image.
    axes : str or None
        Of the image, else of the labels.
    channels : sequence of str or None
        Names of the channels.
    scale : float or sequence of float or None
        Size of a pixel.
    unit : str
        Its unit.
    table : DataFrame or None
        What the table beside the labels says of the objects.
    interval : float or None
        Time between two frames, s.
    """

    name: str
    labels: Any
    image: Any
    axes: str | None
    channels: Sequence[str] | None
    scale: float | Sequence[float] | None
    unit: str
    table: pd.DataFrame | None
    interval: float | None


@dataclass(frozen=True)
class Reading:
    """How files are read.

    Attributes
    ----------
    pixel_size : float or sequence of float or None
        Size of a pixel in `unit`, of all files. None: what each file or its image says, in µm; pixels where
        none of them says anything.
    unit : str
        Unit of `pixel_size`.
    axes : str or None
        Those of the files where they are not given.
    volume : bool
        Whether objects have three dimensions.
    """

    pixel_size: float | Sequence[float] | None = None
    unit: str = MICROMETRE
    axes: str | None = None
    volume: bool = False


def measuring_each(
    files: Sequence[LabelledFile],
    reading: Reading,
    measure: Callable[[OpenedLabels], Job[pd.DataFrame]],
    settings: Mapping[str, Any],
) -> Job[MeasuredFiles]:
    """Measure each file and put the tables together.

    Parameters
    ----------
    files : sequence of LabelledFile
        From `find_labelled`.
    reading : Reading
        How they are read.
    measure : callable
        The job for one file.
    settings : mapping
        What the provenance says of it.

    Raises
    ------
    OptionError
        Where some files have a pixel size and others have none, so that their numbers can't be compared.
    """
    tables: list[pd.DataFrame] = []
    sources: list[dict[str, Any]] = []
    failures: dict[str, str] = {}
    units: dict[str, str] = {}
    for i, file in enumerate(files):
        yield Progress(STAGE, i, len(files), file.name)
        try:
            opened = _opened(file, reading)
            units[opened.unit] = file.name
            within = Progress(STAGE, i, len(files), file.name)
            table = yield from relay(measure(opened), partial(_step_of, within))
        except CellSegError as error:
            failures[str(file.labels)] = str(error)
            continue
        tables.append(table)
        record = table_provenance(file.labels, image=file.image, scale=opened.scale, unit=opened.unit)
        sources.append({key: record[key] for key in ("labels", "image", "scale", "unit")})
    _check_units(units)
    names = [file.name for file in files if str(file.labels) not in failures]
    joined = _joined(tables, names, len(files) > 1)
    known = {**settings, "volume": reading.volume, "axes": reading.axes, "files": sources}
    joined.attrs["provenance"] = table_provenance(unit=next(iter(units), reading.unit), settings=known)
    return MeasuredFiles(joined, failures)


def _step_of(file: Progress, step: Progress) -> Progress:
    """The progress of one file as that of many."""
    return replace(file, payload=step)


def _opened(file: LabelledFile, reading: Reading) -> OpenedLabels:
    labels = read_image(file.labels)
    if labels.axes is not None and "S" in labels.axes:
        raise OptionError(
            f"'{file.labels}' is a colour picture; a label image has one whole number per pixel."
        )
    image = None if file.image is None else read_image(file.image)
    both = [f for f in (image, labels) if f is not None]
    scale, unit = _size_of((labels, image), reading)
    pixels, image_pixels, axes = _same_planes(labels, image, reading.axes)
    return OpenedLabels(
        file.name,
        pixels,
        image_pixels,
        axes,
        None if image is None else image.metadata.channel_names or None,
        scale,
        unit,
        _known(file.labels),
        next((f.metadata.time_interval for f in both if f.metadata.time_interval), None),
    )


def _same_planes(
    labels: ImageFile, image: ImageFile | None, given: str | None
) -> tuple[Any, Any, str | None]:
    """Pixels of labels and image, and their axes, less T and Z of length 1 that one of both lacks.

    Formats differ in what they keep: an image may be (1, 2, 1, Y, X) and its labels (Y, X).
    """
    if image is None:
        return labels.data, None, given or labels.axes
    of_image = _image_axes(image, labels)
    known = given or of_image or labels.axes
    own = labels.axes or resolve_axes(labels.data.shape, np.int32)
    whole = (given or of_image or resolve_axes(image.data.shape, image.data.dtype)).strip().upper()
    if len(whole) != image.data.ndim or len(own) == len(set(whole) - set("CS")):
        return labels.data, image.data, known
    ours, own = _without_single(labels.data, own, whole)
    theirs, whole = _without_single(image.data, whole, own)
    return ours, theirs, whole if given or of_image else own


def _image_axes(image: ImageFile, labels: ImageFile) -> str | None:
    """Axes of an image; planes that its file leaves open are what those of its labels are."""
    axes, planes = image.axes, [a for a in labels.axes or "" if a in "TZ"]
    if axes is None or not image.metadata.assumed_axes or labels.metadata.assumed_axes:
        return axes
    if len(planes) != sum(a in "TZ" for a in axes):
        return axes
    names = iter(planes)
    return "".join(next(names) if a in "TZ" else a for a in axes)


def _without_single(data: Any, axes: str, wanted: str) -> tuple[Any, str]:
    """An array and its axes without the axes T and Z of length 1 that are not wanted."""
    left_out = tuple(
        i for i, a in enumerate(axes) if a in "TZ" and a not in wanted and int(data.shape[i]) == 1
    )
    if not left_out:
        return data, axes
    lazy = data if hasattr(data, "squeeze") else da.from_array(data)
    return lazy.squeeze(left_out), "".join(a for i, a in enumerate(axes) if i not in left_out)


def _size_of(
    opened: tuple[ImageFile, ImageFile | None], reading: Reading
) -> tuple[float | Sequence[float] | None, str]:
    """Size of a pixel, and its unit."""
    if reading.pixel_size is not None:
        return reading.pixel_size, reading.unit
    known: PixelSize | None = next((f.pixel_size for f in opened if f and f.pixel_size), None)
    if known is None:
        return None, "px"
    if not reading.volume:
        return (known.y, known.x), MICROMETRE
    if known.z is None:
        raise OptionError(
            f"'{opened[0].path}' doesn't say how far its planes are apart: give the pixel size in z, y, x."
        )
    return (known.z, known.y, known.x), MICROMETRE


def _known(labels: Path) -> pd.DataFrame | None:
    """Classes, confidences and what else is known, from the table beside the labels."""
    beside = labels.with_name(image_name(labels) + FEATURES)
    if not beside.is_file():
        return None
    texts = [column for column, kind in KNOWN.items() if kind is str]
    try:
        table = pd.read_csv(
            beside,
            usecols=lambda column: column in KNOWN,
            dtype=dict.fromkeys(texts, str),
            keep_default_na=False,
            na_values={column: ["", *([] if column in texts else NO_NUMBERS)] for column in KNOWN},
        )
    except (ValueError, OSError) as error:
        raise OptionError(f"'{beside}' cannot be read as a table: {error}.") from error
    if "index" not in table:
        raise OptionError(f"'{beside}' has no column 'index' that names the objects.")
    known = table[[c for c in KNOWN if c in table]]
    return known.astype({c: KNOWN[c] for c in known}) if known.empty else known


def _check_units(units: Mapping[str, str]) -> None:
    if len(units) > 1:
        sized, bare = units.get(MICROMETRE), units.get("px")
        raise OptionError(
            f"'{sized}' says how large its pixels are and '{bare}' does not, so that their numbers can't be "
            "compared. Give the pixel size."
        )


def _joined(tables: Sequence[pd.DataFrame], names: Sequence[str], several: bool) -> pd.DataFrame:
    """One table; column `IMAGE` first where there are several files."""
    if not tables:
        return pd.DataFrame({"index": np.zeros(0, np.int64)})
    units: dict[str, str] = {}
    definitions: dict[str, str] = {}
    for table in tables:
        units |= table.attrs.get("units", {})
        definitions |= table.attrs.get("definitions", {})
    if several:
        tables = [
            pd.concat([pd.Series(name, t.index, name=IMAGE), t], axis=1)
            for t, name in zip(tables, names, strict=True)
        ]
    for table in tables:
        table.attrs = {}
    joined = pd.concat(tables, ignore_index=True) if len(tables) > 1 else tables[0]
    joined.attrs |= {"units": units, "definitions": definitions}
    return joined
