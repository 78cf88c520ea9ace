"""Something wrong in annotated images, in words."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Severity: TypeAlias = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""Breaks training or is lost; is likely a mistake; is good to know."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong in a dataset.

    Attributes
    ----------
    image : str
        Name of the image; empty where it is about all of them.
    kind : str
        What it is, a key of `KINDS`.
    severity : {"error", "warning", "note"}
        See `SEVERITIES`.
    text : str
        What is wrong.
    fix : str
        What to do about it.
    file : str
        File that it is about, from the dataset's folder; empty where there is none.
    objects : tuple of int
        Labels that it is about.
    """

    image: str
    kind: str
    severity: Severity
    text: str
    fix: str
    file: str = ""
    objects: tuple[int, ...] = ()


KINDS = {
    "record": "Records and settings that are damaged",
    "missing": "Files that are missing",
    "unreadable": "Files that do not open",
    "size": "Files of the wrong size",
    "polygons": "Polygons outside of the image, or of no class",
    "changed": "Files that were changed by others",
    "stray": "Files that belong to no image",
    "same": "The same object twice",
    "specks": "Specks, much smaller than the others",
    "empty": "Images without objects",
    "unreviewed": "Objects and images that nobody has reviewed",
    "duplicates": "The same picture in several images",
    "groups": "Groups that are torn apart by the splits",
    "splits": "Splits without images",
    "classes": "Classes that are rare or missing",
    "import": "What reading other programs' files left out",
}
"""Kinds of findings, in the order in which they are listed, and what they are in words."""


def in_order(findings: list[Finding]) -> list[Finding]:
    """Findings by severity, then by kind, then by image."""
    kinds = list(KINDS)
    return sorted(
        findings, key=lambda f: (SEVERITIES.index(f.severity), kinds.index(f.kind), f.image, f.file)
    )
