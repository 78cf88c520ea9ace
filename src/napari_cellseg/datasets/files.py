"""The files of one image of a dataset."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from pathlib import Path

import numpy as np

from napari_cellseg.datasets.annotation import Annotation
from napari_cellseg.datasets.encoding import (
    as_stored,
    file_hash,
    pack_masks,
    write_planes,
    write_png,
    write_source,
)
from napari_cellseg.datasets.formats.yolo import polygon_lines
from napari_cellseg.datasets.picture import picture
from napari_cellseg.datasets.sample import Pixels, Sample
from napari_cellseg.datasets.settings import Settings

Write = Callable[[Path], None]


def file_writers(sample: Sample, pixels: Pixels, settings: Settings) -> dict[str, Write]:
    """How each file of a sample is written, by the folder it belongs to.

    Parameters
    ----------
    sample : Sample
        The sample.
    pixels : (Y, X) or (Y, X, C) ndarray
        Its pixels.
    settings : Settings
        The dataset's; its classes are those of the sample and more.
    """
    annotation, size = sample.annotation, sample.origin.pixel_size
    shown = sample.training_pixels(pixels)
    writers: dict[str, Write] = {
        "images": lambda path: write_png(path, picture(shown, settings.scaling)),
        "labels": lambda path: write_polygons(path, annotation, settings.classes),
        "masks": lambda path: write_planes(path, [as_stored(annotation.labels)], size),
        "source": lambda path: write_source(path, pixels, size),
    }
    if annotation.covered:
        masks, shape = list(annotation.covered.values()), annotation.shape
        writers["covered"] = lambda path: write_planes(path, pack_masks(masks, shape))
    ignored = sample.ignored
    if ignored is not None and ignored.any():
        writers["ignored"] = lambda path: write_planes(path, [ignored.astype(np.uint8)])
    return writers


def write_all(executor: Executor, writers: Iterable[tuple[Path, Write]]) -> list[str]:
    """Write files side by side; the SHA-256 of each."""
    return list(executor.map(_write_hashed, writers))


def write_polygons(path: Path, annotation: Annotation, classes: Sequence[str]) -> None:
    """Write the objects as polygons for trainers of the YOLO family, a line each."""
    lines = polygon_lines(annotation, classes)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")


def _write_hashed(job: tuple[Path, Write]) -> str:
    path, write = job
    write(path)
    return file_hash(path)
