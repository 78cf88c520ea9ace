"""Splits that the names of files say, as ``instances_val2017.json`` or a folder ``valid`` do."""

import re
from collections.abc import Iterable
from pathlib import Path

from napari_cellseg.datasets.sample import Split

SPLIT_FOLDERS = ("train", "valid", "val", "validation", "test")
_WORD = re.compile(r"(?:^|[^a-z])(train|valid|validation|val|test)(?:[0-9]*)(?:$|[^a-z0-9])")
_SPLITS: dict[str, Split] = {
    "train": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
}


def split_of(path: Path) -> Split | None:
    """The split that a file's stem names, or else the folder that it lies in."""
    found = _WORD.search(path.stem.lower())
    return _SPLITS.get(found[1] if found else path.parent.name.lower())


def names_tell_apart(paths: Iterable[Path]) -> bool:
    """Whether files are named by split: a lone ``train`` may be all that somebody has."""
    return len({split_of(path) for path in paths} - {None}) > 1
