"""What is wrong with objects by simple rules, in words, each with the edit that puts it right."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_cellseg.errors import LabelsError, OptionError
from napari_cellseg.events import Job, Progress, drain
from napari_cellseg.labels.crop import Changes, Plane, crop_objects
from napari_cellseg.labels.edit import Edit
from napari_cellseg.labels.index import ObjectIndex
from napari_cellseg.labels.merging import merge
from napari_cellseg.labels.pieces import connected_pieces
from napari_cellseg.labels.removing import delete, keep_largest_piece
from napari_cellseg.labels.shaping import fill_holes
from napari_cellseg.review.shapes import BACKGROUND, OUTSIDE, OWN, surroundings

RULES = {
    "holes": "Objects with a hole",
    "fragments": "Objects in several pieces",
    "specks": "Specks, much smaller than the others",
    "duplicates": "Objects that are part of another",
    "border": "Objects cut by the border of the image",
}
"""Name of each rule, and what it finds in words."""
SPECK_SHARE = 0.1
"""A speck has at most this share of the median area of the objects."""
CRUMB_SHARE = 0.25
"""A piece with less than this share of the object's largest piece is dropped; larger ones are objects."""
SAME_OVERLAP = 0.9
"""Objects of neighbouring planes with at least this intersection over union are the same one."""
_STEP = 1000


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong.

    Attributes
    ----------
    rule : str
        Name of the rule, a key of `RULES`.
    objects : tuple of int
        Labels that it is about; the first one is to be shown.
    words : str
        What is wrong, for the user.
    fix : str
        What would put it right, for the user, for example ``"fill holes"``.
    plane : tuple of int or None
        Leading indices of the plane where it is, None for the whole array.
    """

    rule: str
    objects: tuple[int, ...]
    words: str
    fix: str
    plane: Plane = None

    def edit(self, labels: Any, index: ObjectIndex) -> Edit:
        """The edit that puts it right; nothing is applied.

        Raises
        ------
        LabelsError
            Where an object is no longer there.
        """
        return _FIXES[self.fix](labels, index, self.objects, self.plane)


def checking(labels: Any, index: ObjectIndex, rules: Iterable[str] = tuple(RULES)) -> Job[list[Finding]]:
    """Look for what is wrong, as a job.

    Parameters
    ----------
    labels : (…, Y, X) array of int
        The labels.
    index : ObjectIndex
        Where its objects are.
    rules : iterable of str
        Names of the rules, of `RULES`.

    Returns
    -------
    list of Finding
        Rule by rule in the order of `RULES`, then by rising label.

    Raises
    ------
    OptionError
        Where there is no such rule.
    """
    wanted = tuple(rules)
    if unknown := [rule for rule in wanted if rule not in RULES]:
        raise OptionError(f"A rule must be one of {sorted(RULES)}, not {unknown[0]!r}.")
    found: list[Finding] = []
    values, low, high, areas = index.extents()
    if "specks" in wanted and len(values):
        found += _specks(values, areas)
    for number, label in enumerate(values.tolist()):
        if number % _STEP == 0:
            yield Progress("Checking the objects", number, len(values))
        try:
            found += list(_object_findings(labels, index, label, wanted))
        except LabelsError:
            continue  # deleted in the meantime
    if "duplicates" in wanted:
        found += _same_in_neighbours(labels, low, high)
    yield Progress("Checking the objects", len(values), len(values))
    places = {rule: place for place, rule in enumerate(RULES)}
    return sorted(found, key=lambda f: (places[f.rule], f.objects))


def check_labels(labels: Any, index: ObjectIndex, rules: Iterable[str] = tuple(RULES)) -> list[Finding]:
    """Look for what is wrong; see `checking`."""
    return drain(checking(labels, index, rules))


def _specks(values: NDArray[Any], areas: NDArray[np.int64]) -> Iterator[Finding]:
    limit = SPECK_SHARE * float(np.median(areas))
    for label, area in zip(values.tolist(), areas.tolist(), strict=True):
        if area <= limit:
            yield Finding("specks", (label,), f"Object {label} has only {_pixels(area)}.", "delete")


def _object_findings(
    labels: Any, index: ObjectIndex, label: int, rules: tuple[str, ...]
) -> Iterator[Finding]:
    planes = list(surroundings(labels, index, label))
    spots = [_look(pixels) for _, pixels in planes]
    if "holes" in rules:
        for (plane, _), spot in zip(planes, spots, strict=True):
            if spot[1]:
                words = f"Object {label} has a hole of {_pixels(int(spot[1]))}."
                yield Finding("holes", (label,), words, "fill holes", plane or None)
    if "fragments" in rules and any(spot[0] > 1 for spot in spots):
        yield from _fragments(labels, index, label)
    if "duplicates" in rules and all(spot[2] == 0 and spot[3] == 0 for spot in spots):
        yield from _enclosed(labels, index, label)
    if "border" in rules and any(spot[3] for spot in spots):
        yield Finding("border", (label,), f"Object {label} is cut by the border of the image.", "delete")


def _fragments(labels: Any, index: ObjectIndex, label: int) -> Iterator[Finding]:
    _, areas = connected_pieces(crop_objects(labels, index, [label]).labels == label)
    if len(areas) < 2:
        return
    large = np.count_nonzero(areas >= CRUMB_SHARE * areas.max())
    words = f"Object {label} is in {len(areas)} pieces, the largest of {_pixels(int(areas.max()))}."
    yield Finding("fragments", (label,), words, "separate pieces" if large > 1 else "keep largest piece")


def _enclosed(labels: Any, index: ObjectIndex, label: int) -> Iterator[Finding]:
    """An object that only one other touches, all around, in every plane."""
    around: set[int] = set()
    box = tuple(slice(max(0, s.start - 1), s.stop + 1) for s in index.boxes(label)[-2:])
    block = np.asarray(labels[(*index.boxes(label)[:-2], *box)])
    own = block == label
    for axis in (-1, -2):
        for shift in (1, -1):
            around |= set(np.unique(block[np.roll(own, shift, axis) & ~own]).tolist())
    if len(around) == 1:
        other = around.pop()
        words = f"Object {label} lies wholly inside object {other}."
        yield Finding("duplicates", (label, int(other)), words, "merge")


def _same_in_neighbours(labels: Any, low: NDArray[np.int64], high: NDArray[np.int64]) -> Iterator[Finding]:
    """Objects of neighbouring planes that cover each other, in stacks whose objects go through planes."""
    if labels.ndim != 3 or not np.any(high[:, 0] - low[:, 0] > 1):
        return
    upper = np.asarray(labels[0])
    for z in range(1, labels.shape[0]):
        lower = np.asarray(labels[z])
        for first, second, overlap in _overlaps(upper, lower):
            words = (
                f"Objects {first} and {second} are {100 * overlap:.0f} % the same in planes {z - 1} and {z}."
            )
            yield Finding("duplicates", (first, second), words, "merge")
        upper = lower


def _overlaps(upper: NDArray[Any], lower: NDArray[Any]) -> Iterator[tuple[int, int, float]]:
    """Pairs of different labels of two planes, neither of which is in the other plane, with their IoU."""
    both = (upper > 0) & (lower > 0) & (upper != lower)
    pairs, counts = np.unique(np.stack([upper[both], lower[both]]), axis=1, return_counts=True)
    areas = [
        dict(zip(*map(np.ndarray.tolist, np.unique(p, return_counts=True)), strict=True))
        for p in (upper, lower)
    ]
    for (first, second), shared in zip(pairs.T.tolist(), counts.tolist(), strict=True):
        overlap = shared / (areas[0][first] + areas[1][second] - shared)
        if overlap >= SAME_OVERLAP and first not in areas[1] and second not in areas[0]:
            yield first, second, overlap


def _areas(plane: NDArray[Any]) -> dict[int, int]:
    labels, counts = np.unique(plane, return_counts=True)
    return dict(zip(labels.tolist(), counts.tolist(), strict=True))


def _separate_pieces(labels: Any, index: ObjectIndex, objects: Iterable[int], plane: Plane) -> Edit:
    """Make every large piece an object, the largest one keeps its label; crumbs are dropped."""
    changes = Changes(index)
    parents: dict[int, tuple[int, ...]] = {}
    for label in objects:
        crop = crop_objects(labels, index, [label], plane=plane)
        pieces, areas = connected_pieces(crop.labels == label)
        names = np.zeros(len(areas) + 1, crop.labels.dtype)
        large = [
            k for k in np.argsort(-areas, kind="stable").tolist() if areas[k] >= CRUMB_SHARE * areas.max()
        ]
        ids = [label, *index.next_labels(len(large) - 1)]
        names[np.array(large) + 1] = ids
        changes.add(crop, np.where(pieces > 0, names[pieces], crop.labels))
        parents |= dict.fromkeys(ids, (label,))
    return changes.edit("separate pieces", parents)


_FIXES: dict[str, Callable[[Any, ObjectIndex, tuple[int, ...], Plane], Edit]] = {
    "fill holes": lambda labels, index, objects, plane: fill_holes(labels, index, objects, plane=plane),
    "keep largest piece": lambda labels, index, objects, plane: keep_largest_piece(
        labels, index, objects, plane=plane
    ),
    "separate pieces": _separate_pieces,
    "delete": lambda labels, index, objects, plane: delete(labels, index, objects, plane=plane),
    "merge": lambda labels, index, objects, plane: merge(labels, index, objects, bridge=0, plane=plane),
}


def _pixels(count: int) -> str:
    return "1 pixel" if count == 1 else f"{count:,} pixels"


@njit(cache=True, nogil=True)
def _look(pixels: Any) -> Any:
    """Pieces, background pixels in holes, and edges to background and beyond the image."""
    height, width = pixels.shape
    seen = np.zeros((height, width), np.bool_)
    stack = np.empty(height * width, np.int64)
    found = np.zeros(4, np.int64)
    _spread(pixels, seen, stack, 0, False)
    for y in range(height):
        for x in range(width):
            if pixels[y, x] == OWN:
                for dy, dx in ((-1, 0), (0, -1), (0, 1), (1, 0)):
                    found[2] += pixels[y + dy, x + dx] == BACKGROUND
                    found[3] += pixels[y + dy, x + dx] == OUTSIDE
            if not seen[y, x]:
                size = _spread(pixels, seen, stack, y * width + x, pixels[y, x] == OWN)
                if pixels[y, x] == OWN:
                    found[0] += 1
                else:
                    for i in range(size):
                        found[1] += pixels[stack[i] // width, stack[i] % width] == BACKGROUND
    return found


@njit(cache=True, nogil=True)
def _spread(pixels: Any, seen: Any, stack: Any, start: int, own: bool) -> int:
    """Mark the piece around a pixel, by corners too where it is the object's own; returns its pixels."""
    height, width = pixels.shape
    seen[start // width, start % width] = True
    stack[0] = start
    done, top = 0, 1
    while done < top:
        y, x = divmod(stack[done], width)
        done += 1
        for dy in range(-1, 2):
            for dx in range(-1, 2):
                ny, nx = y + dy, x + dx
                if not (0 <= ny < height and 0 <= nx < width) or seen[ny, nx]:
                    continue
                if (own or dy * dx == 0) and (pixels[ny, nx] == OWN) == own:
                    seen[ny, nx] = True
                    stack[top] = ny * width + nx
                    top += 1
    return top
