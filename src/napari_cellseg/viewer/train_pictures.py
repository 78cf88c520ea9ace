"""What a network in training finds, as pictures: the outlines of the truth and of what was found."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.errors import TrainingError
from napari_cellseg.evaluation.boundaries import outlines
from napari_cellseg.training.runs.previews import Preview, read_previews
from napari_cellseg.training.runs.run import RunFolder

TRUTH, FOUND, BOTH = "#56b4e9", "#e69f00", "#ffffff"
"""Colours of outlines that colour-blind eyes tell apart (Okabe and Ito)."""
EDGE = 256
"""Longest edge of a picture, pixels; larger previews are shown through every n-th pixel."""

Picture = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class PreviewPicture:
    """A preview, ready to be shown.

    Attributes
    ----------
    preview : Preview
        What it shows.
    picture : (H, W, 3) ndarray of uint8
        With outlines.
    words : str
        What it shows, in a line.
    """

    preview: Preview
    picture: Picture
    words: str


def preview_pictures(run: RunFolder) -> list[PreviewPicture]:
    """The last previews of a run as pictures.

    Raises
    ------
    TrainingError
        Where they cannot be read.
    """
    return [PreviewPicture(p, outlined(p.picture, p.truth, p.found), _words(p)) for p in read_previews(run)]


def outlined(picture: NDArray[np.uint8], truth: NDArray[Any], found: NDArray[Any]) -> Picture:
    """A picture with the outlines of truth and of what was found; where both agree they are white.

    Parameters
    ----------
    picture : (Y, X) or (Y, X, 3) ndarray of uint8
        The image.
    truth, found : (Y, X) ndarray of int
        Labels; 0 is background.

    Returns
    -------
    (H, W, 3) ndarray of uint8
        At most `EDGE` on its longest edge.

    Raises
    ------
    TrainingError
        Where the sizes differ.
    """
    if not picture.shape[:2] == truth.shape == found.shape:
        raise TrainingError(
            f"A preview must be of one size, got {picture.shape}, {truth.shape} and {found.shape}."
        )
    step = max(1, -(-max(picture.shape[:2]) // EDGE))
    image, truth, found = (np.ascontiguousarray(x[::step, ::step]) for x in (picture, truth, found))
    colours = np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image[..., :3].copy()
    colours = (0.8 * colours).astype(np.uint8)
    true, seen = (outlines(x.astype(np.int32)[None], edge=False)[0] for x in (truth, found))
    colours[true], colours[seen], colours[true & seen] = _rgb(TRUTH), _rgb(FOUND), _rgb(BOTH)
    return colours


def run_pictures(run: RunFolder) -> tuple[list[PreviewPicture], str]:
    """`preview_pictures`, or none and why: a training goes on without them."""
    try:
        return preview_pictures(run), ""
    except TrainingError as error:
        return [], str(error)


def _words(preview: Preview) -> str:
    found, true = (len(np.unique(x[x > 0])) for x in (preview.found, preview.truth))
    return f"{preview.image}, epoch {preview.epoch}: {found:,} found, {true:,} true"


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))
