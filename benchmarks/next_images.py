"""How well the ranking of images finds those with the largest error, against their true labels.

python benchmarks/next_images.py FOLDER… [--model nuclei] [--part val] [--most 40]

Each folder holds ``images/NAME.png``, ``labels/NAME.png``, and ``split.json`` with ``train`` and ``val``.
For each folder, and for all together: Spearman's correlation of the true 1 − F1 with the score, with the
mean confidence alone and with the count of objects; and the mean error of the images that come first by the
order, as a multiple of that of all images, which is what a random order gives.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from skimage.io import imread

from napari_cellseg.evaluation.matching import average_precision
from napari_cellseg.models.registry import load_model
from napari_cellseg.pipeline import segment
from napari_cellseg.training.image_order import Look, in_order
from napari_cellseg.training.next_images import look_at_file

SHARES = (0.1, 0.2, 0.3, 0.5)

Values = NDArray[np.float64]


def tried(folder: Path, part: str, most: int, model: Any) -> tuple[list[Look], Values]:
    """Looks at images of a folder, and the true error of each; NaN where there is nothing to find."""
    names = sorted(json.loads((folder / "split.json").read_text(encoding="utf-8"))[part])
    looks, errors = [], []
    for name in names[:: max(1, len(names) // most)][:most]:
        path = folder / "images" / f"{name}.png"
        looks.append(look_at_file(path, model, None))
        truth = imread(folder / "labels" / f"{name}.png").astype(np.int32)
        found = average_precision(segment(imread(path), model).labels, truth)
        tp, fp, fn = (int(counts[0]) for counts in (found.tp, found.fp, found.fn))
        errors.append(1 - 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else np.nan)
        sys.stderr.write(f"{folder.name} {name}: error {errors[-1]:.3f}\n")
    return looks, np.array(errors)


def described(name: str, looks: list[Look], errors: Values) -> str:
    """A line of the result."""
    usable = np.isfinite(errors)
    error_of = {look.image: error for look, error in zip(looks, errors, strict=True)}
    table = in_order(looks)
    order = [error_of[image] for image in table["image"] if np.isfinite(error_of[image])]
    score_of = dict(zip(table["image"], table["score"], strict=True))
    confidence = [look.confidence.mean() if len(look.confidence) else 0.0 for look in looks]
    rankings = {
        "score": np.array([score_of[look.image] for look in looks]),
        "mean confidence": -np.array(confidence),
        "count": np.array([len(look.confidence) for look in looks], float),
    }
    words = [f"{name}: {usable.sum()} images, mean error {errors[usable].mean():.3f}; Spearman"]
    words += [f"{k} {spearmanr(v[usable], errors[usable])[0]:+.2f}" for k, v in rankings.items()]
    words.append("; error of the first")
    for share in SHARES:
        first = np.mean(order[: max(1, round(share * len(order)))])
        words.append(f"{share:.0%}: {first / np.mean(order):.1f} ×")
    return " ".join(words)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--model", default="nuclei")
    parser.add_argument("--part", default="val")
    parser.add_argument("--most", type=int, default=40)
    options = parser.parse_args()
    model = load_model(options.model)
    found = {folder.name: tried(folder, options.part, options.most, model) for folder in options.folders}
    for name, (looks, errors) in found.items():
        print(described(name, looks, errors))
    if len(found) > 1:
        every = [look for looks, _ in found.values() for look in looks]
        print(described("all", every, np.concatenate([errors for _, errors in found.values()])))


if __name__ == "__main__":
    main()
