"""Samples as a microscope gives them, from the simulator, and how masks of two sides are compared."""

from functools import cache

import numpy as np
from scipy import ndimage
from scipy.optimize import linear_sum_assignment

from napari_cellseg.datasets.annotation import Annotation, ObjectMask, object_table
from napari_cellseg.datasets.sample import Origin, Sample
from napari_cellseg.images.simulation import simulate_brightfield, simulate_fluorescence

from .nasty import painted

CLASSES = ("cell", "dead cell")


def _classes(count):
    return [CLASSES[i % 5 == 0] for i in range(count)]


def _of_labels(labels):
    present = np.unique(labels[labels > 0])
    return Annotation.from_labels(labels, object_table(present, classes=_classes(len(present))))


def _grown(labels, by):
    """Every object grown over its neighbours, so that they overlap."""
    masks = []
    for label, (rows, columns) in enumerate(ndimage.find_objects(labels), 1):
        y0, x0 = max(0, rows.start - by), max(0, columns.start - by)
        window = labels[y0 : rows.stop + by, x0 : columns.stop + by] == label
        masks.append(ObjectMask(label, y0, x0, ndimage.binary_dilation(window, iterations=by)))
    table = object_table(range(1, len(masks) + 1), classes=_classes(len(masks)))
    return Annotation.from_masks(labels.shape, masks, table)


@cache
def simulated_samples():
    """Nuclei in 16 bits, cells in 12, RGB, overlapping ones and an empty field; odd sizes and names."""
    nuclei = simulate_fluorescence((192, 250), diameter=(9, 24), touching=0.6, seed=1)
    cells = simulate_brightfield((210, 181), diameter=(24, 50), seed=2)
    tissue = simulate_fluorescence((160, 160), diameter=(12, 30), bits=8, seed=3)
    empty = simulate_fluorescence((64, 96), objects=0, seed=4)
    rgb = np.stack([255 - tissue.image // 2, 255 - tissue.image, 230 - tissue.image // 3], 2).astype(np.uint8)
    pixels = {
        "nuclei 01": nuclei.image,
        "Zellen.µm 漢字": cells.image,
        "tissue": rgb,
        "crowded #2": nuclei.image,
        "nothing here": empty.image,
    }
    annotations = (
        _of_labels(nuclei.labels),
        _of_labels(cells.labels),
        _of_labels(tissue.labels),
        _grown(nuclei.labels, 3),
        _of_labels(empty.labels),
    )
    splits = ("train", "val", "train", "val", "train")
    return tuple(
        Sample(name, annotation, pixels[name].copy, origin=Origin(group=name), split=split)
        for name, annotation, split in zip(pixels, annotations, splits, strict=True)
    )


def whole_masks(annotation):
    """All objects' whole masks, (N, Y, X) bool, in the order of the table."""
    planes = [painted(mask, annotation.shape) for mask in annotation.masks()]
    return np.array(planes, bool).reshape(-1, *annotation.shape)


def paired_iou(ours, theirs, our_classes, their_classes):
    """IoU of each of our objects with the one that stands for it on the other side, 0 for none.

    Masks are (N, Y, X) and (M, Y, X) bool; objects of a class are paired one to one for the largest sum.
    """
    a, b = (np.asarray(m, np.float32).reshape(len(m), np.prod(m.shape[1:])) for m in (ours, theirs))
    common = a @ b.T
    union = a.sum(1)[:, None] + b.sum(1)[None] - common
    same = np.asarray(our_classes)[:, None] == np.asarray(their_classes)[None]
    iou = np.where(same, common / np.maximum(union, 1), 0)
    found = np.zeros(len(ours))
    rows, columns = linear_sum_assignment(-iou)
    found[rows] = iou[rows, columns]
    return found
