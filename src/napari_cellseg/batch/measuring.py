"""Measure many label images into one table."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from napari_cellseg.errors import CellSegError, ImageError, OptionError
from napari_cellseg.evaluation.files import ENDINGS, FEATURES, image_name
from napari_cellseg.events import Job, Progress
from napari_cellseg.features.measuring import measuring
from napari_cellseg.features.tables import table_provenance
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
        All objects; of several files with their image's name in the first column, `IMAGE`. Units and
        provenance are in its ``attrs``.
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
        The image, or a folder of images of the same names (``a.tif``).

    Raises
    ------
    ImageError
        Where a path is missing, or the folder has no label images.
    OptionError
        Where one is a file and the other a folder, or a label image has no image.
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
    named = [path for path in found if image_name(path) != file_stem(path)]
    if not found:
        raise ImageError(f"There are no label images in the folder '{labels}'.")
    if images is None:
        return [LabelledFile(image_name(path), path, None) for path in named or found]
    if not is_folder(Path(images)):
        raise OptionError(f"'{labels}' is a folder: give the folder of its images, not '{images}'.")
    by_name = {file_stem(path): path for path in list_images(images) if image_name(path) == file_stem(path)}
    missing = [path.name for path in named or found if image_name(path) not in by_name]
    if missing:
        raise OptionError(
            f"Every label image needs an image of the same name in '{images}'; {len(missing)} have none, for "
            f"example '{missing[0]}'. Names may end in {', '.join(ENDINGS[:3])}, …"
        )
    return [LabelledFile(image_name(path), path, by_name[image_name(path)]) for path in named or found]


def measuring_files(
    files: Sequence[LabelledFile],
    *,
    features: str | Iterable[str] | None = None,
    pixel_size: float | Sequence[float] | None = None,
    unit: str = MICROMETRE,
    axes: str | None = None,
    volume: bool = False,
) -> Job[MeasuredFiles]:
    """Measure label files step by step.

    Classes and confidences in ``NAME_features.csv`` beside the labels join in.

    Parameters
    ----------
    files : sequence of LabelledFile
        From `find_labelled`.
    features, axes, volume
        As in `napari_cellseg.measure`; axes are those of the files where they are not given.
    pixel_size : float or sequence of float, optional
        Size of a pixel in `unit`, of all files. None: what each file or its image says, in µm; pixels where
        none of them says anything.
    unit : str
        Unit of `pixel_size`.

    Yields
    ------
    Progress
        Counts files; the payload is the `Progress` of the one that is measured.

    Returns
    -------
    MeasuredFiles

    Raises
    ------
    OptionError
        Where some files have a pixel size and others have none, so that their numbers can't be compared.
    """
    chosen = None if features is None else [features] if isinstance(features, str) else list(features)
    measure = partial(measuring, features=chosen, volume=volume)
    tables: list[pd.DataFrame] = []
    sources: list[dict[str, Any]] = []
    failures: dict[str, str] = {}
    units: dict[str, str] = {}
    for i, file in enumerate(files):
        yield Progress(STAGE, i, len(files), file.name)
        try:
            opened = _opened(file)
            scale, used = _size_of(opened, pixel_size, unit, volume)
            units[used] = file.name
            job = measure(
                opened[0].data,
                None if opened[1] is None else opened[1].data,
                scale=scale,
                unit=used,
                axes=axes or next((f.axes for f in reversed(opened) if f is not None), None),
                channels=_channel_names(opened[1]),
                table=_known(file.labels),
            )
            table = yield from _within(job, i, len(files), file.name)
        except CellSegError as error:
            failures[str(file.labels)] = str(error)
            continue
        tables.append(table)
        record = table_provenance(file.labels, image=file.image, scale=scale, unit=used)
        sources.append({key: record[key] for key in ("labels", "image", "scale", "unit")})
    _check_units(units)
    names = [file.name for file in files if str(file.labels) not in failures]
    joined = _joined(tables, names, len(files) > 1)
    settings = {"features": chosen, "volume": volume, "axes": axes, "files": sources}
    joined.attrs["provenance"] = table_provenance(unit=next(iter(units), unit), settings=settings)
    return MeasuredFiles(joined, failures)


def _within(job: Job[pd.DataFrame], done: int, total: int, name: str) -> Job[pd.DataFrame]:
    """The progress of one file as that of many."""
    while True:
        try:
            step = next(job)
        except StopIteration as stop:
            table: pd.DataFrame = stop.value
            return table
        yield Progress(STAGE, done, total, name, step)


def _opened(file: LabelledFile) -> tuple[ImageFile, ImageFile | None]:
    labels = read_image(file.labels)
    if labels.axes is not None and "S" in labels.axes:
        raise OptionError(
            f"'{file.labels}' is a colour picture; a label image has one whole number per pixel."
        )
    return labels, None if file.image is None else read_image(file.image)


def _size_of(
    opened: tuple[ImageFile, ImageFile | None],
    given: float | Sequence[float] | None,
    unit: str,
    volume: bool,
) -> tuple[float | Sequence[float] | None, str]:
    """Size of a pixel, and its unit."""
    if given is not None:
        return given, unit
    known: PixelSize | None = next((f.pixel_size for f in opened if f and f.pixel_size), None)
    if known is None:
        return None, "px"
    if not volume:
        return (known.y, known.x), MICROMETRE
    if known.z is None:
        raise OptionError(
            f"'{opened[0].path}' doesn't say how far its planes are apart: give the pixel size in z, y, x."
        )
    return (known.z, known.y, known.x), MICROMETRE


def _channel_names(image: ImageFile | None) -> Sequence[str] | None:
    return None if image is None else image.metadata.channel_names or None


def _known(labels: Path) -> pd.DataFrame | None:
    """Classes, confidences and what else is known, from the table beside the labels."""
    beside = labels.with_name(image_name(labels) + FEATURES)
    if not beside.is_file():
        return None
    try:
        table = pd.read_csv(beside)
    except (ValueError, OSError) as error:
        raise OptionError(f"'{beside}' cannot be read as a table: {error}.") from error
    if "index" not in table:
        raise OptionError(f"'{beside}' has no column 'index' that names the objects.")
    kept = [c for c in ("index", "t", "z", "class", "confidence", "status", "origin") if c in table]
    return table[kept]


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
    for table in tables:
        units |= table.attrs["units"]
    if several:
        tables = [
            pd.concat([pd.Series(name, t.index, name=IMAGE), t], axis=1)
            for t, name in zip(tables, names, strict=True)
        ]
    for table in tables:
        table.attrs = {}
    joined = pd.concat(tables, ignore_index=True) if len(tables) > 1 else tables[0]
    joined.attrs["units"] = units
    return joined
