"""Where COCO files and their images lie: as COCO, LIVECell, CVAT, Datumaro and Roboflow lay them out."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from napari_cellseg.datasets.formats.image_files import ImageFolder
from napari_cellseg.datasets.formats.split_names import SPLIT_FOLDERS, names_tell_apart, split_of
from napari_cellseg.datasets.sample import Split
from napari_cellseg.errors import DatasetError

_HEAD = 1 << 16
_KEYS = re.compile(rb'"(images|annotations|categories)"\s*:\s*[\[{]')
_MOST_FOLDERS = 1000


@dataclass(frozen=True, slots=True)
class CocoPath:
    """A COCO file and the split that its name, or its folder's, says; None where there are no others."""

    path: Path
    split: Split | None


def is_coco(path: Path) -> bool:
    """Whether a file, or some file of a folder, looks like COCO's JSON, from its beginning."""
    if path.is_dir():
        return any(True for _ in _candidates(path))
    return path.suffix.lower() == ".json" and _looks_like_coco(path)


def annotation_files(path: Path) -> list[CocoPath]:
    """COCO files of a path: itself, or those of a folder; ``instances_*`` only, where there are some.

    Raises
    ------
    DatasetError
        Where there is none.
    """
    if not path.exists():
        raise DatasetError(f"There is no file or folder '{path}'.")
    if not path.is_dir():
        beside = [*path.parent.glob("*.json"), *(path.parent.parent / n / path.name for n in SPLIT_FOLDERS)]
        return [
            CocoPath(path, split_of(path) if names_tell_apart([f for f in beside if f.is_file()]) else None)
        ]
    found = list(_candidates(path))
    found = [f for f in found if f.name.startswith("instances_")] or found
    if not found:
        raise DatasetError(f"'{path}' holds no COCO file: no JSON with images and annotations.")
    return [CocoPath(f, split_of(f) if names_tell_apart(found) else None) for f in found]


def image_folder(file: CocoPath, path: Path, images: Path | None) -> ImageFolder:
    """Where the images of a COCO file are looked for.

    Parameters
    ----------
    file : CocoPath
        One of `annotation_files`.
    path : Path
        What the user named: the file, or a folder.
    images : Path, optional
        Folder that the user named for the images.

    Raises
    ------
    DatasetError
        Where `images` is no folder.
    """
    split = split_of(file.path)
    words = dict.fromkeys([file.path.stem.split("_")[-1], *([split] if split else [])])
    if images is not None:
        if not images.is_dir():
            raise DatasetError(f"There is no folder '{images}'.")
        return ImageFolder([*(images / word for word in words), images], anywhere=True)
    bases = [file.path.parent]
    above = next((p for p in list(file.path.parents)[:2] if p.name.lower() == "annotations"), None)
    bases += [above.parent] if above is not None else []
    bases += [path] if path.is_dir() else []
    roots = []
    for base in dict.fromkeys(bases):
        pictures = base / "images"
        roots += [pictures / word for word in words] + [base / word for word in words] + [base, pictures]
        roots += [*_folders_in(pictures), *sorted(p for p in base.glob("*images*") if p.is_dir())]
    return ImageFolder(roots)


def _candidates(folder: Path) -> Iterator[Path]:
    places = [folder, folder / "annotations", *_folders_in(folder / "annotations")]
    places += [folder / name for name in SPLIT_FOLDERS]
    for place in places:
        if place.is_dir():
            for file in sorted(place.glob("*.json")):
                if _looks_like_coco(file):
                    yield file


def _folders_in(folder: Path) -> list[Path]:
    """Folders in a folder and in those, at most `_MOST_FOLDERS`."""
    if not folder.is_dir():
        return []
    near = sorted(p for p in folder.iterdir() if p.is_dir() and not p.is_symlink())[:_MOST_FOLDERS]
    deep = (p for n in near for p in sorted(n.iterdir()) if p.is_dir() and not p.is_symlink())
    return [*near, *deep][:_MOST_FOLDERS]


def _looks_like_coco(path: Path) -> bool:
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    return start == b"{" and _KEYS.search(head) is not None and b'"FeatureCollection"' not in head
