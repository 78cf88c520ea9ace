"""How fast patches for the bright-field U-Nets are prepared on one core, and a picture of every augmentation.

python benchmarks/brightfield_data.py [--grey] [--workers 1] [--json FILE]
python benchmarks/brightfield_data.py --sheet docs/images/unet_augmentation.png
python benchmarks/brightfield_data.py --dataset FOLDER [--fields 15]

The last makes a dataset of simulated fields, each spoilt more or less in one way; a fifth of them validate.
"""

import argparse
import json
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image
from skimage.segmentation import find_boundaries

from napari_cellseg.datasets.store import Dataset
from napari_cellseg.images.simulation import degraded_images, simulate_brightfield
from napari_cellseg.images.simulation.degradation import DEGRADATIONS
from napari_cellseg.training.unets.augmentation import AugmentationConfig, Pair, apply_pair
from napari_cellseg.training.unets.images import TrainingImage
from napari_cellseg.training.unets.loading import training_batches
from napari_cellseg.training.unets.patches import PatchSource, TargetConfig, patch_targets
from napari_cellseg.training.unets.sampling import Sampler
from napari_cellseg.training.unets.warping import Patch

TINT = np.array([1.0, 0.93, 0.82])
"""Light of a halogen lamp, as a colour camera without white balance sees it."""


def image(
    seed: int, *, colour: bool, shape: tuple[int, int] = (520, 704), noise: float = 0.2
) -> TrainingImage:
    """A simulated field, grey or as a colour camera sees it."""
    field = simulate_brightfield(shape, noise=noise, seed=seed)
    pixels = (field.image[..., None] * TINT).astype(np.uint16) if colour else field.image
    return TrainingImage.from_arrays(f"field {seed}", pixels, field.labels)


def milliseconds(work: Callable[[int], object], repeats: int = 20) -> float:
    """Mean processor time of a call after a first one."""
    work(0)
    started = time.process_time()
    for number in range(repeats):
        work(number)
    return 1e3 * (time.process_time() - started) / repeats


def measure(colour: bool, workers: int, batches: int) -> dict[str, float]:
    """Milliseconds of every operation on a patch with its context, and patches per second of the whole.

    Milliseconds and patches per second of a core are processor time, which a busy machine changes little.
    """
    source = PatchSource([image(seed, colour=colour) for seed in range(4)])
    config = source.augmentation
    edge, context = source.edge, source.context
    around = (slice(0, edge + 2 * context),) * 2
    first = source.images[0]
    region = Patch(first.scaled(around), first.labels[around], np.zeros((edge + 2 * context,) * 2, bool))
    found = {}
    for name, operation in config.photometric(colour=colour).items():
        found[name] = milliseconds(lambda n, o=operation: o(region.image, np.random.default_rng(n)))
    for name in config.geometric():
        pair, frame = Pair(None, name), (context, context, edge, edge)
        found[name] = milliseconds(
            lambda n, p=pair, f=frame: apply_pair(region, p, config, np.random.default_rng(n), f)
        )
    plain = source.plain(4)
    for name, targets in (("mask", TargetConfig()), ("mask and distance", TargetConfig(distance=True))):
        found[name] = milliseconds(lambda n, t=targets: patch_targets(plain, t))
    for name, targets in (("mask", TargetConfig()), ("mask and distance", TargetConfig(distance=True))):
        started, wall, shown = time.process_time(), time.perf_counter(), 0
        for batch in islice(training_batches(Sampler(source), targets, size=16, workers=workers), batches):
            shown += len(batch)
        found[f"patches/s of a core, {name}"] = shown / (time.process_time() - started)
        found[f"patches/s, {workers} threads, {name}"] = shown / (time.perf_counter() - wall)
    return found


def dataset(folder: Path, fields: int) -> None:
    """Write simulated grey fields, each spoilt in one way, all ways in turn, by chance more or less."""
    made = Dataset.create(folder, ("cell",))
    for seed in range(fields):
        name = list(DEGRADATIONS)[seed % len(DEGRADATIONS)]
        severity = float(np.random.default_rng(seed).random())
        (spoilt,) = degraded_images([name], [severity], [seed])
        split = "val" if seed % 5 == 4 else "train"
        made.add(spoilt.field.image, spoilt.field.labels, name=f"field {seed}, {name}", split=split)


def sheet(path: Path) -> None:
    """Write a picture of a simulated patch after every operation, objects outlined."""
    import matplotlib.pyplot as plt

    picture = image(3, colour=True, shape=(256, 256), noise=0.02)
    config = AugmentationConfig()
    patch = Patch(picture.scaled(), picture.labels, np.zeros(picture.labels.shape, bool))
    pairs = {"original": Pair(None, None)}
    pairs |= {name: Pair(name, None) for name in config.photometric()}
    pairs |= {name: Pair(None, name) for name in config.geometric()}
    pairs["defocus + crowding_affine"] = Pair("defocus", "crowding_affine")
    figure, axes = plt.subplots(4, 6, figsize=(12, 8.4), dpi=80, layout="constrained")
    for axis, (name, pair) in zip(axes.ravel(), pairs.items(), strict=True):
        changed = apply_pair(patch, pair, config, np.random.default_rng(5))
        shown = changed.image.copy()
        shown[find_boundaries(changed.labels, mode="inner")] = (0.0, 0.45, 0.7)
        axis.imshow(shown, vmin=0, vmax=1, interpolation="nearest")
        axis.set_title(name, fontsize=8)
        axis.set_axis_off()
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3]
    Image.fromarray(pixels).quantize(256, Image.Quantize.MAXCOVERAGE).save(path, optimize=True)


def main() -> None:
    """Print what was measured, or write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grey", action="store_true", help="images of one channel")
    parser.add_argument("--workers", type=int, default=1, help="threads")
    parser.add_argument("--batches", type=int, default=20)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--dataset", type=Path)
    parser.add_argument("--fields", type=int, default=15)
    options = parser.parse_args()
    if options.dataset:
        dataset(options.dataset, options.fields)
        return
    if options.sheet:
        sheet(options.sheet)
        return
    found = measure(not options.grey, options.workers, options.batches)
    for name, value in found.items():
        print(f"{name:>40}: {value:8.2f}{'' if 'patches' in name else ' ms'}")
    if options.json:
        options.json.write_text(json.dumps(found, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
