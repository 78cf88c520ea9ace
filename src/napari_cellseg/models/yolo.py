"""YOLO segmentation networks: what their outputs mean, and exported ONNX files without torch or ultralytics.

Ultralytics' exports come in three kinds that look alike: every anchor's box and scores (the usual head), the
same after suppression inside the file (``nms=True``), and an end-to-end head (``nms=False`` of YOLO26). All
have prototype masks as second output. What the export writes into the file's metadata gives class names, size
and stride.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.errors import ModelError
from napari_cellseg.instances.instance import Instances
from napari_cellseg.instances.merging import TileMerger, clip_instances
from napari_cellseg.instances.prototypes import Detections, decode_prototypes
from napari_cellseg.models.card import ModelCard
from napari_cellseg.models.onnx import OnnxNetwork
from napari_cellseg.models.protocols import Tiles

PADDING = 114 / 255
"""Grey that fills a tile up to the size that a network takes, as in its training."""

SMALLEST_SPLIT = 64
"""Tiles with too many objects are not split below this edge, pixels."""

Outputs: TypeAlias = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Boxes of one tile, (4 + classes + M, A) or (K, 6 + M), and its prototypes (M, h, w)."""
Network: TypeAlias = Callable[[Tiles], list[Outputs]]
"""Gives the outputs of each of (N, 3, H, W) tiles of a size that it takes."""


def read_detections(boxes: NDArray[Any], prototypes: int, classes: int, floor: float) -> Detections:
    """Detections of one tile, from either layout of the first output.

    Parameters
    ----------
    boxes : (4 + classes + M, A) or (K, 6 + M) ndarray of float
        Centre, width and height, a score per class and the coefficients of every anchor; or corners, score,
        class and coefficients of the K best, by descending score.
    prototypes : int
        Number M of prototypes.
    classes : int
        Number of classes.
    floor : float
        Least score that is of interest.

    Raises
    ------
    ModelError
        Where the shape is neither of the two.
    """
    boxes = np.asarray(boxes, np.float32)
    if is_ranked(boxes, prototypes, classes):
        best = boxes[boxes[:, 4] >= floor]
        corners = best[:, [1, 0, 3, 2]]
        return Detections(corners, best[:, 4], best[:, 5].astype(np.int16), np.ascontiguousarray(best[:, 6:]))
    scores = boxes[4 : 4 + classes]
    chosen = np.flatnonzero(scores.max(axis=0) >= floor)
    x, y, w, h = boxes[:4, chosen]
    corners = np.stack([y - h / 2, x - w / 2, y + h / 2, x + w / 2], axis=1)
    scores = scores[:, chosen]
    best_class = scores.argmax(axis=0)
    coefficients = np.ascontiguousarray(boxes[4 + classes :, chosen].T)
    return Detections(
        corners, scores[best_class, np.arange(len(chosen))], best_class.astype(np.int16), coefficients
    )


def is_ranked(boxes: NDArray[Any], prototypes: int, classes: int) -> bool:
    """Whether an output holds the K best objects rather than all anchors.

    Raises
    ------
    ModelError
        Where it is neither.
    """
    if boxes.ndim == 2 and boxes.shape[0] == 4 + classes + prototypes:
        return False
    if boxes.ndim == 2 and boxes.shape[1] == 6 + prototypes:
        return True
    raise ModelError(
        f"A YOLO segmentation network with {classes} classes and {prototypes} prototypes must return "
        f"({4 + classes + prototypes}, anchors) or (objects, {6 + prototypes}) values for a tile, "
        f"not {boxes.shape}."
    )


class YoloModel:
    """An instance model around any network that returns boxes and prototypes.

    Parameters
    ----------
    card : ModelCard
        Its card, with `prototypes`.
    network : callable
        Runs it.
    device : str
        What it runs on.

    Attributes
    ----------
    split_tiles : int
        Tiles so far that held more objects than the network can give at once and were seen in parts.
    """

    def __init__(self, card: ModelCard, network: Network, device: str) -> None:
        if card.prototypes is None:
            raise ModelError(f"The card of model '{card.name}' does not say how its prototypes are decoded.")
        self.card, self.device = card, device
        self._decoding, self._network = card.prototypes, network
        self.split_tiles = 0

    def predict_instances(self, tiles: Tiles) -> list[Instances]:
        """Objects of a batch of tiles.

        Parameters
        ----------
        tiles : (N, 3, H, W) ndarray of float32
            Scaled intensities; what is below 0 or above 1 is cut off, as in 8-bit images.

        Returns
        -------
        list of N Instances
            In pixels of each tile, with confidences down to the card's floor.

        Raises
        ------
        OutOfMemoryError
            Where the device has too little memory for these tiles.
        ModelError
            Where the network fails, or returns something else than a YOLO segmentation network.
        """
        shape = int(tiles.shape[2]), int(tiles.shape[3])
        outputs = self._network(self._padded(np.clip(tiles, 0.0, 1.0)))
        return [self._objects(tile, out, shape) for tile, out in zip(tiles, outputs, strict=True)]

    def _objects(self, tile: Tiles, output: Outputs, shape: tuple[int, int]) -> Instances:
        boxes, prototypes = output
        count = len(prototypes)
        if not np.isfinite(boxes).all():
            raise ModelError(
                f"Model '{self.card.name}' returned values that are no numbers; its weights are damaged, or "
                f"too coarse a type of number is used on {self.device}."
            )
        found = read_detections(boxes, count, len(self.card.classes), self.card.confidence_floor)
        ranked = is_ranked(boxes, count, len(self.card.classes))
        if ranked and 0 < len(boxes) <= len(found) and min(shape) >= 2 * SMALLEST_SPLIT:
            self.split_tiles += 1
            return self._in_parts(tile)
        objects = decode_prototypes(found, prototypes, self._size(shape), self._decoding)
        return clip_instances(objects, (0, 0, *shape))

    def _in_parts(self, tile: Tiles) -> Instances:
        """Objects of a tile that is seen as four overlapping ones."""
        height, width = tile.shape[1:]
        merger = TileMerger((height, width))
        for y in _halves(height, self.card.tile_multiple):
            for x in _halves(width, self.card.tile_multiple):
                part = np.ascontiguousarray(tile[None, :, y, x])
                merger.add(self.predict_instances(part)[0].shifted(y.start, x.start), y, x)
        return merger.finish()

    def _size(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Height and width that the network gets for a tile of this shape."""
        if self.card.fixed_tile:
            return self.card.tile, self.card.tile
        multiple = self.card.tile_multiple
        return math.ceil(shape[0] / multiple) * multiple, math.ceil(shape[1] / multiple) * multiple

    def _padded(self, tiles: Tiles) -> Tiles:
        height, width = self._size((tiles.shape[2], tiles.shape[3]))
        below, right = height - tiles.shape[2], width - tiles.shape[3]
        if below < 0 or right < 0:
            raise ModelError(
                f"Model '{self.card.name}' takes tiles of up to {self.card.tile} pixels, "
                f"not {tiles.shape[2]} x {tiles.shape[3]}."
            )
        if below == right == 0:
            return np.ascontiguousarray(tiles)
        edges = ((0, 0), (0, 0), (0, below), (0, right))
        return np.pad(tiles, edges, constant_values=np.float32(PADDING))


def _halves(length: int, multiple: int) -> tuple[slice, slice]:
    """Two overlapping parts of an axis, each about five eighths of it."""
    edge = min(length, math.ceil(0.625 * length / multiple) * multiple)
    return slice(0, edge), slice(length - edge, length)


class OnnxYoloModel(YoloModel):
    """A YOLO segmentation network in an ONNX file.

    Parameters and errors are those of `napari_cellseg.models.onnx.OnnxNetwork`.
    """

    def __init__(self, card: ModelCard, weights: str | Path, device: str = "auto") -> None:
        self._file = OnnxNetwork(card, weights, device)
        inputs, outputs = self._file.inputs, self._file.outputs
        shapes = [len(node.shape) for node in (*inputs, *outputs)]
        if shapes != [4, 3, 4] or inputs[0].type not in _DTYPES:
            raise ModelError(
                f"'{weights}' is not a YOLO segmentation network: it must have one image as input, and boxes "
                f"and prototype masks as outputs."
            )
        self._dtype = _DTYPES[inputs[0].type]
        self._one_by_one = inputs[0].shape[0] == 1
        super().__init__(card, self._run, self._file.device)

    def _run(self, tiles: Tiles) -> list[Outputs]:
        tiles = tiles.astype(self._dtype, copy=False)
        groups = [tiles[i : i + 1] for i in range(len(tiles))] if self._one_by_one else [tiles]
        results: list[Outputs] = []
        for group in groups:
            boxes, prototypes = (values.astype(np.float32, copy=False) for values in self._file.run(group))
            results += zip(boxes, prototypes, strict=True)
        return results


_DTYPES: dict[str, type[np.floating[Any]]] = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
