"""A folder per image with a mask file per object, as the Data Science Bowl 2018 has them."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from imagecodecs import png_encode

from napari_cellseg.datasets.annotation import LARGEST_LABEL, OBJECT_COLUMNS, Annotation, ObjectMask
from napari_cellseg.datasets.formats.format import Format, Notes
from napari_cellseg.datasets.formats.image_files import Stems, read_pixels, write_image
from napari_cellseg.datasets.formats.label_files import saved_rows
from napari_cellseg.datasets.formats.label_folders import split_folders
from napari_cellseg.datasets.sample import Origin, Sample, Split
from napari_cellseg.errors import DatasetError
from napari_cellseg.images.reading import file_stem, list_images
from napari_cellseg.outputs import make_folder
from napari_cellseg.review.saved_labels import table_path

IMAGES, MASKS = "images", "masks"
_NUMBER = re.compile(r"0*[1-9][0-9]{0,9}")
_LEVEL = 1


def matches(path: Path) -> bool:
    """Whether a folder has subfolders with an image and its masks each."""
    if not path.is_dir():
        return False
    return any(_image_of(folder) is not None for folder, _ in _with_masks(path, []))


def read_mask_folder(path: Path, notes: Notes, *, images: Path | None = None) -> Iterator[Sample]:
    """Samples of a folder with ``NAME/images/NAME.png`` and ``NAME/masks/*.png``, also in folders of splits.

    A mask is what lies above half of its file's maximum. Masks whose names are numbers keep these as labels,
    all others are numbered in the order of their names. Classes come from ``NAME/NAME_features.csv``, where
    that is there.

    Parameters
    ----------
    path : Path
        The folder of folders.
    notes : list of str
        What a user should know is appended.
    images : Path, optional
        A folder with the images, ``NAME.png``, where they are elsewhere.

    Raises
    ------
    DatasetError
        Where there are none, or a file cannot be read or is of another size than the others.
    """
    known = {} if images is None else {file_stem(file): file for file in _list(images)}
    count = 0
    for folder, split in _with_masks(path, notes):
        image = known.get(folder.name) if images is not None else _image_of(folder)
        if image is None:
            notes.append(f"'{folder}' is left out: it has no image of its own.")
            continue
        count += 1
        annotation = _read_annotation(folder, image, notes)
        origin = Origin(str(image))
        yield Sample(folder.name, annotation, lambda file=image: read_pixels(file), origin, split)  # type: ignore[misc]
    if not count:
        raise DatasetError(
            f"There are no folders with '{IMAGES}' and '{MASKS}' in '{path}'; it needs a folder per image."
        )


def write_mask_folder(samples: Iterable[Sample], folder: Path, classes: Sequence[str]) -> Iterator[str]:
    """Write a folder per sample, in a subfolder for each split; see `read_mask_folder`.

    Images are PNG where that holds all of their depth and colours, else TIFF; masks are 8-bit PNG, 0 and 255.
    """
    stems = Stems()
    for sample in samples:
        stem = stems.take(sample.name)
        own = (folder if sample.split is None else folder / sample.split) / stem
        if write_image(sample, own / IMAGES, stem) is None:
            raise DatasetError(f"'{sample.name}' has labels but no image. This format needs both.")
        make_folder(own / MASKS)
        plane = np.zeros(sample.annotation.shape, np.uint8)
        for mask in sample.annotation.masks():
            plane[mask.window][mask.pixels] = 255
            (own / MASKS / f"{mask.index:05d}.png").write_bytes(png_encode(plane, level=_LEVEL))
            plane[mask.window] = 0
        rows = sample.annotation.objects[list(OBJECT_COLUMNS)]
        rows.to_csv(table_path(own / f"{stem}.png"), index=False)
        yield sample.name


def _with_masks(path: Path, notes: Notes) -> Iterator[tuple[Path, Split | None]]:
    """Subfolders that have masks; those with an image only are told in a note."""
    bare: list[Path] = []
    try:
        for base, split in split_folders(path):
            for folder in sorted(p for p in base.iterdir() if p.is_dir()):
                if (folder / MASKS).is_dir():
                    yield folder, split
                elif (folder / IMAGES).is_dir():
                    bare.append(folder)
    except OSError as error:
        raise DatasetError(f"The folder '{path}' cannot be read: {error.strerror or error}.") from error
    if bare:
        notes.append(f"{len(bare):,} images have no masks and are left out, for example '{bare[0].name}'.")


def _image_of(folder: Path) -> Path | None:
    """The image of a folder: that of its name, or the only one, unless a mask has that image's name."""
    if not (folder / IMAGES).is_dir():
        return None
    images = {file_stem(file): file for file in _list(folder / IMAGES)}
    if folder.name in images or len(images) != 1:
        return images.get(folder.name)
    ((stem, image),) = images.items()
    return None if any(file_stem(mask) == stem for mask in _list(folder / MASKS)) else image


def _read_annotation(folder: Path, image: Path, notes: Notes) -> Annotation:
    files = _list(folder / MASKS)
    numbers = [int(f.stem) if _NUMBER.fullmatch(f.stem) else 0 for f in files]
    if len({*numbers, 0}) <= len(files) or max(numbers, default=0) > LARGEST_LABEL:
        numbers = list(range(1, len(files) + 1))
    masks: list[ObjectMask] = []
    shape: tuple[int, int] | None = None
    empty: list[Path] = []
    for number, file in zip(numbers, files, strict=True):
        plane = read_pixels(file)
        if plane.ndim != 2 or (shape is not None and plane.shape != shape):
            raise DatasetError(
                f"The mask '{file}' has shape {plane.shape}, not {shape or '(rows, columns)'}."
            )
        shape = (int(plane.shape[0]), int(plane.shape[1]))
        mask = ObjectMask(number, 0, 0, plane > plane.max() / 2).trimmed()
        masks.append(ObjectMask(number, mask.top, mask.left, mask.pixels.copy()))
        empty += [file] if mask.pixels.size == 0 else []
    if empty:
        notes.append(f"{len(empty):,} masks of '{folder.name}' are empty, for example '{empty[0].name}'.")
    if shape is None:
        rows, columns = read_pixels(image).shape[:2]
        shape = (int(rows), int(columns))
    return Annotation.from_masks(shape, masks, saved_rows(folder / f"{folder.name}.png", notes))


def _list(folder: Path) -> list[Path]:
    try:
        return list_images(folder)
    except (OSError, ValueError) as error:
        raise DatasetError(f"The folder '{folder}' cannot be read: {error}") from error


FORMATS = (
    Format(
        "dsb",
        "Data Science Bowl 2018: a folder per image, a mask per object",
        "NAME/images/NAME.png and a PNG per object in NAME/masks. Keeps every object as it is, overlaps too, "
        "and classes and status in a table; images are PNG, or TIFF where that is not deep enough.",
        matches,
        read_mask_folder,
        write_mask_folder,
    ),
)
