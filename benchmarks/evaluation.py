"""Time to compare 5,000 predicted with 5,000 true objects on 4096 × 4096 pixels, by step and in all.

python benchmarks/evaluation.py [--edge 4096] [--objects 5000] [--repeats 3] [--json FILE]
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.evaluation.boundaries import boundary_counts
from napari_cellseg.evaluation.evaluating import evaluate
from napari_cellseg.evaluation.masks import mask_ssim, outline_distances
from napari_cellseg.evaluation.matching import average_precision, match_labels
from napari_cellseg.evaluation.pairs import image_pairs
from napari_cellseg.evaluation.tallies import jaccard_tally


def cells(edge: int, objects: int, seed: int, crowded: bool) -> NDArray[np.int32]:
    """Ellipses at jittered grid points; crowded ones touch their neighbours."""
    rng = np.random.default_rng(seed)
    side = int(np.ceil(np.sqrt(objects)))
    pitch = edge / side
    labels = np.zeros((edge, edge), np.int32)
    for k in range(objects):
        y, x = (np.array(divmod(k, side)) + 0.5) * pitch + rng.uniform(-0.1, 0.1, 2) * pitch
        a, b = rng.uniform(0.42, 0.6, 2) * pitch if crowded else rng.uniform(0.28, 0.38, 2) * pitch
        y0, x0 = max(0, int(y - a)), max(0, int(x - b))
        window = labels[y0 : int(y + a) + 2, x0 : int(x + b) + 2]
        yy, xx = np.ogrid[y0 : y0 + window.shape[0], x0 : x0 + window.shape[1]]
        window[((yy - y) / a) ** 2 + ((xx - x) / b) ** 2 <= 1] = k + 1
    return labels


def seconds(job: Callable[[], Any], repeats: int) -> float:
    """Shortest time of a job."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return min(times)


def measure(truth: NDArray[np.int32], prediction: NDArray[np.int32], repeats: int) -> dict[str, float]:
    """Seconds of each step."""
    pair = image_pairs(prediction, truth)[0].read(0)
    masks = prediction > 0, truth > 0
    confidence = np.random.default_rng(0).uniform(size=int(prediction.max()))
    steps: dict[str, Callable[[], Any]] = {
        "number and overlap": lambda: image_pairs(prediction, truth)[0].read(0),
        "match_labels at 0.5": lambda: match_labels(prediction, truth),
        "average_precision, ten thresholds": lambda: average_precision(prediction, truth),
        "AJI and AJI+": lambda: jaccard_tally(pair.overlaps),
        "boundary F": lambda: boundary_counts(pair.prediction, pair.truth),
        "SSIM": lambda: mask_ssim(*masks),
        "Hausdorff and HD95": lambda: outline_distances(*masks),
        "evaluate, everything": lambda: evaluate(prediction, truth),
        "evaluate with confidences": lambda: evaluate(prediction, truth, confidence=confidence),
    }
    return {name: round(seconds(job, repeats), 3) for name, job in steps.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edge", type=int, default=4096)
    parser.add_argument("--objects", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    small = cells(64, 9, 0, crowded=False)
    measure(small, small, 1)
    result: dict[str, Any] = {"cores": len(os.sched_getaffinity(0)), "edge": options.edge}
    for kind in ("apart", "crowded"):
        truth = cells(options.edge, options.objects, 0, kind == "crowded")
        prediction = np.roll(cells(options.edge, options.objects, 1, kind == "crowded"), 2, 0)
        report = evaluate(prediction, truth)
        result[kind] = {
            "predicted": int(report.summary["predicted_objects"]),
            "true": int(report.summary["true_objects"]),
            "AP50": round(report.summary["AP50"], 3),
            "seconds": measure(truth, prediction, options.repeats),
        }
    print(json.dumps(result, indent=2))
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
