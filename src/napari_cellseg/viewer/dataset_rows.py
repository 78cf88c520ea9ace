"""What the Dataset dock lists of each image, and which images it lists."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from napari_cellseg.datasets.sample import SPLITS


class Reviewed(Enum):
    """How far the objects of an image were reviewed; the value is the shape that says so."""

    ALL = "●"
    PART = "◐"
    NONE = "○"
    EMPTY = "–"


REVIEWED_WORDS = {
    Reviewed.ALL: "all reviewed",
    Reviewed.PART: "partly reviewed",
    Reviewed.NONE: "not reviewed",
    Reviewed.EMPTY: "no objects",
}


@dataclass(frozen=True)
class DatasetRow:
    """One image of a dataset.

    Attributes
    ----------
    name, split, group : str
        As in the dataset.
    shape : tuple of int
        Rows and columns.
    objects, reviewed : int
        How many there are, and how many a person has looked at.
    classes, statuses : mapping of str to int
        Objects of each.
    twin_of : str
        Another image that looks alike; empty where there is none.
    updated : str
        When it was written last.
    folder : str
        The dataset.
    """

    name: str
    split: str
    group: str = ""
    shape: tuple[int, int] = (0, 0)
    objects: int = 0
    reviewed: int = 0
    classes: Mapping[str, int] = field(default_factory=dict)
    statuses: Mapping[str, int] = field(default_factory=dict)
    twin_of: str = ""
    updated: str = ""
    folder: str = ""

    @property
    def key(self) -> tuple[object, ...]:
        """What its thumbnail is of; another one once its objects are others."""
        return self.folder, self.name, self.split, self.updated, *sorted(self.statuses.items())

    @property
    def state(self) -> Reviewed:
        """How far it was reviewed."""
        if not self.objects:
            return Reviewed.EMPTY
        if self.reviewed >= self.objects:
            return Reviewed.ALL
        return Reviewed.PART if self.reviewed else Reviewed.NONE

    @property
    def line(self) -> str:
        """Status and split in one short line."""
        counts = {
            Reviewed.ALL: f"{self.objects:,}",
            Reviewed.PART: f"{self.objects - self.reviewed:,} left",
            Reviewed.NONE: f"0/{self.objects:,}",
            Reviewed.EMPTY: "empty",
        }
        return f"{self.state.value} {counts[self.state]} · {self.split}"

    @property
    def short(self) -> str:
        """What matters of it, in a sentence."""
        share = (
            f"{self.state.value} {self.reviewed:,} of {self.objects:,} reviewed" if self.objects else "empty"
        )
        parts = [f"{self.shape[1]} × {self.shape[0]} pixels, {share}"]
        parts += [_counted(self.classes)] if self.classes else []
        parts += [f"group {self.group}"] if self.group else []
        parts += [f"looks like {self.twin_of}"] if self.twin_of else []
        return f"{'; '.join(parts)}."

    @property
    def words(self) -> str:
        """All that is known of it, a line each."""
        lines = [f"{self.name}: {self.split}, {self.shape[1]} × {self.shape[0]} pixels"]
        lines.append(
            f"{self.state.value} {REVIEWED_WORDS[self.state]}: {self.reviewed:,} of {self.objects:,}"
        )
        lines += [_counted(counts) for counts in (self.classes, self.statuses) if counts]
        lines += [f"group {self.group}"] if self.group else []
        lines += [f"looks like {self.twin_of}"] if self.twin_of else []
        return "\n".join([*lines, *([f"updated {_minute(self.updated)}"] if self.updated else [])])


@dataclass(frozen=True)
class RowFilter:
    """Which images are listed; None or empty lets all pass.

    Attributes
    ----------
    text : str
        Words that name, group or classes contain, in any order.
    split : str or None
        The split they belong to.
    class_name : str or None
        A class that they have objects of.
    state : Reviewed or None
        How far they were reviewed.
    """

    text: str = ""
    split: str | None = None
    class_name: str | None = None
    state: Reviewed | None = None

    def fits(self, row: DatasetRow) -> bool:
        """Whether an image is listed."""
        told = " ".join((row.name, row.group, *row.classes)).casefold()
        return (
            all(word in told for word in self.text.casefold().split())
            and self.split in (None, row.split)
            and (self.class_name is None or row.classes.get(self.class_name, 0) > 0)
            and self.state in (None, row.state)
        )


class Order(Enum):
    """What images are listed by; the value is what the user reads."""

    NAME = "Name"
    LEFT = "Most to review"
    OBJECTS = "Most objects"
    UPDATED = "Last updated"


def listed(rows: Iterable[DatasetRow], chosen: RowFilter, order: Order = Order.NAME) -> list[DatasetRow]:
    """The images that are listed, in order; those that are equal in it by name, 2 before 10."""
    found = sorted((row for row in rows if chosen.fits(row)), key=lambda row: _natural(row.name))
    if order is Order.LEFT:
        found.sort(key=lambda row: row.reviewed - row.objects)
    elif order is Order.OBJECTS:
        found.sort(key=lambda row: -row.objects)
    elif order is Order.UPDATED:
        found.sort(key=lambda row: row.updated, reverse=True)
    return found


def summary(rows: Sequence[DatasetRow]) -> str:
    """A dataset in a line."""
    if not rows:
        return "No images yet: add some, or import a folder."
    objects, reviewed = sum(row.objects for row in rows), sum(row.reviewed for row in rows)
    splits = {split: sum(row.split == split for row in rows) for split in SPLITS}
    return (
        f"{counted(len(rows), 'image')}, {counted(objects, 'object')}, {reviewed:,} reviewed; "
        f"{', '.join(f'{name} {count:,}' for name, count in splits.items())}."
    )


def counted(count: int, noun: str) -> str:
    """A number with its noun: ``"1 object"``, ``"1,203 objects"``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def _minute(time: str) -> str:
    """An ISO time to the minute."""
    return time[:16].replace("T", " ")


def _natural(name: str) -> list[tuple[bool, int, str]]:
    """Sorts numbers in names by their value."""
    parts: list[str] = []
    for letter in name.casefold():
        if parts and parts[-1][-1].isdigit() == letter.isdigit():
            parts[-1] += letter
        else:
            parts.append(letter)
    return [(not p.isdecimal(), int(p) if p.isdecimal() else 0, p) for p in parts]
