"""Which images train, which validate and which test: by group, seeded, and stable when images are added."""

import hashlib
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from napari_cellseg.datasets.record import Entry
from napari_cellseg.datasets.sample import SPLITS, Split
from napari_cellseg.datasets.settings import Fractions

NEEDED: tuple[Split, ...] = ("train", "val")
"""Splits without which nothing can be trained or judged: each that has a share gets an image before any other
gets its second."""


def choose_split(
    counts: Mapping[Split, int], coming: int, fractions: Fractions, seed: int, key: str
) -> Split:
    """The split that is furthest below its share; one of `NEEDED` first, where it has no image yet.

    Parameters
    ----------
    counts : mapping
        Images in each split.
    coming : int
        Images that are to be added.
    fractions : tuple of float
        Shares of train, val and test; a split without a share is never chosen.
    seed, key : int, str
        Decide between splits that are as far below.
    """
    total = sum(counts.values()) + coming
    lacking = {
        split: share * total - counts.get(split, 0)
        for split, share in zip(SPLITS, fractions, strict=True)
        if share > 0
    }
    empty = {split: lack for split, lack in lacking.items() if split in NEEDED and not counts.get(split, 0)}
    lacking = empty or lacking
    most = max(lacking.values())
    level = [split for split, lack in lacking.items() if lack > most - 1e-9]
    digest = hashlib.sha256(f"{seed}/{key}".encode()).digest()
    return level[int.from_bytes(digest[:8]) % len(level)]


def units(entries: Iterable[Entry]) -> list[list[str]]:
    """Names that must stay together: of one group, of one source, or near-duplicates; chains count."""
    entries = list(entries)
    parent = {entry.name: entry.name for entry in entries}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    first: dict[str, str] = {}
    for entry in entries:
        for key in unit_keys(entry):
            parent[root(entry.name)] = root(first.setdefault(key, entry.name))
        if entry.twin_of in parent:
            parent[root(entry.name)] = root(entry.twin_of)
    members: dict[str, list[str]] = defaultdict(list)
    for entry in entries:
        members[root(entry.name)].append(entry.name)
    return sorted(sorted(names) for names in members.values())


def unit_keys(entry: Entry) -> tuple[str, ...]:
    """What an image shares with those that it must stay with: group, source, and the plane it is part of."""
    origin = entry.origin
    plane = origin.plane or (entry.pixels if entry.signature else "")
    source = origin.source if is_place(origin.source) else ""
    keys = {"group": origin.group, "source": source, "plane": plane}
    return tuple(f"{kind}/{key}" for kind, key in keys.items() if key)


def is_place(source: str) -> bool:
    """Whether a source is a file or an address, which names one image; the name of a layer does not."""
    return any(character in source for character in "/\\.")


def split_anew(entries: Sequence[Entry], fractions: Fractions, seed: int) -> dict[str, Split]:
    """A split for every image, with whatever must stay together in one of them."""
    together = units(entries)
    random.Random(seed).shuffle(together)
    counts: Counter[Split] = Counter()
    left = len(entries)
    chosen: dict[str, Split] = {}
    for names in together:
        split = choose_split(counts, left, fractions, seed, names[0])
        counts[split] += len(names)
        left -= len(names)
        chosen |= dict.fromkeys(names, split)
    return chosen
