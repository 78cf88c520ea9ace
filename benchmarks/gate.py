"""How often the gate calls a model better or worse that is neither, with few images.

python benchmarks/gate.py NEW OLD DATASET [--draws 1000] [--metric F1]

Both models segment all images of the dataset once. Then images are drawn, with replacement, and in each of
them the two models change places by chance, so that neither is better; the share of draws in which one is
called better or worse is that of false alarms, 5 % being what the interval promises. The same for the
percentiles of the bootstrap.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd

from napari_cellseg.evaluation.comparison import pooled_difference
from napari_cellseg.evaluation.metrics import Metric, find_metric
from napari_cellseg.training.gate import gate
from napari_cellseg.training.gate_verdict import judged

COUNTS = (3, 4, 5, 6, 8, 10, 15, 25, 50)


def false_alarms(
    old: pd.DataFrame, new: pd.DataFrame, metric: Metric, images: int, draws: int, seed: int = 0
) -> dict[str, float]:
    """Share of draws in which one model is called better, by the gate and by the percentile bootstrap."""
    rng = np.random.default_rng(seed)
    alarms = {"gate": 0, "bootstrap": 0}
    units = np.arange(images)
    for _ in range(draws):
        drawn = rng.integers(0, len(old), images)
        swapped = pd.Series(rng.random(images) < 0.5)
        a, b = (table.iloc[drawn].reset_index(drop=True) for table in (old, new))
        one = pd.concat([a[~swapped], b[swapped]]).sort_index()
        other = pd.concat([b[~swapped], a[swapped]]).sort_index()
        alarms["gate"] += judged(one, other, metric, units).verdict in ("better", "worse")
        interval = pooled_difference(one, other, metric, units).interval
        alarms["bootstrap"] += interval.low > 0 or interval.high < 0
    return {name: count / draws for name, count in alarms.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("new")
    parser.add_argument("old")
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--metric", default="F1")
    options = parser.parse_args()
    result = gate(options.new, options.old, options.dataset, split="all", metric=options.metric)
    print(result.sentence)
    old, new = (report.tallies for report in result.reports)
    for images in COUNTS:
        found = false_alarms(old, new, find_metric(options.metric), images, options.draws)
        print(images, "images:", json.dumps(found))


if __name__ == "__main__":
    main()
