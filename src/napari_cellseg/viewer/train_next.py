"""Which image to correct next, as the dock lists them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from napari.components import ViewerModel
from napari.layers import Image

from napari_cellseg.errors import OptionError
from napari_cellseg.evaluation.writing import write_table
from napari_cellseg.events import Job, Progress
from napari_cellseg.training.next_images import ranking
from napari_cellseg.viewer.reading import read_image_layer


@dataclass(frozen=True)
class NextImage:
    """A row of the list.

    Attributes
    ----------
    path : Path
        The file.
    score : float
        0 to 1; NaN where it could not be read.
    reasons : str
        Why it is where it is.
    plane : int
        Plane of a stack that is meant, over all its leading axes but channels; 0 where there is one only.
    """

    path: Path
    score: float
    reasons: str
    plane: int

    @property
    def words(self) -> str:
        """Its score as the list shows it."""
        return "–" if self.score != self.score else f"{self.score:.2f}"


def ranking_images(paths: Sequence[Path], model: str, dataset: Path | None) -> Job[pd.DataFrame]:
    """Rank images; errors as in `ranking`."""
    if not paths:
        raise OptionError("Choose a folder with images first.")
    return (yield from ranking(list(paths), model, dataset))


def next_images(table: pd.DataFrame) -> list[NextImage]:
    """The rows of a ranking."""
    return [
        NextImage(Path(row.image), float(row.score), str(row.reasons), int(row.plane))
        for row in table.itertuples()
    ]


def open_next(viewer: ViewerModel, image: NextImage) -> Image:
    """Open an image in front of all others, or show it where it is open.

    Raises
    ------
    ImageError
        Where it cannot be read.
    """
    for layer in viewer.layers:
        if isinstance(layer, Image) and layer.metadata.get("path") == str(image.path):
            shown = layer
            break
    else:
        data, keywords, _ = read_image_layer(image.path)
        shown = viewer.add_image(data, **keywords)
    for layer in viewer.layers:
        layer.visible = layer is shown
    viewer.layers.selection = {shown}
    viewer.layers.selection.active = shown
    viewer.reset_view()
    _show_plane(viewer, shown, image.plane)
    return shown


def saving_ranking(table: pd.DataFrame, path: Path) -> Job[Path]:
    """Write a ranking as CSV.

    Raises
    ------
    OutputError
        Where it cannot be written.
    """
    yield Progress("Writing the list", 0, 0, path.name)
    write_table(table, path)
    return path


def _show_plane(viewer: ViewerModel, layer: Image, plane: int) -> None:
    """Move the sliders to a plane of a layer, whose planes are counted over all axes but channels."""
    axes = [a for a in range(layer.ndim - 2) if layer.axis_labels[a] != "c"]
    first = viewer.dims.ndim - layer.ndim
    data = layer.data[0] if layer.multiscale else layer.data
    steps = np.unravel_index(plane, [data.shape[a] for a in axes]) if axes else ()
    for axis, step in zip(axes, steps, strict=True):
        viewer.dims.set_current_step(first + axis, int(step))
