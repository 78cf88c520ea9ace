"""What a YOLO network in training finds in a few of its validation images."""

from typing import Any
from warnings import catch_warnings, simplefilter

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.datasets.store import Dataset
from napari_cellseg.errors import CellSegWarning
from napari_cellseg.models.card import IntensityScaling
from napari_cellseg.models.ultralytics import UltralyticsModel
from napari_cellseg.pipeline.job import segment
from napari_cellseg.training.runs.previews import Preview
from napari_cellseg.training.shown import MOST, evenly, shown_window
from napari_cellseg.training.yolo.cards import trained_card
from napari_cellseg.training.yolo.recipe import YoloRecipe
from napari_cellseg.training.yolo.tiles import Tiles, eight_bit, unchanged_images


class Previewer:
    """Shows a network the same parts of a few validation images, and segments them as users will.

    Parameters
    ----------
    recipe : YoloRecipe
        How it is trained.
    dataset : Dataset
        Has the images; those that have changed since the training began are left out.
    tiles : Tiles
        What the dataset was like then.

    Raises
    ------
    DatasetError
        Where a file of the dataset is damaged.
    """

    def __init__(self, recipe: YoloRecipe, dataset: Dataset, tiles: Tiles) -> None:
        card = trained_card(recipe, dataset, tiles, {"parameters": 0})
        self._card = card.model_copy(update={"scaling": IntensityScaling(keep_8bit=True)})
        self._shown: list[tuple[str, NDArray[np.uint8], NDArray[np.int32]]] = []
        names = unchanged_images(dataset, tiles)["val"]
        for name in (names[i] for i in evenly(len(names), MOST)):
            sample = dataset.sample(name)
            window = shown_window(sample.annotation.labels)
            picture = eight_bit(sample, recipe.channel, dataset.settings.scaling)[window]
            self._shown.append((name, picture, sample.annotation.labels[window]))

    def look(self, network: Any, device: str, epoch: int) -> list[Preview]:
        """What a network finds.

        Parameters
        ----------
        network : ultralytics.nn.tasks.SegmentationModel
            In evaluation mode, on the device.
        device : str
            ``"cpu"`` or ``"cuda:N"``.
        epoch : int
            After which it is shown, the first is 1.
        """
        ranks, network.end2end = network.end2end, False
        model = UltralyticsModel.around(self._card, network, device)
        found = []
        with catch_warnings():
            simplefilter("ignore", CellSegWarning)
            for name, picture, truth in self._shown:
                labels = segment(picture, model, axes="YX" if picture.ndim == 2 else "YXS").labels
                found.append(Preview(name, picture, truth, labels, epoch))
        network.end2end = ranks
        return found
