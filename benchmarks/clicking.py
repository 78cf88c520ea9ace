"""How well one click grows an object: from a model's maps, from the local intensity, or from either of
them, whichever comes closer to the usual size.

python benchmarks/clicking.py [FOLDER] [--model phase] [--images 5] [--objects 40] [--only grey|colour]

FOLDER holds images/NAME.png, labels/NAME.png and, if it likes, split.json with the names to use under "val".
Without a folder, images are simulated. Every true object is clicked at its deepest point, once with all other
true objects there already, and once on an empty label image. "missed" are the clicks on objects that the
model's own segmentation does not hold (no IoU of 0.5): those that a person would really click.
"""

import argparse
import json
import statistics
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage
from skimage.io import imread

from napari_cellseg.errors import CellSegWarning
from napari_cellseg.images.planes import open_planes
from napari_cellseg.images.simulation import simulate_brightfield, simulate_fluorescence
from napari_cellseg.labels.growing import grow_from_click, size_misfit
from napari_cellseg.pipeline import segment
from napari_cellseg.pipeline.clicking import MapGrower

GOOD = 0.5
"""Intersection over union from which an object is the true one."""

Field = tuple[NDArray[Any], NDArray[np.int32]]


def fields(options: argparse.Namespace) -> Iterator[Field]:
    """Images with their labels."""
    if options.folder is None:
        simulate = simulate_brightfield if options.model == "phase" else simulate_fluorescence
        for seed in range(options.images):
            found = simulate((520, 696), seed=seed)
            yield found.image, found.labels
        return
    split = options.folder / "split.json"
    names = json.loads(split.read_text())["val"] if split.exists() else []
    names = sorted(names) or sorted(p.stem for p in (options.folder / "images").glob("*.png"))
    chosen = [n for n in names if options.only in ("", kind_of(options.folder / "images" / f"{n}.png"))]
    for name in chosen[:: max(1, len(chosen) // options.images)][: options.images]:
        labels = imread(options.folder / "labels" / f"{name}.png").astype(np.int32)
        yield imread(options.folder / "images" / f"{name}.png"), labels


def kind_of(path: Path) -> str:
    """Whether an image is "grey" or "colour"."""
    pixels = imread(path)
    return "colour" if pixels.ndim == 3 and np.ptp(pixels[..., :3].astype(int), axis=-1).any() else "grey"


def deepest_points(labels: NDArray[np.int32], most: int) -> dict[int, tuple[int, int]]:
    """The pixel of each object farthest from its border; of many objects some, evenly chosen."""
    boxes = {i: box for i, box in enumerate(ndimage.find_objects(labels), 1) if box is not None}
    chosen = np.array(list(boxes))[np.linspace(0, len(boxes) - 1, min(most, len(boxes))).astype(int)]
    points = {}
    for label in chosen.tolist():
        y, x = boxes[label]
        depth = ndimage.distance_transform_edt(np.pad(labels[y, x] == label, 1))[1:-1, 1:-1]
        row, column = np.unravel_index(depth.argmax(), depth.shape)
        points[label] = (y.start + int(row), x.start + int(column))
    return points


def by_maps(
    grower: MapGrower, point: tuple[int, int], taken: NDArray[np.bool_], reach: float
) -> NDArray[np.bool_]:
    """The object that the maps show."""
    mask = np.zeros(taken.shape, np.bool_)
    found = grower.grow(0, point, lambda y, x: taken[y, x])
    if found is not None:
        (y, x), (h, w) = found.origin, found.mask.shape
        mask[y : y + h, x : x + w] = found.mask
    return mask


def by_intensity(
    image: NDArray[Any], point: tuple[int, int], taken: NDArray[np.bool_], reach: float
) -> NDArray[np.bool_]:
    """The object that the intensity shows."""
    size = int(np.ceil(reach)) + 2
    window = tuple(slice(max(0, p - size), p + size + 1) for p in point)
    inner = (point[0] - window[0].start, point[1] - window[1].start)
    mask = np.zeros(taken.shape, np.bool_)
    mask[window] = grow_from_click(image[window], inner, max_diameter=reach, taken=taken[window])
    return mask


def agreements(field: Field, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """A row per click: what grew it, what was taken, its IoU and its time."""
    image, labels = field
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CellSegWarning)
        found = segment(image, options.model, device="cpu")
        grower = MapGrower(open_planes(image), options.model, scale=found.provenance["resolved"]["scale"])
    grower.prepare(0)
    areas = np.bincount(labels.ravel())[1:]
    diameter = float(np.sqrt(4 * np.median(areas[areas > 0]) / np.pi))
    reach, seconds = max(8.0, 2 * diameter), {}
    for label, point in deepest_points(labels, options.objects).items():
        own = labels == label
        missed = best_agreement(own, found.labels) < GOOD
        for others in (True, False):
            taken = (labels > 0) & ~own if others else np.zeros(labels.shape, np.bool_)
            grown: dict[str, NDArray[np.bool_]] = {}
            for source, grow, what in (("maps", by_maps, grower), ("intensity", by_intensity, image)):
                start = time.perf_counter()
                grown[source] = grow(what, point, taken, reach)
                seconds[source] = time.perf_counter() - start
            grown["either"] = min(grown.values(), key=lambda mask: size_misfit(mask, diameter))
            seconds["either"] = sum(seconds[source] for source in ("maps", "intensity"))
            for source, mask in grown.items():
                yield {
                    "from": source, "others taken": others, "missed": missed, "iou": agreement(mask, own),
                    "nothing": not mask.any(), "ms": 1000 * seconds[source],
                }  # fmt: skip


def agreement(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Intersection over union of two masks."""
    return np.count_nonzero(a & b) / np.count_nonzero(a | b)


def best_agreement(own: NDArray[np.bool_], labels: NDArray[np.int32]) -> float:
    """Largest intersection over union of an object with any label."""
    return max((agreement(own, labels == label) for label in np.unique(labels[own]) if label), default=0.0)


def main() -> None:
    """Print a table: a row per source."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--model", default="phase")
    parser.add_argument("--images", type=int, default=5)
    parser.add_argument("--objects", type=int, default=40)
    parser.add_argument("--only", default="", choices=("", "grey", "colour"))
    options = parser.parse_args()
    rows = pd.DataFrame([row for field in fields(options) for row in agreements(field, options)])
    groups = rows.assign(good=rows["iou"] >= GOOD).groupby(["from", "others taken"])
    table = groups.agg(
        clicks=("iou", "size"),
        good=("good", "mean"),
        median_iou=("iou", "median"),
        missed=("missed", "sum"),
        good_of_missed=("good", lambda good: good[rows["missed"]].mean()),
        nothing=("nothing", "sum"),
        ms=("ms", statistics.median),
    )
    print(table.round(2).to_string())


if __name__ == "__main__":
    main()
