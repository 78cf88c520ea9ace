"""How well a model finds whole cells in simulated bright-field images, dial by dial.

python benchmarks/brightfield.py [--model phase] [--images 4] [--json FILE]

Every dial of the simulator is turned alone from 0 to 1, the others stay at their defaults.
"""

import argparse
import json
import warnings
from pathlib import Path

from napari_cellseg.errors import CellSegWarning
from napari_cellseg.evaluation.matching import average_precision, pool
from napari_cellseg.images.simulation import simulate_brightfield
from napari_cellseg.pipeline import segment

DIALS = (
    "contrast",
    "defocus",
    "uneven_light",
    "noise",
    "bubbles",
    "debris",
    "motion_blur",
    "touching",
    "irregularity",
)
VALUES = (0.0, 0.25, 0.5, 0.75, 1.0)
SHAPE = (768, 1024)


def score(model: str, images: int, **dials: float) -> float:
    """Pooled AP at IoU 0.5 of some images with these dials."""
    counts = []
    for seed in range(images):
        field = simulate_brightfield(SHAPE, seed=seed, **dials)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CellSegWarning)
            found = segment(field.image, model, device="cpu")
        counts.append(average_precision(found.labels, field.labels))
    return float(pool(counts).ap[0])


def main() -> None:
    """Print a table of AP50, a row per dial."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="phase")
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    default = score(options.model, options.images)
    print(f"{'all at their defaults':>22}  {default:.2f}")
    print(f"{'dial':>22}  " + " ".join(f"{value:5.2f}" for value in VALUES))
    found: dict[str, dict[str, float]] = {"default": {"AP50": round(default, 4)}}
    for dial in DIALS:
        found[dial] = {}
        print(f"{dial:>22} ", end="", flush=True)
        for value in VALUES:
            ap = score(options.model, options.images, **{dial: value})
            found[dial][str(value)] = round(ap, 4)
            print(f" {ap:5.2f}", end="", flush=True)
        print()
    if options.json:
        options.json.write_text(json.dumps(found, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
