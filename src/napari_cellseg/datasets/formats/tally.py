"""What happens many times while a file is read is said once, with its number and its first place."""

from collections.abc import Iterable

from napari_cellseg.datasets.annotation import ObjectMask
from napari_cellseg.datasets.formats.format import Notes


class Tally:
    """Counts what a user should know of, by the sentence that says it."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._first: dict[str, str] = {}

    def add(self, sentence: str, where: str, count: int = 1) -> None:
        """Count something.

        Parameters
        ----------
        sentence : str
            With ``{}`` for its number, without a full stop.
        where : str
            File and key; only the first one is told.
        count : int
            How often; nothing is told of what happens 0 times.
        """
        if count:
            self._counts[sentence] = self._counts.get(sentence, 0) + count
            self._first.setdefault(sentence, where)

    def tell(self, notes: Notes) -> None:
        """Append a sentence per kind to the notes, and forget them."""
        notes += [f"{s.format(f'{n:,}')} (first: {self._first[s]})." for s, n in self._counts.items()]
        self._counts.clear()
        self._first.clear()


def count_identical(masks: Iterable[ObjectMask]) -> int:
    """How many objects have exactly the pixels of an earlier one; masks without an empty border."""
    seen: set[tuple[int, int, tuple[int, ...], bytes]] = set()
    doubled = 0
    for mask in masks:
        key = (mask.top, mask.left, mask.pixels.shape, mask.pixels.tobytes())
        doubled += key in seen
        seen.add(key)
    return doubled
