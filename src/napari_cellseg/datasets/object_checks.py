"""What is wrong with the objects of one image."""

from collections.abc import Iterator, Sequence

import numpy as np

from napari_cellseg.datasets.annotation import Annotation, ObjectMask
from napari_cellseg.datasets.finding import Finding
from napari_cellseg.datasets.sample import Sample
from napari_cellseg.review.quality import SAME_OVERLAP, SPECK_SHARE
from napari_cellseg.review.status import Status

_MOST_NAMED = 5


def check_objects(sample: Sample) -> Iterator[Finding]:
    """What is wrong with the objects of a sample; its pixels are not read."""
    annotation = sample.annotation
    reviewed = 1.0 if sample.ignored is None else 1.0 - float(sample.ignored.mean())
    if reviewed == 0:
        yield Finding(
            sample.name,
            "unreviewed",
            "warning",
            "Nobody has reviewed any part of it.",
            "Review it, or remove it.",
        )
    elif len(annotation) == 0:
        yield Finding(
            sample.name,
            "empty",
            "note",
            "It has no objects, so that all of it is taught as background.",
            "If there are cells in it, annotate them, else leave it.",
        )
    yield from _same(sample.name, annotation)
    yield from _specks(sample.name, annotation)
    yield from _unreviewed(sample.name, annotation)


def same_objects(annotation: Annotation, overlap: float = SAME_OVERLAP) -> list[tuple[int, int, float]]:
    """Pairs of objects that are nearly or quite the same.

    Parameters
    ----------
    annotation : Annotation
        The objects.
    overlap : float
        Least intersection over union of a pair.

    Returns
    -------
    list of (int, int, float)
        Lower and higher label, and their intersection over union.
    """
    hidden = sorted(annotation.covered.values(), key=lambda mask: mask.index)
    shown = {label for mask in hidden for label in _labels_over(annotation, mask)}
    masks = {mask.index: mask for mask in annotation.masks(shown | {mask.index for mask in hidden})}
    areas = {label: mask.area for label, mask in masks.items()}
    pairs: dict[tuple[int, int], float] = {}
    for mask in hidden:
        others = {other.index for other in _meeting(mask, hidden)} | set(_labels_over(annotation, mask))
        for label in others - {mask.index}:
            low, high = sorted((mask.index, label))
            if (low, high) in pairs or min(areas[low], areas[high]) < overlap * max(areas[low], areas[high]):
                continue
            shared = _shared(masks[low], masks[high])
            pairs[low, high] = shared / (areas[low] + areas[high] - shared)
    return [(*pair, iou) for pair, iou in sorted(pairs.items()) if iou >= overlap]


def _same(image: str, annotation: Annotation) -> Iterator[Finding]:
    pairs = same_objects(annotation)
    exact = sorted({high for _, high, iou in pairs if iou == 1})
    near = sorted({high for _, high, iou in pairs if iou < 1} - set(exact))
    if exact:
        text = f"{_objects(exact)} {_are(exact)} there twice, pixel by pixel."
        yield Finding(image, "same", "error", text, f"Delete {_them(exact)}.", objects=tuple(exact))
    if near:
        text = f"{_objects(near)} {_are(near)} nearly the same as others (IoU {SAME_OVERLAP:g} or more)."
        yield Finding(
            image,
            "same",
            "warning",
            text,
            "Delete one of each two, if they are one cell.",
            objects=tuple(near),
        )


def _specks(image: str, annotation: Annotation) -> Iterator[Finding]:
    areas = {mask.index: mask.area for mask in annotation.masks()}
    limit = SPECK_SHARE * float(np.median(list(areas.values()))) if areas else 0.0
    specks = [label for label, area in areas.items() if area <= limit]
    if specks:
        text = f"{_objects(specks)} {_are(specks)} at most {SPECK_SHARE:.0%} as large as the median object."
        yield Finding(
            image,
            "specks",
            "warning",
            text,
            f"Delete {_them(specks)}, if they are no cells.",
            objects=tuple(specks),
        )


def _unreviewed(image: str, annotation: Annotation) -> Iterator[Finding]:
    predicted = annotation.objects["status"] == Status.PREDICTED.value
    labels = annotation.objects.loc[predicted, "index"].tolist()
    if labels:
        text = f"{_objects(labels)} {_were(labels)} predicted, and nobody has looked at {_them(labels)}."
        yield Finding(
            image, "unreviewed", "warning", text, "Open the image and review them.", objects=tuple(labels)
        )


def _labels_over(annotation: Annotation, mask: ObjectMask) -> list[int]:
    """Labels that are shown where a mask is."""
    shown = annotation.labels[mask.window][mask.pixels]
    return [int(label) for label in np.unique(shown) if label]


def _meeting(mask: ObjectMask, others: Sequence[ObjectMask]) -> Iterator[ObjectMask]:
    y0, x0, y1, x1 = mask.box
    for other in others:
        top, left, bottom, right = other.box
        if top < y1 and y0 < bottom and left < x1 and x0 < right:
            yield other


def _shared(one: ObjectMask, two: ObjectMask) -> int:
    """Pixels of both."""
    y0, x0 = max(one.top, two.top), max(one.left, two.left)
    y1, x1 = min(one.box[2], two.box[2]), min(one.box[3], two.box[3])
    first = one.pixels[y0 - one.top : y1 - one.top, x0 - one.left : x1 - one.left]
    second = two.pixels[y0 - two.top : y1 - two.top, x0 - two.left : x1 - two.left]
    return int(np.count_nonzero(first & second)) if y0 < y1 and x0 < x1 else 0


def _objects(labels: Sequence[int]) -> str:
    """Objects in words: ``"Object 3"``, ``"Objects 1, 2 and 3"``, ``"86 objects (1, 2, 3, 4, 5, …)"``."""
    if len(labels) == 1:
        return f"Object {labels[0]}"
    named = ", ".join(map(str, labels[:_MOST_NAMED]))
    if len(labels) > _MOST_NAMED:
        return f"{len(labels):,} objects ({named}, …)"
    return f"Objects {', '.join(map(str, labels[:-1]))} and {labels[-1]}"


def _are(labels: Sequence[int]) -> str:
    return "is" if len(labels) == 1 else "are"


def _were(labels: Sequence[int]) -> str:
    return "was" if len(labels) == 1 else "were"


def _them(labels: Sequence[int]) -> str:
    return "it" if len(labels) == 1 else "them"
