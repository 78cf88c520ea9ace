"""Images of a dataset as users will segment them, to see how good a model is."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from warnings import catch_warnings, simplefilter

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.datasets.sample import Sample
from napari_cellseg.errors import CellSegWarning
from napari_cellseg.images.channels import Channel
from napari_cellseg.models.protocols import Model
from napari_cellseg.outputs import output_errors
from napari_cellseg.pipeline.job import segment
from napari_cellseg.pipeline.results import Segmentation
from napari_cellseg.training.yolo.tiles import sample_axes


def segment_sample(
    sample: Sample,
    model: Model,
    *,
    channel: Channel = None,
    confidence: float | None = None,
    keep_maps: Sequence[str] = (),
    filled: bool = True,
) -> Segmentation:
    """Segment an image of a dataset with its pixel size and the defaults of `segment`, without its warnings.

    Parameters
    ----------
    sample : Sample
        The image.
    model : Model
        A model that was loaded.
    channel : Channel
        What the model sees of several channels: the first, unless given; colour as it is.
    confidence : float, optional
        Objects at or above it become labels; the card's unless given.
    keep_maps : sequence of str
        Maps to keep in the result.
    filled : bool
        Whether pixels that nobody has reviewed are filled with background first, as for training.

    Raises
    ------
    DatasetError
        Where a file of the dataset is damaged.
    ModelError, DeviceError
        Where the model cannot be run.
    """
    pixels = sample.pixels()
    axes, chosen = sample_axes(pixels, channel)
    with catch_warnings():
        simplefilter("ignore", CellSegWarning)
        return segment(
            sample.training_pixels(pixels) if filled else pixels,
            model,
            axes=axes,
            channel=chosen,
            pixel_size=sample.origin.pixel_size,
            confidence=confidence,
            keep_maps=keep_maps,
        )


def labels_on_disk(labels: NDArray[np.int32], path: Path) -> NDArray[np.int32]:
    """The same labels, read from a file when they are looked at, so that many images fit into memory.

    Raises
    ------
    OutputError
        Where the file cannot be written.
    """
    with output_errors(path):
        np.save(path, labels)
    return np.load(path, mmap_mode="r")


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder for label images, removed afterwards."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:  # Windows keeps what is still open
        yield Path(folder)
