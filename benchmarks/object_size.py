"""AP50 for objects of any size: the image's own scale, the measured diameter, the true diameter.

python benchmarks/object_size.py [--model nuclei] [--images FOLDER --labels FOLDER] [--most 6]

Images are rescaled so that the median diameter of their objects takes each size. Without folders, fields are
simulated. Images that would become larger than 1,600 pixels are cut.
"""

import argparse
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.io import imread
from skimage.transform import resize

from napari_cellseg.errors import CellSegWarning
from napari_cellseg.evaluation.matching import average_precision, pool
from napari_cellseg.images.simulation import simulate_fluorescence
from napari_cellseg.pipeline import segment

SIZES = (8, 12, 16, 20, 28, 40, 55, 75, 100, 150)
LARGEST = 1600


def fields(options: argparse.Namespace) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """Images with their labels."""
    if options.images is None:
        for seed in range(options.most):
            found = simulate_fluorescence((520, 696), seed=seed)
            yield found.image, found.labels
        return
    names = sorted(p.name for p in options.images.glob("*.png"))
    for name in names[:: max(1, len(names) // options.most)][: options.most]:
        yield imread(options.images / name), imread(options.labels / name).astype(np.int32)


def median_diameter(labels: NDArray[Any]) -> float:
    """Median diameter of circles of the objects' areas, pixels."""
    areas = np.bincount(labels.ravel())[1:]
    return float(np.median(2 * np.sqrt(areas[areas > 0] / np.pi)))


def rescaled(
    image: NDArray[Any], labels: NDArray[Any], factor: float
) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """Image and labels at another size, the middle of what would become too large."""
    rows, columns = (min(n, int(LARGEST / factor)) for n in labels.shape)
    y, x = (labels.shape[0] - rows) // 2, (labels.shape[1] - columns) // 2
    image, labels = image[y : y + rows, x : x + columns], labels[y : y + rows, x : x + columns]
    shape = (round(rows * factor), round(columns * factor))
    larger = resize(image, shape, order=3 if factor > 1 else 1, anti_aliasing=factor < 1, preserve_range=True)
    limits = np.iinfo(image.dtype)
    pixels = np.clip(np.round(larger), limits.min, limits.max).astype(image.dtype)
    kept = resize(labels, shape, order=0, anti_aliasing=False, preserve_range=True)
    return pixels, np.round(kept).astype(np.int32)


def main() -> None:
    """Print AP50 and the measured diameter for each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="nuclei")
    parser.add_argument("--images", type=Path)
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--most", type=int, default=6)
    options = parser.parse_args()
    samples = [(i, lab) for i, lab in fields(options) if lab.any()]
    print(f"{'diameter':>9} {'own scale':>10} {'auto':>6} {'given':>6}  measured")
    for size in SIZES:
        counts: dict[Any, list[Any]] = {"own": [], "auto": [], "given": []}
        measured = []
        for image, labels in samples:
            pixels, truth = rescaled(image, labels, size / median_diameter(labels))
            for choice in counts:
                diameter = {"own": None, "auto": "auto", "given": float(size)}[choice]
                found = run(pixels, options.model, diameter, own=choice == "own")
                counts[choice].append(average_precision(found.labels, truth))
                if choice == "auto":
                    measured.append(found.provenance["resolved"]["diameter"])
        ap = {choice: float(pool(each).ap[0]) for choice, each in counts.items()}
        shown = " ".join(f"{m:.0f}" for m in measured)
        print(f"{size:9} {ap['own']:10.2f} {ap['auto']:6.2f} {ap['given']:6.2f}  {shown}", flush=True)


def run(pixels: NDArray[Any], model: str, diameter: Any, *, own: bool) -> Any:
    """Segment; at the image's own scale, the diameter is the one that the network knows best."""
    from napari_cellseg.models.registry import find_model

    chosen = find_model(model).card.diameter if own else diameter
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CellSegWarning)
        return segment(pixels, model, diameter=chosen, device="cpu")


if __name__ == "__main__":
    main()
