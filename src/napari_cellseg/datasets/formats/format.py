"""What every format of annotated images can do."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from napari_cellseg.datasets.annotation import Annotation
from napari_cellseg.datasets.sample import Sample

Notes: TypeAlias = list[str]
"""What a reader did that a user should know, one sentence each; readers append to it."""


class Reader(Protocol):
    """Reads samples one by one, so that one image at a time is in memory.

    `images` is the folder with the images, where the format does not hold them itself or a user points
    elsewhere. It raises `DatasetError` with the file and the line or key of what is wrong, and nothing else.
    """

    def __call__(self, path: Path, notes: Notes, *, images: Path | None = None) -> Iterator[Sample]: ...


class Writer(Protocol):
    """Writes samples into an empty folder and yields the name of each one that is done.

    Whoever drains it moves the folder into place afterwards, so half-written folders are never seen.
    """

    def __call__(self, samples: Iterable[Sample], folder: Path, classes: Sequence[str]) -> Iterator[str]: ...


@dataclass(frozen=True, slots=True)
class Format:
    """A format of annotated images.

    Attributes
    ----------
    name : str
        As on the command line: ``"coco"``.
    title : str
        As in the widget: ``"COCO, compressed run lengths"``.
    description : str
        One sentence: who reads it, and what it keeps.
    matches : callable
        Whether a file or folder looks like this format, from names and first bytes only.
    read, write : callable
        A `Reader` and a `Writer`.
    as_read_back : callable, optional
        What is left of an annotation once it was written and read again; None: all of it, exactly.
    keeps_pixel_size : bool
        Whether the edge of a pixel in µm comes back.
    """

    name: str
    title: str
    description: str
    matches: Callable[[Path], bool]
    read: Reader
    write: Writer
    as_read_back: Callable[[Annotation], Annotation] | None = None
    keeps_pixel_size: bool = False

    @property
    def lossless(self) -> bool:
        """Whether masks, overlaps and classes come back exactly."""
        return self.as_read_back is None
