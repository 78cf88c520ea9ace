"""Looks for what is wrong in annotated images: a dataset, or what another program wrote."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from napari_cellseg.datasets.encoding import pixels_hash
from napari_cellseg.datasets.file_checks import check_files, check_strays, check_yaml
from napari_cellseg.datasets.finding import KINDS, SEVERITIES, Finding, Severity, in_order
from napari_cellseg.datasets.formats.format import Notes
from napari_cellseg.datasets.importing import opening
from napari_cellseg.datasets.object_checks import check_objects
from napari_cellseg.datasets.reading import read_sample
from napari_cellseg.datasets.record import RECORDS, Entry, read_record, record_path
from napari_cellseg.datasets.sample import SPLITS, Sample
from napari_cellseg.datasets.splitting import unit_keys
from napari_cellseg.errors import DatasetError
from napari_cellseg.events import Job, Progress, drain

if TYPE_CHECKING:
    from napari_cellseg.datasets.contents import Contents

__all__ = [
    "KINDS",
    "SEVERITIES",
    "Finding",
    "Severity",
    "check_source",
    "checking_dataset",
    "checking_source",
]

STAGE = "Checking"
RARE = 0.01
"""A class with less than this share of the objects of the most frequent one is rare."""
_RESPLIT = "Split the dataset anew."


def checking_dataset(dataset: "Contents") -> Job[list[Finding]]:
    """Look for what is wrong in a dataset; whatever is damaged becomes a finding.

    Parameters
    ----------
    dataset : Contents
        A dataset that was opened.

    Returns
    -------
    list of Finding
        Errors first, then by kind and image.
    """
    folder, entries = dataset.folder, dataset.entries()
    found = [
        Finding(name, "record", "error", text, "Add the image again.", f"{RECORDS}/{name}.json")
        for name, text in dataset.broken.items()
    ]
    for number, entry in enumerate(entries):
        yield Progress(STAGE, number, len(entries), entry.name)
        found += _image_findings(folder, entry.name, dataset.classes)
    found += check_yaml(folder, dataset.settings)
    found += check_strays(folder, entries)
    found += _across(entries, dataset.classes)
    yield Progress(STAGE, len(entries), len(entries))
    return in_order(found)


def checking_source(
    path: str | Path, format: str | None = None, *, images: str | Path | None = None
) -> Job[list[Finding]]:
    """Look for what is wrong in annotated images of another program; nothing is written.

    Parameters
    ----------
    path : path
        File, folder or ZIP archive.
    format : str, optional
        Name of its format; recognised unless given.
    images : path, optional
        Folder with its images, where the format does not hold them.

    Returns
    -------
    list of Finding
        As in `checking_dataset`. What cannot be read at all is one of them.
    """
    found: list[Finding] = []
    notes: Notes = []
    entries: list[Entry] = []
    with TemporaryDirectory(prefix="napari-cellseg-") as unpacked:
        try:
            source = yield from opening(path, Path(unpacked), format, images, None)
            for sample in source.samples(notes):
                yield Progress(STAGE, len(entries), 0, sample.name)
                found += check_objects(sample)
                entries.append(_entry(sample))
        except DatasetError as error:
            fix = "Correct the file, or leave it out."
            found.append(Finding("", "unreadable", "error", str(error), fix, str(path)))
    found += [Finding("", "import", "note", note, "Nothing, if that is meant so.") for note in notes]
    found += _duplicates(entries)
    found += _classes(entries, sorted({name for entry in entries for name in entry.classes}))
    return in_order(found)


def check_source(
    path: str | Path, format: str | None = None, *, images: str | Path | None = None
) -> list[Finding]:
    """`checking_source`, run to its end."""
    return drain(checking_source(path, format, images=images))


def _entry(sample: Sample) -> Entry:
    pixels = sample.pixels()
    return Entry(
        name=sample.name,
        split=sample.split or "train",
        shape=tuple(int(n) for n in pixels.shape),
        dtype=str(pixels.dtype),
        origin=sample.origin,
        classes=dict(Counter(sample.annotation.objects["class"].tolist())),
        pixels=pixels_hash(pixels),
    )


def _image_findings(folder: Path, name: str, classes: Sequence[str]) -> list[Finding]:
    try:
        record = read_record(folder / record_path(name))
    except DatasetError as error:
        return [Finding(name, "record", "error", str(error), "Add the image again.", record_path(name))]
    found = list(check_files(folder, record, classes))
    if not any(f.kind in ("missing", "record", "unreadable") for f in found):
        try:
            found += check_objects(read_sample(folder, record))
        except DatasetError as error:
            found.append(
                Finding(name, "unreadable", "error", str(error), "Add the image again, or remove it.")
            )
    return found


def _across(entries: Sequence[Entry], classes: Sequence[str]) -> Iterator[Finding]:
    """What is wrong with images among each other."""
    counts = Counter(entry.split for entry in entries)
    if not entries:
        yield Finding("", "splits", "note", "There are no images yet.", "Add some.")
        return
    if not counts["train"]:
        yield Finding("", "splits", "error", "No image is in train, so that nothing can be learnt.", _RESPLIT)
    if not counts["val"]:
        text = "No image is in val, so that nobody can tell how good a model is."
        yield Finding(
            "", "splits", "warning", text, "Add images of another group, or split the dataset anew."
        )
    yield from _duplicates(entries)
    yield from _groups(entries)
    yield from _classes(entries, classes)


def _duplicates(entries: Sequence[Entry]) -> Iterator[Finding]:
    """The same picture in several images; across splits it makes a model look better than it is."""
    known = {entry.name: entry for entry in entries}
    first: dict[str, Entry] = {}
    for entry in entries:
        other = first.setdefault(entry.pixels, entry) if entry.pixels else entry
        same = other is not entry
        if not same and entry.twin_of in known:
            other = known[entry.twin_of]
        if other is entry:
            continue
        apart = other.split != entry.split
        if not apart and not same:
            continue
        what = "the same pixels as" if same else "nearly the same picture as"
        where = f" of {other.split}" if apart else ""
        text = f"It is in {entry.split} and has {what} '{other.name}'{where}."
        fix = _RESPLIT if apart and not same else "Remove one of the two."
        yield Finding(entry.name, "duplicates", "error" if apart and same else "warning", text, fix)


def _groups(entries: Sequence[Entry]) -> Iterator[Finding]:
    members: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        for key in unit_keys(entry):
            members[key].append(entry)
    for key, images in members.items():
        found = {entry.split for entry in images}
        kind, _, name = key.partition("/")
        if len(found) < 2 or (kind == "plane" and not any(entry.origin.plane for entry in images)):
            continue
        what = f"Images of the {kind} '{name}'"
        if kind == "plane":
            what = f"'{images[0].name}' and {len(images) - 1:,} more of the same plane"
        text = f"{what} are in {' and '.join(s for s in SPLITS if s in found)}."
        yield Finding("", "groups", "warning", text, _RESPLIT)


def _classes(entries: Iterable[Entry], classes: Sequence[str]) -> Iterator[Finding]:
    """Classes without objects, with few of them, or with none to learn from."""
    total: Counter[str] = Counter()
    train: Counter[str] = Counter()
    for entry in entries:
        total.update(entry.classes)
        if entry.split == "train":
            train.update(entry.classes)
    most = max(total.values(), default=0)
    for name in classes:
        if most and not total[name]:
            yield Finding(
                "",
                "classes",
                "note",
                f"There are no objects of the class '{name}'.",
                "Annotate some, or drop it.",
            )
        elif train.total() and total[name] and not train[name]:
            text = f"All {total[name]:,} objects of the class '{name}' are outside of train."
            yield Finding("", "classes", "warning", text, "Add images with it, or split the dataset anew.")
        elif 0 < total[name] < RARE * most:
            text = f"The class '{name}' has {total[name]:,} objects, the most frequent one {most:,}."
            yield Finding(
                "", "classes", "warning", text, "Add images with it, or join it with another class."
            )
