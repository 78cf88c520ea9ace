"""Time of turning maps into objects by each decoder, and how well each does with the maps of a model.

python benchmarks/decoding.py [--repeat 20] [--images FOLDER --labels FOLDER [--split FILE] --most 30]

Time is that of one thread. With images and their labels, the maps of the bundled model `nuclei` are
decoded by all ways: AP50 and mean AP of everything found, whatever its confidence.
"""

import argparse
import json
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.io import imread

from napari_cellseg.evaluation.matching import average_precision, pool
from napari_cellseg.images.scaling import intensity_range, scale_intensity
from napari_cellseg.images.simulation import simulate_fluorescence
from napari_cellseg.instances.decoding import VoteDecoding
from napari_cellseg.instances.maps import Decoding, decode_maps
from napari_cellseg.instances.mask_decoding import MaskDecoding
from napari_cellseg.models.registry import load_model
from napari_cellseg.training.scoring import predict_maps
from napari_cellseg.training.targets import pixel_targets

FIELDS = {
    "704 x 520, 500 cells": ((520, 704), (15.0, 26.0), 500),
    "2048 x 2048, 3,000 cells": ((2048, 2048), (20.0, 38.0), 3000),
}


def decoders(votes: VoteDecoding) -> dict[str, Decoding]:
    """Every way to decode, by name."""
    masks: dict[str, Decoding] = {f"mask, {s}": MaskDecoding(s) for s in ("none", "shape", "map")}
    return {"votes": votes, **masks}


def ideal_maps(labels: NDArray[np.int32]) -> NDArray[np.float32]:
    """What a perfect network says."""
    targets = pixel_targets(labels)
    return np.stack([0.98 * targets.foreground, targets.distance, *targets.offsets]).astype(np.float32)


def show_times(votes: VoteDecoding, repeat: int) -> None:
    """Print medians over simulated fields."""
    for name, (shape, diameter, count) in FIELDS.items():
        labels = simulate_fluorescence(shape, diameter=diameter, objects=count, seed=1).labels
        maps = ideal_maps(labels)
        print(f"{name} ({len(np.unique(labels)) - 1:,} drawn)")
        for way, params in decoders(votes).items():
            found, seconds = decode_maps(maps, params), []
            for _ in range(repeat):
                started = time.process_time()
                decode_maps(maps, params)
                seconds.append(time.process_time() - started)
            print(f"{way:>14} {statistics.median(seconds):8.3f} s {len(found.scores):7,} objects")


def fields(options: argparse.Namespace) -> Iterator[tuple[NDArray[Any], NDArray[np.int32]]]:
    """Images with their labels."""
    names = sorted(p.stem for p in options.images.glob("*.png"))
    if options.split is not None:
        names = sorted(Path(n).stem for n in json.loads(options.split.read_text())["val"])
    for name in names[:: max(1, len(names) // options.most)][: options.most]:
        labels = imread(options.labels / f"{name}.png").astype(np.int32)
        yield imread(options.images / f"{name}.png"), labels


def show_scores(options: argparse.Namespace) -> None:
    """Print AP50 and mean AP over labelled images."""
    model = load_model("nuclei", "cpu")
    votes = model.card.decoder
    counts: dict[str, list[Any]] = {}
    for image, labels in fields(options):
        scaling = model.card.scaling
        limits = intensity_range(image, scaling.low_percentile, scaling.high_percentile)
        scaled = scale_intensity(image, limits)
        grey = scaled[..., None] if scaled.ndim == 2 else scaled[..., :3]
        pixels = np.broadcast_to(grey, (*grey.shape[:2], 3))
        maps = predict_maps(model.predict_maps, pixels, model.card.tile_multiple)
        for way, params in decoders(votes).items():
            found = average_precision(decode_maps(maps, params).labels, labels)
            counts.setdefault(way, []).append(found)
    for way, found in counts.items():
        pooled = pool(found)
        print(f"{way:>14} AP50 {pooled.ap[0]:.3f}, mean AP {pooled.mean:.3f}, {len(found)} images")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=20)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--split", type=Path, help="JSON with the names to use under 'val'")
    parser.add_argument("--most", type=int, default=30)
    options = parser.parse_args()
    show_times(VoteDecoding(), options.repeat)
    if options.images is not None:
        show_scores(options)


if __name__ == "__main__":
    main()
