"""Which files a batch works on, and what their results are called."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from napari_cellseg.errors import OptionError
from napari_cellseg.images.reading import is_folder, list_images
from napari_cellseg.labels.writing import FORMATS


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where the results of a file go; maps of the model by their names."""

    labels: Path
    features: Path
    provenance: Path
    maps: Mapping[str, Path] = field(default_factory=dict)

    @classmethod
    def named(cls, folder: Path, stem: str, format: str, maps: Sequence[str] = ()) -> "Outputs":
        """Results called `stem` in a folder."""
        return cls(
            folder / f"{stem}_labels.{format}",
            folder / f"{stem}_features.csv",
            folder / f"{stem}_provenance.json",
            {name: folder / f"{stem}_{name}.tif" for name in maps},
        )

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files."""
        return (self.labels, self.features, self.provenance, *self.maps.values())


def find_images(paths: str | Path | Iterable[str | Path]) -> list[Path]:
    """The files that paths stand for, each once; folders are replaced by their images.

    Label images and maps that this package wrote are left out of a folder. A path that does not exist is
    kept, to be reported as a file that failed.

    Raises
    ------
    OptionError
        Where nothing is given, or only folders without images.
    """
    given = [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]
    found: dict[str, Path] = {}
    for path in given:
        members = [p for p in list_images(path) if not _is_result(p)] if is_folder(path) else [path]
        for member in members:
            found.setdefault(os.path.abspath(member), member)
    if not found:
        named = ", ".join(f"'{path}'" for path in given) or "no path"
        raise OptionError(f"There must be at least one image file or a folder with images; given: {named}.")
    return list(found.values())


def distinct_stems(paths: Sequence[Path]) -> list[str]:
    """Names for the results of files, all distinct whatever their case.

    A name alone where it is unique; else with its ending, then with its folder, then with a number.
    """
    choices = [
        [plain, f"{plain}_{ending}" if ending else plain, f"{path.absolute().parent.name}_{plain}_{ending}"]
        for path in paths
        for plain, ending in [_split(path)]
    ]
    counts = [Counter(options[level].casefold() for options in choices) for level in range(3)]
    taken: set[str] = set()
    names = []
    for options in choices:
        unique = (o for o, c in zip(options, counts, strict=True) if c[o.casefold()] == 1)
        name = base = next(unique, options[-1])
        number = 2
        while name.casefold() in taken:
            name, number = f"{base}_{number}", number + 1
        taken.add(name.casefold())
        names.append(name)
    return names


def _split(path: Path) -> tuple[str, str]:
    stem = path.name[: len(path.name) - len(path.suffix)] if path.suffix else path.name
    if stem.lower().endswith(".ome"):
        stem = stem[:-4]
    return stem, path.suffix[1:].lower()


def _is_result(path: Path) -> bool:
    stem, ending = _split(path)
    if ending not in FORMATS:
        return False
    ends = [i for i, letter in enumerate(stem) if letter == "_"]
    for image, what in ((stem[:i], stem[i:]) for i in reversed(ends)):
        beside = path.with_name(f"{image}_provenance.json")
        if beside.is_file() and (what == "_labels" or path.name in _written(beside)):
            return True
    return False


def _written(provenance: Path) -> list[str]:
    """Names of the files that a provenance tells of; none where it is not one."""
    try:
        return list(json.loads(provenance.read_text(encoding="utf-8"))["outputs"])
    except (OSError, ValueError, KeyError, TypeError):
        return []
