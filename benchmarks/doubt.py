"""How soon the review queue leads to the mistakes of a model, by doubt and by confidence alone.

python benchmarks/doubt.py [--model nuclei] [--images FOLDER --labels FOLDER [--split FILE]] [--most 30]

A mistake is an object that overlaps no true one by the IoU asked for. Without folders, fields are simulated.
"""

import argparse
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata
from skimage.io import imread

from napari_cellseg.errors import CellSegWarning
from napari_cellseg.images.simulation import simulate_fluorescence
from napari_cellseg.labels.index import ObjectIndex
from napari_cellseg.pipeline import segment
from napari_cellseg.review.doubt import doubt
from napari_cellseg.review.seams import on_seams
from napari_cellseg.review.shapes import measure_shapes

SHARES = (0.1, 0.2, 0.3, 0.5)


def fields(options: argparse.Namespace) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Images with their labels."""
    if options.images is None:
        for seed in range(options.most):
            found = simulate_fluorescence((520, 696), seed=seed)
            yield found.image, found.labels
        return
    names = sorted(p.stem for p in options.images.glob("*.png"))
    if options.split is not None:
        names = sorted(Path(n).stem for n in json.loads(options.split.read_text())["val"])
    for name in names[:: max(1, len(names) // options.most)][: options.most]:
        yield imread(options.images / f"{name}.png"), imread(options.labels / f"{name}.png").astype(np.int32)


def best_overlaps(labels: NDArray[Any], truth: NDArray[Any]) -> dict[int, float]:
    """Largest intersection over union of each object with a true one."""
    both = (labels > 0) & (truth > 0)
    pairs, shared = np.unique(np.stack([labels[both], truth[both]]), axis=1, return_counts=True)
    areas = np.bincount(labels.ravel()), np.bincount(truth.ravel())
    best: dict[int, float] = {}
    for (own, other), count in zip(pairs.T.tolist(), shared.tolist(), strict=True):
        best[own] = max(best.get(own, 0), count / (areas[0][own] + areas[1][other] - count))
    return best


def reviewed(image: NDArray[Any], truth: NDArray[Any], model: str, number: int) -> pd.DataFrame:
    """A row per object that the model finds: its doubt, and whether it is right."""
    result = segment(image, model)
    index = ObjectIndex.build(result.labels)
    table = measure_shapes(result.labels, index).merge(result.features, on="index")
    _, low, high, _ = index.extents()
    table["seam"] = on_seams(low, high, result.labels.shape, result.provenance["resolved"])
    table["doubt"] = doubt(table)["doubt"]
    best = best_overlaps(result.labels, truth)
    table["iou"] = [best.get(label, 0.0) for label in table["index"]]
    return table.assign(image=number)


def ranking(table: pd.DataFrame, score: "pd.Series[Any]", iou: float) -> dict[str, float]:
    """AUROC over all objects, and the share of the mistakes in the first part of each image's queue."""
    wrong = (table["iou"] < iou).to_numpy()
    ranks = rankdata(score)
    count, others = wrong.sum(), (~wrong).sum()
    found = {"AUROC": round(float((ranks[wrong].sum() - count * (count + 1) / 2) / (count * others)), 3)}
    place = score.groupby(table["image"]).rank(ascending=False, method="first", pct=True)
    for share in SHARES:
        found[f"first {share:.0%}"] = round(float(wrong[(place <= share).to_numpy()].sum() / count), 3)
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="nuclei")
    parser.add_argument("--images", type=Path)
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--split", type=Path, help="JSON with the names to use under 'val'")
    parser.add_argument("--most", type=int, default=30)
    options = parser.parse_args()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CellSegWarning)
        pairs = enumerate(fields(options))
        table = pd.concat([reviewed(*pair, options.model, n) for n, pair in pairs], ignore_index=True)
    for iou in (0.5, 0.75):
        wrong = int((table["iou"] < iou).sum())
        print(f"{len(table):,} objects, {wrong:,} with IoU below {iou}")
        print("  doubt     ", ranking(table, table["doubt"], iou))
        print("  confidence", ranking(table, -table["confidence"], iou))


if __name__ == "__main__":
    main()
