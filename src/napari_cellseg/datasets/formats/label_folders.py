"""Which files of a folder are label images, and which image each of them is of."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from napari_cellseg.datasets.formats.cellpose_seg import ENDING as SEG
from napari_cellseg.datasets.formats.format import Notes
from napari_cellseg.datasets.formats.label_files import LabelledImage
from napari_cellseg.datasets.sample import Split
from napari_cellseg.errors import DatasetError
from napari_cellseg.evaluation.files import ENDINGS
from napari_cellseg.images.reading import TIFF_SUFFIXES, file_stem, is_folder, list_images

CELLPOSE = ("_masks", "_cp_masks")
"""Endings of label images of Cellpose, the first of them what it trains on."""
BY_PRODUCTS = ("_flows", "_flows_0", "_flows_1", "_flows_2", "_cellprob", "_cp_output", "_outlines_cp_masks")
"""Endings of what Cellpose writes beside images and masks."""
MARK = "_img"
"""Ending of images, as some name them (``a_img.png`` with ``a_masks.png``)."""
IMAGE_FOLDERS = ("images", "image", "imgs", "img", "raw")
LABEL_FOLDERS = ("masks", "mask", "labels", "label", "gt", "ground_truth", "groundtruth")
SPLIT_FOLDERS: dict[str, Split] = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test",
}  # fmt: skip
_AMBIGUOUS = re.compile(
    rf"(?:{'|'.join(map(re.escape, (*ENDINGS, *BY_PRODUCTS, '.ome')))})(?P<marks>(?:{MARK})*)$", re.IGNORECASE
)


def marked(stem: str) -> str:
    """A file stem that is not taken for that of labels: ``"a_masks"`` becomes ``"a_masks_img"``."""
    return stem + MARK if _AMBIGUOUS.search(stem) else stem


def unmarked(stem: str) -> str:
    """The stem that `marked` was given."""
    found = _AMBIGUOUS.search(stem)
    return stem.removesuffix(MARK) if found and found["marks"] else stem


@dataclass(frozen=True, slots=True)
class Search:
    """How labels are told from images.

    Attributes
    ----------
    endings : tuple of str
        Endings of label images beside their images, the ones to be preferred first.
    label_folders : tuple of str
        Names of folders of label images beside a folder of images, lower case; empty: both are in one folder.
    """

    endings: tuple[str, ...] = ENDINGS
    label_folders: tuple[str, ...] = ()


def find_pairs(path: Path, notes: Notes, search: Search, images: Path | None = None) -> list[LabelledImage]:
    """Images and their label images, in a folder and its subfolders of splits (``train``, ``val``, ``test``).

    Parameters
    ----------
    path : Path
        A folder, or one label image.
    notes : list of str
        What is left out or renamed is appended.
    search : Search
        How labels are told from images.
    images : Path, optional
        The folder of the images, or the image, where they are elsewhere.

    Raises
    ------
    DatasetError
        Where there are none.
    """
    if path.exists() and not is_folder(path):
        return [_single(path, search, images)]
    found: list[LabelledImage] = []
    for folder, split in split_folders(path):
        elsewhere = images
        if images is not None and folder != path and (images / folder.name).is_dir():
            elsewhere = images / folder.name
        pairs = _pairs_in(folder, notes, search, elsewhere)
        found += [replace(pair, split=split) for pair in pairs]
    if not found:
        where = f" with their images in '{images}'" if images else ""
        raise DatasetError(
            f"There are no label images{where} in '{path}'. Their names must be those of their images, "
            f"with an ending such as {search.endings[0]} where both are in one folder."
        )
    return _distinct(found, notes)


def has_pairs(path: Path, search: Search) -> bool:
    """Whether a folder, or one of its subfolders of splits, has images with label images."""
    if not path.is_dir():
        return False
    return any(_pairs_in(folder, [], search, None) for folder, _ in split_folders(path))


def find_search(path: Path) -> Search:
    """How labels and images of a folder are told apart: by subfolders, if it has them, else by endings."""
    apart = Search(label_folders=LABEL_FOLDERS)
    return apart if has_pairs(path, apart) else Search()


def has_labels(path: Path) -> bool:
    """Whether a file, or a file of a folder, is named as a label image."""
    files = _files(path) if is_folder(path) else [path]
    return any(_ending(file, Search()) is not None for file in files)


def split_folders(path: Path) -> list[tuple[Path, Split | None]]:
    """A folder and those of its subfolders that are named as splits.

    Raises
    ------
    DatasetError
        Where it cannot be read.
    """
    try:
        inner = [p for p in path.iterdir() if p.name.lower() in SPLIT_FOLDERS and p.is_dir()]
    except OSError as error:
        raise DatasetError(f"The folder '{path}' cannot be read: {error.strerror or error}.") from error
    order = list(SPLIT_FOLDERS)
    inner.sort(key=lambda p: (order.index(p.name.lower()), p.name))
    return [(path, None), *((folder, SPLIT_FOLDERS[folder.name.lower()]) for folder in inner)]


def subfolder(path: Path, names: Sequence[str]) -> Path | None:
    """The subfolder of the first of some names, upper or lower case."""
    known = {p.name.lower(): p for p in sorted(path.iterdir()) if p.is_dir()}
    return next((known[name] for name in names if name in known), None)


def _single(path: Path, search: Search, images: Path | None) -> LabelledImage:
    """One label image with its image: the one that is given, or that of its name."""
    name = _base(path, search)
    if images is not None and not is_folder(images):
        return LabelledImage(unmarked(file_stem(images)), path, images)
    known = _by_stem(_files(images or path.parent), [])
    stem = next((s for s in (name, name + MARK) if s in known and known[s] != path), None)
    if stem is None:
        raise DatasetError(f"There is no image of the labels '{path}' in '{images or path.parent}'. Name it.")
    return LabelledImage(unmarked(name), path, known[stem])


def _pairs_in(folder: Path, notes: Notes, search: Search, images: Path | None) -> list[LabelledImage]:
    """Pairs of one folder, or of its subfolders of images and of labels."""
    labels_folder = subfolder(folder, search.label_folders) if search.label_folders else folder
    if images is not None:
        labels_folder = labels_folder or folder
    else:
        images = subfolder(folder, IMAGE_FOLDERS) if search.label_folders else folder
    if labels_folder is None or images is None:
        return []
    files = _files(labels_folder)
    apart = images != labels_folder
    known = _by_stem(_files(images) if apart else files, notes)
    found: dict[Path, list[tuple[int, str, Path]]] = {}
    lonely = []
    for file in files:
        name, stem = _partner(file, known, search, apart)
        if stem is not None:
            found.setdefault(known[stem], []).append((_rank(file, search), name, file))
        elif apart:
            lonely.append(file)
    labels = {file for candidates in found.values() for _, _, file in candidates}
    bare = [path for path in known.values() if path not in found and path not in labels]
    _note_left_out(notes, "label images have no image", lonely)
    _note_left_out(notes, "images have no label image", bare if found else [])
    return list(_best(found, notes))


def _best(found: dict[Path, list[tuple[int, str, Path]]], notes: Notes) -> Iterator[LabelledImage]:
    for image, candidates in found.items():
        (_, name, file), *others = sorted(candidates)
        notes += [f"'{other.name}' is left out: the labels of '{image.name}' are in '{file.name}'."
                  for _, _, other in others]  # fmt: skip
        yield LabelledImage(unmarked(name), file, image)


def _partner(file: Path, known: dict[str, Path], search: Search, apart: bool) -> tuple[str, str | None]:
    """Name of the image that a label image is of, and the stem of its file; None where there is none."""
    stem, base = file_stem(file), _base(file, search)
    names = [*([stem] if apart else []), *([base] if base != stem else [])]
    for name in names:
        for candidate in (name, name + MARK):
            if candidate in known and known[candidate] != file:
                return name, candidate
    return base, None


def _base(file: Path, search: Search) -> str:
    """Stem of a label image without its ending."""
    if file.name.endswith(SEG):
        return file.name[: -len(SEG)]
    stem, ending = file_stem(file), _ending(file, search)
    return stem if ending is None else stem[: -len(ending)]


def _ending(file: Path, search: Search) -> str | None:
    if file.name.endswith(SEG) and len(file.name) > len(SEG):
        return SEG
    stem = file_stem(file).lower()
    ends = [e for e in search.endings if stem.endswith(e) and len(stem) > len(e)]
    return max(ends, key=len, default=None)


def _rank(file: Path, search: Search) -> int:
    """How far a file is from the one to be preferred among several of one image."""
    ending = _ending(file, search)
    place = search.endings.index(ending) if ending in search.endings else len(search.endings)
    return 2 * (place if ending else -1) + (file.suffix.lower() not in TIFF_SUFFIXES)


def _files(folder: Path) -> list[Path]:
    """Images and label images of a folder, without what Cellpose writes beside them."""
    try:
        files = list_images(folder)
    except (OSError, ValueError) as error:
        raise DatasetError(f"The folder '{folder}' cannot be read: {error}") from error
    return [file for file in files if not file_stem(file).lower().endswith(BY_PRODUCTS)]


def _by_stem(files: Iterable[Path], notes: Notes) -> dict[str, Path]:
    """Images by their stems; of several with one stem the TIFF file."""
    known: dict[str, Path] = {}
    images = (file for file in files if not file.name.endswith(SEG))
    for file in sorted(images, key=lambda f: f.suffix.lower() not in TIFF_SUFFIXES):
        first = known.setdefault(file_stem(file), file)
        if first != file:
            notes.append(f"'{file.name}' is left out: '{first.name}' has the same name.")
    return dict(sorted(known.items()))


def _note_left_out(notes: Notes, what: str, files: Sequence[Path]) -> None:
    if files:
        notes.append(f"{len(files):,} {what} and are left out, for example '{files[0].name}'.")


def _distinct(pairs: Iterable[LabelledImage], notes: Notes) -> list[LabelledImage]:
    """The same with names that are used once: those that another split has already get their split's."""
    result: list[LabelledImage] = []
    taken: set[str] = set()
    renamed: list[tuple[str, str]] = []
    for pair in pairs:
        name = base = (
            pair.name if pair.name.casefold() not in taken else f"{pair.name}_{pair.split or 'more'}"
        )
        number = 2
        while name.casefold() in taken:
            name, number = f"{base}_{number}", number + 1
        taken.add(name.casefold())
        if name != pair.name:
            renamed.append((pair.name, name))
        result.append(replace(pair, name=name))
    if renamed:
        first, second = renamed[0]
        notes.append(
            f"{len(renamed):,} names are used twice; the later ones are called otherwise: "
            f"'{first}' is now '{second}'."
        )
    return result
