"""What is wrong with the files of a dataset."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from napari_cellseg.datasets.encoding import file_hash
from napari_cellseg.datasets.finding import Finding
from napari_cellseg.datasets.formats.image_files import read_pixels
from napari_cellseg.datasets.formats.text_files import read_text
from napari_cellseg.datasets.formats.yolo import LARGEST_LABELS
from napari_cellseg.datasets.formats.yolo_yaml import yaml_text
from napari_cellseg.datasets.names import path_within
from napari_cellseg.datasets.reading import read_sample, read_source
from napari_cellseg.datasets.record import KINDS, Entry, Record, file_path
from napari_cellseg.datasets.sample import SPLITS
from napari_cellseg.datasets.settings import YAML, Settings
from napari_cellseg.errors import DatasetError

_NEEDED = ("images", "labels", "masks", "source")
_CACHE = ".cache"
_ADD_AGAIN = "Add the image again, or remove it."
_UPDATE = "Open the image and update it, or add it again."


def check_files(folder: Path, record: Record, classes: Sequence[str]) -> Iterator[Finding]:
    """What is wrong with the files of an image: missing, damaged, of another size, changed.

    Parameters
    ----------
    folder : Path
        The dataset's.
    record : Record
        What its files should be.
    classes : sequence of str
        The dataset's.
    """
    expected = {file_path(kind, record.split, record.name): kind for kind in KINDS}
    needed = {path for path, kind in expected.items() if kind in _NEEDED}
    for path in sorted(set(record.files) | needed):
        kind = expected.get(path)
        if kind is None:
            text = f"Its record lists '{path}', which is none of its files."
            yield Finding(record.name, "record", "error", text, _ADD_AGAIN, path)
            continue
        try:
            state = _state(folder, path, record.files.get(path))
        except (OSError, DatasetError) as error:
            yield Finding(
                record.name,
                "unreadable",
                "error",
                f"'{path}' cannot be read: {str(error).rstrip('.')}.",
                _ADD_AGAIN,
                path,
            )
            continue
        if state == "missing":
            yield Finding(record.name, "missing", "error", f"'{path}' is missing.", _ADD_AGAIN, path)
        elif state == "changed":
            yield from _changed(folder, path, kind, record, classes)


def check_strays(folder: Path, entries: Sequence[Entry]) -> Iterator[Finding]:
    """Files in the dataset's folders that belong to no image, told once for each folder."""
    known = {(entry.split, entry.name) for entry in entries}
    for kind, suffix in KINDS.items():
        for split in SPLITS:
            place = folder / kind / split
            try:
                files = sorted(p.name for p in place.iterdir()) if place.is_dir() else []
            except OSError as error:
                text = f"The folder '{kind}/{split}' cannot be read: {error}."
                yield Finding(
                    "", "unreadable", "error", text, "Give yourself the right to read it.", f"{kind}/{split}"
                )
                continue
            strays = [
                name for name in files
                if not name.startswith(".") and not name.endswith(_CACHE)
                and (split, name.removesuffix(suffix)) not in known
            ]  # fmt: skip
            if strays:
                count = "A file" if len(strays) == 1 else f"{len(strays):,} files"
                text = f"{count} of '{kind}/{split}' belong to no image, for example '{strays[0]}'."
                yield Finding(
                    "", "stray", "warning", text, "Add them with their labels, or take them out.",
                    f"{kind}/{split}/{strays[0]}",
                )  # fmt: skip


def check_yaml(folder: Path, settings: Settings) -> Iterator[Finding]:
    """Whether the file that trainers read says what the dataset's settings say."""
    import yaml

    wanted = yaml_text(settings.classes)
    fix = f"Give it this content: {' '.join(wanted.split())}"
    try:
        text = read_text(folder / YAML, LARGEST_LABELS)
        found = yaml.safe_load(text) if text != wanted else None
    except (DatasetError, yaml.YAMLError, RecursionError, ValueError) as error:
        reason = " ".join(str(error).split())[:200].rstrip(".")
        yield Finding("", "record", "error", f"'{YAML}' cannot be read: {reason}.", fix, YAML)
        return
    expected = yaml.safe_load(wanted)
    if text != wanted and (
        not isinstance(found, dict) or any(found.get(k) != v for k, v in expected.items())
    ):
        text = f"'{YAML}' names other folders or classes than the dataset has."
        yield Finding("", "record", "error", text, fix, YAML)


def _state(folder: Path, path: str, digest: str | None) -> str:
    file = path_within(folder, path, "The record")
    if not file.is_file():
        return "missing"
    return "same" if file_hash(file) == digest else "changed"


def _changed(folder: Path, path: str, kind: str, record: Record, classes: Sequence[str]) -> Iterator[Finding]:
    """What is wrong with a file that is not as it was written."""
    name, file = record.name, folder / path
    try:
        if kind == "labels":
            wrong = wrong_lines(read_text(file, LARGEST_LABELS), len(classes))
            for number, reason in wrong[:3]:
                more = f" ({len(wrong):,} lines like that)" if len(wrong) > 3 else ""
                text = f"'{path}', line {number}: {reason}{more}."
                yield Finding(name, "polygons", "error", text, _UPDATE, path)
            if wrong:
                return
        elif kind == "images":
            shape = read_pixels(file).shape[:2]
            if shape != record.shape[:2]:
                rows, columns = record.shape[:2]
                text = f"'{path}' has {shape[0]} × {shape[1]} pixels, its labels have {rows} × {columns}."
                yield Finding(name, "size", "error", text, _UPDATE, path)
                return
        elif kind == "source":
            read_source(folder / file_path("source", record.split, record.name), record)
        else:
            read_sample(folder, record)
    except DatasetError as error:
        yield Finding(name, "unreadable", "error", str(error), _ADD_AGAIN, path)
        return
    text = f"'{path}' was changed since it was added: its SHA-256 is another one."
    fix = (
        "Take over what is in it: import the folder as yolo. Or update the image."
        if kind == "labels"
        else _UPDATE
    )
    yield Finding(name, "changed", "warning", text, fix, path)


def wrong_lines(text: str, classes: int) -> list[tuple[int, str]]:
    """Lines of a YOLO file that are wrong, from 1, and why.

    Parameters
    ----------
    text : str
        What is in the file.
    classes : int
        How many classes there are.
    """
    wrong = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        reason = _wrong_line(words, classes) if words else ""
        if reason:
            wrong.append((number, reason))
    return wrong


def _wrong_line(words: Sequence[str], classes: int) -> str:
    if len(words) < 7 or len(words) % 2 == 0:
        return "it is not a class and three points or more"
    if not words[0].isdecimal() or int(words[0]) >= classes:
        return f"it is of class {words[0][:20]!r}, but there are 0 to {classes - 1}"
    try:
        values = [float(word) for word in words[1:]]
    except ValueError:
        return "it holds something other than numbers"
    outside = next((v for v in values if not 0 <= v <= 1), None)
    return "" if outside is None else f"a coordinate, {outside:g}, lies outside of the image"
