"""What the commands about datasets print."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from napari_cellseg.cli.evaluate import aligned

if TYPE_CHECKING:
    from napari_cellseg.datasets.finding import Finding
    from napari_cellseg.datasets.importing import Imported
    from napari_cellseg.datasets.intake import Added
    from napari_cellseg.datasets.store import Dataset

MARKS = {"error": "ERROR  ", "warning": "warning", "note": "note   "}
_MOST_LINES = 20


def added_words(added: "Sequence[Added]") -> Iterator[str]:
    """What became of images that were added, line by line."""
    for one in added if len(added) <= _MOST_LINES else ():
        what = "replaced" if one.updated else "added"
        twin = f", nearly the same picture as {one.twin_of}" if one.twin_of else ""
        yield f"{one.name}: {what}{twin}"
    notes = Counter(note for one in added for note in one.notes)
    for note, count in notes.items():
        yield note if count == 1 else f"{note} ({count:,} times)"
    updated = sum(one.updated for one in added)
    yield f"{len(added) - updated:,} images added, {updated:,} replaced"


def imported_words(imported: "Imported") -> Iterator[str]:
    """What was imported, line by line."""
    *lines, last = added_words(imported.added)
    yield from lines
    yield f"{last}, read as {imported.format}"


def finding_words(found: "Sequence[Finding]") -> Iterator[str]:
    """What a check found, two lines each, and how much of it."""
    for finding in found:
        where = f"{finding.image}: " if finding.image else ""
        yield f"{MARKS[finding.severity]}  {where}{finding.text}"
        yield f"{'':{len(MARKS['note'])}}  {finding.fix}"
    if not found:
        yield "Nothing is wrong."
        return
    from napari_cellseg.datasets.finding import SEVERITIES

    counts = Counter(finding.severity for finding in found)
    words = [_counted(counts[severity], severity) for severity in SEVERITIES if counts[severity]]
    yield ", ".join(words)


def counts_words(dataset: "Dataset") -> Iterator[str]:
    """Images and objects in each split, as a table."""
    counts = dataset.counts()
    rows = [["", "images", "objects", *dataset.classes]]
    for split, row in counts.iterrows():
        rows.append([str(split), *(f"{int(value):,}" for value in row)])
    rows.append(["all", *(f"{int(value):,}" for value in counts.sum())])
    yield from aligned(rows)
    groups = dataset.records()["group"]
    named = groups[groups != ""].nunique()
    if named:
        yield _counted(int(named), "group")
    if dataset.broken:
        yield f"{_counted(len(dataset.broken), 'record')} cannot be read; see: dataset check"


def _counted(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"
