"""Which images a YOLO dataset has, where their labels are, and what its classes are called."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from napari_cellseg.datasets.formats.format import Notes
from napari_cellseg.datasets.formats.image_files import MOST_FILES
from napari_cellseg.datasets.formats.tally import Tally
from napari_cellseg.datasets.formats.text_files import read_text
from napari_cellseg.datasets.formats.yolo_yaml import Description, read_description
from napari_cellseg.datasets.names import path_within
from napari_cellseg.datasets.sample import Split
from napari_cellseg.errors import DatasetError
from napari_cellseg.images.reading import PICTURE_SUFFIXES, TIFF_SUFFIXES

_HEAD = 1 << 16
_IMAGES_KEY = re.compile(rb"^(train|val|validation|test)\s*:", re.MULTILINE)
_CLASSES_KEY = re.compile(rb"^(names|nc)\s*:", re.MULTILINE)
LARGEST_LIST = 1 << 28
"""Bytes that a list of images or classes may have."""
_YAMLS = ("dataset.yaml", "data.yaml", "dataset.yml", "data.yml")
_CLASS_FILES = ("classes.txt", "labels/classes.txt", "obj.names")
_SPLITS: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
_READ = (*PICTURE_SUFFIXES, *TIFF_SUFFIXES)
_NOT_READ = (".webp", ".avif", ".heic", ".heif", ".jp2", ".dng", ".mpo", ".pfm", ".jpeg2000")
_OTHER_KIND = "{} images are of a kind that cannot be read (" + ", ".join(_NOT_READ) + ") and were left out"
_ABSENT = "{} images that a list names are not there and were left out"
_TWICE = "{} images are named twice; the first split that names them counts"
_UNLABELLED = "{} images have no file of labels and are read as images without objects"
_ORPHANED = "{} files of labels have no image and were left out"


@dataclass(frozen=True, slots=True)
class Labelled:
    """An image of a YOLO dataset; `labels` is None where there are none."""

    image: Path
    labels: Path | None
    split: Split | None


@dataclass(frozen=True, slots=True)
class Layout:
    """A YOLO dataset: its images, its classes in the order of their numbers, and the file that names them."""

    images: list[Labelled]
    classes: tuple[str, ...] | None
    named_by: str


def find_yaml(folder: Path) -> Path | None:
    """The YAML that describes a folder: by its name, or the only one; else None."""
    for name in _YAMLS:
        if (folder / name).is_file():
            return folder / name
    others = [path for path in folder.iterdir() if describes_dataset(path)]
    return others[0] if len(others) == 1 else None


def describes_dataset(path: Path) -> bool:
    """Whether a file is a YAML with images and classes, from its beginning."""
    if path.suffix.lower() not in (".yaml", ".yml") or not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(_HEAD)
    return _IMAGES_KEY.search(head) is not None and _CLASSES_KEY.search(head) is not None


def looks_like_yolo(path: Path) -> bool:
    """Whether a path is a YAML of a dataset, or a folder with one or with ``images`` and texts as labels."""
    if path.is_file():
        return path.name in _YAMLS or describes_dataset(path)
    if not path.is_dir():
        return False
    if find_yaml(path) is not None:
        return True
    folders = [path, *(path / name for name in _SPLITS)]
    return any((f / "images").is_dir() and _has_texts(f / "labels") for f in folders)


def _has_texts(folder: Path) -> bool:
    some = [folder, *(folder / name for name in _SPLITS)]
    return any(next(f.glob("*.txt"), None) is not None for f in some if f.is_dir())


def find_layout(path: Path, images: Path | None, notes: Notes) -> Layout:
    """Look up the images of a YOLO dataset.

    Parameters
    ----------
    path : Path
        A YAML as Ultralytics reads it, a folder that holds one, a folder with ``images`` and ``labels``, or
        one with labels beside the images.
    images : Path, optional
        Folder with the images, where they do not lie below `path`.
    notes : list of str
        Takes up what was left out.

    Raises
    ------
    DatasetError
        Where there are no images or no labels, a path leads out of the folder, or the YAML is broken.
    """
    if not path.exists():
        raise DatasetError(f"There is no file or folder '{path}'.")
    tally = Tally()
    try:
        yaml = path if path.is_file() else find_yaml(path)
    except OSError as error:
        raise DatasetError(f"'{path}' cannot be read: {error}.") from error
    base = path if yaml is None else yaml.parent
    if yaml is not None:
        described = read_description(yaml)
        root, found = _described_images(described, base, images, tally, notes)
        classes, named_by = described.classes, str(yaml)
    else:
        root = path if images is None else images
        found = [(image, _split_of(image.relative_to(root))) for image in _walk(root, root, tally)]
        classes, named_by = _listed_classes(path)
    pairs = _with_labels(found, [root, base], yaml is None, tally)
    _tell_orphans(pairs, tally)
    tally.tell(notes)
    if not any(pair.labels for pair in pairs):
        raise DatasetError(
            f"'{path}' has no YOLO labels: for each 'images/NAME.png' there must be a 'labels/NAME.txt'."
        )
    return Layout(pairs, classes, named_by)


def _described_images(
    described: Description, base: Path, images: Path | None, tally: Tally, notes: Notes
) -> tuple[Path, list[tuple[Path, Split | None]]]:
    """The folder that a YAML's paths start from, and its images with their splits."""
    roots = [images] if images is not None else list(_roots(described.path, base))
    for root in roots:
        found = _images_of(described, root, tally)
        if found:
            if images is None and described.path and root != base / described.path:
                notes.append(
                    f"'{described.file}' names the folder '{described.path}', which is not there, or not "
                    f"below its own; its images are read from '{root}'."
                )
            return root, found
    path = f" in the folder '{described.path}'" if described.path else ""
    raise DatasetError(
        f"'{described.file}' names images{path} that are not below '{roots[-1]}'. Give the folder that its "
        f"paths start from as the folder with the images."
    )


def _roots(path: str, base: Path) -> Iterator[Path]:
    """Folders that a YAML's paths may start from: what it says, as far as that lies below it."""
    name = PurePath(path.replace("\\", "/")).name
    for part in (path, name):
        if part and _stays_below(base, part) and (base / part).is_dir():
            yield base / part
    yield base


def _images_of(described: Description, root: Path, tally: Tally) -> list[tuple[Path, Split | None]]:
    found: dict[Path, Split | None] = {}
    for split, entries in described.splits.items():
        for entry in entries:
            for image in _entry(root, entry, f"'{described.file}', {split}", tally):
                tally.add(_TWICE, f"'{image}'", image in found)
                found.setdefault(image, _SPLITS[split])
    return list(found.items())


def _entry(root: Path, entry: str, where: str, tally: Tally) -> Iterator[Path]:
    """Images of a folder, a list or a file that a YAML names."""
    if entry.startswith("../") and _stays_below(root, entry[3:]):  # as Roboflow writes it
        entry = entry[3:]
    path = _below(root, entry, where)
    if path.is_dir():
        yield from _walk(path, root, tally)
    elif path.suffix.lower() == ".txt" and path.is_file():
        yield from _listed_images(path, root, tally)
    elif path.is_file() and path.suffix.lower() in _READ:
        yield path


def _listed_images(path: Path, root: Path, tally: Tally) -> Iterator[Path]:
    """Images of a list, a path per line; from the list itself where it begins with ``./``."""
    for number, line in enumerate(read_text(path, LARGEST_LIST).splitlines(), 1):
        name, where = line.strip(), f"'{path}', line {number}"
        if not name:
            continue
        image = _below(path.parent, name[2:], where) if name.startswith("./") else _below(root, name, where)
        if image.is_file() and image.suffix.lower() in _READ:
            yield image
        else:
            tally.add(_ABSENT, where)


def _below(root: Path, name: str, where: str) -> Path:
    """Path of a name below a folder; an absolute one that lies there is fine."""
    try:
        if os.path.isabs(name) and Path(name).is_relative_to(root.absolute()):
            name = os.path.relpath(name, root.absolute())
        return root if name in (".", "./") else path_within(root, name, where)
    except DatasetError:
        raise
    except (OSError, ValueError) as error:
        raise DatasetError(f"{where}: {name[:100]!r} is no path.") from error


def _stays_below(base: Path, name: str) -> bool:
    try:
        return bool(_below(base, name, ""))
    except DatasetError:
        return False


def _walk(folder: Path, root: Path, tally: Tally) -> Iterator[Path]:
    """Images of a folder and its subfolders, sorted; links that lead out of the root are refused."""
    seen = 0
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        for name in sorted(files):
            seen += 1
            if seen > MOST_FILES:
                raise DatasetError(f"'{folder}' holds more than {MOST_FILES:,} files.")
            path = Path(where, name)
            suffix = path.suffix.lower()
            tally.add(_OTHER_KIND, f"'{path}'", suffix in _NOT_READ)
            if suffix in _READ and not name.startswith("."):
                yield _below(root, os.path.relpath(path, root), f"'{folder}'")


def _with_labels(
    found: Sequence[tuple[Path, Split | None]], roots: Sequence[Path], strict: bool, tally: Tally
) -> list[Labelled]:
    """Images with their files of labels; with `strict`, those without one must lie in ``images``."""
    pairs = []
    for image, split in found:
        labels = _labels_of(image, roots)
        if labels is None and strict and "images" not in image.relative_to(roots[0]).parts[:-1]:
            continue
        tally.add(_UNLABELLED, f"'{image}'", labels is None)
        pairs.append(Labelled(image, labels, split))
    return pairs


def _labels_of(image: Path, roots: Sequence[Path]) -> Path | None:
    """The labels of an image: ``labels`` in place of the last ``images`` of its path, or beside it."""
    inner = image.relative_to(roots[0]).with_suffix(".txt")
    folders = list(inner.parts[:-1])
    candidates = [Path("labels", inner), inner]
    if "images" in folders:
        last = len(folders) - 1 - folders[::-1].index("images")
        candidates.insert(0, Path(*folders[:last], "labels", *folders[last + 1 :], inner.name))
    for candidate in candidates:
        for root in roots:
            if (root / candidate).is_file():
                return _below(root, str(candidate), f"'{image}'")
    return None


def _tell_orphans(pairs: Sequence[Labelled], tally: Tally) -> None:
    """Count files of labels in the same folders that belong to no image."""
    used = {pair.labels for pair in pairs if pair.labels is not None}
    for folder in sorted({labels.parent for labels in used}):
        for path in sorted(folder.glob("*.txt")):
            tally.add(_ORPHANED, f"'{path}'", path not in used and path.name != "classes.txt")


def _split_of(inner: PurePath) -> Split | None:
    return next((_SPLITS[p.lower()] for p in inner.parts[:-1] if p.lower() in _SPLITS), None)


def _listed_classes(folder: Path) -> tuple[tuple[str, ...] | None, str]:
    """Names of classes, one per line, and the file that has them."""
    for name in _CLASS_FILES:
        file = folder / name
        if file.is_file():
            lines = [" ".join(line.split()) for line in read_text(file, LARGEST_LIST).strip().splitlines()]
            return tuple(line or f"class_{k}" for k, line in enumerate(lines)), str(file)
    return None, ""
