"""One object from one click: a model's maps of a window around it, decoded where the click is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.errors import ModelError, OptionError
from napari_cellseg.events import drain
from napari_cellseg.images.planes import Planes
from napari_cellseg.images.resampling import read_scaled
from napari_cellseg.images.scaling import IntensityRange
from napari_cellseg.instances.decoding import Decoded, Maps
from napari_cellseg.instances.instance import Instances
from napari_cellseg.labels.enlarging import Placement, border_levels, enlarge_labels
from napari_cellseg.labels.growing import SMALLEST_AREA, grow_from_maps, object_at
from napari_cellseg.labels.pieces import largest_piece
from napari_cellseg.models.card import ModelCard
from napari_cellseg.models.protocols import PixelModel
from napari_cellseg.models.registry import ModelEntry, list_models, load_model
from napari_cellseg.pipeline.finding import compile_decoding, decoder_of, predicted_maps
from napari_cellseg.pipeline.options import SCALE_LIMITS, scale_for
from napari_cellseg.pipeline.sizing import estimate_diameter
from napari_cellseg.pipeline.view import PlaneView, measure_intensities, stack_contrast, widened
from napari_cellseg.tiles.grid import Window

WINDOW = 256
"""Edge of the window around a click that the network sees, network pixels."""

QUICK_PARAMETERS = 5_000_000
"""Networks with more weights take too long on a CPU for a click."""

ReadMask = Callable[[slice, slice], NDArray[np.bool_]]
"""Reads rows and columns of a plane, as (h, w) bool."""


@dataclass(frozen=True, slots=True)
class Grown:
    """An object that a click grew.

    Attributes
    ----------
    mask : (h, w) ndarray of bool
        Its pixels, cropped.
    origin : tuple of int
        Row and column of the mask's first pixel in the plane.
    confidence : float
        What the model thinks of it, 0 to 1.
    """

    mask: NDArray[np.bool_]
    origin: tuple[int, int]
    confidence: float


def is_quick(card: ModelCard) -> bool:
    """Whether a model gives maps, loads without torch, and is small enough to answer a click at once."""
    return card.kind == "pixel" and card.backend == "onnx" and card.parameters <= QUICK_PARAMETERS


def quick_models() -> list[ModelEntry]:
    """The models that have a name and may grow objects from clicks."""
    return [entry for entry in list_models() if is_quick(entry.card)]


class MapGrower:
    """Grows objects from clicks on an image, from the maps of a model.

    The network sees the window at the scale and with the intensity range that `segment` would use for the
    whole plane. It runs on the CPU, which needs no warming up and takes no memory from other jobs.

    Parameters
    ----------
    planes : Planes
        The image.
    model : str, Path or PixelModel
        What `load_model` takes.
    scale : float, optional
        Network pixels per image pixel, as in the provenance of a segmentation.
    diameter : float, optional
        Diameter of the objects, image pixels, where the scale is not known; without either it is the
        model's default, measured in the first plane that is prepared where the model does so.
    ranges : mapping of int to IntensityRange, optional
        Ranges of planes, where they are known already.
    """

    def __init__(
        self,
        planes: Planes,
        model: str | Path | PixelModel,
        *,
        scale: float | None = None,
        diameter: float | None = None,
        ranges: Mapping[int, IntensityRange] | None = None,
    ) -> None:
        self.planes = planes
        self._choice, self._scale, self._diameter = model, scale, diameter
        self._ranges = dict(ranges or {})
        self._contrasts: dict[tuple[int, ...], float] = {}
        self._model: PixelModel | None = None

    def is_ready(self, plane: int) -> bool:
        """Whether a click on a plane has nothing to wait for."""
        return self._model is not None and self._scale is not None and plane in self._ranges

    def prepare(self, plane: int) -> None:
        """Load the model, and find out the intensity range of a plane and, once, the scale.

        It may take seconds, and may run in a thread of its own.

        Raises
        ------
        ModelError
            Where the model cannot be loaded, or gives no maps.
        """
        if self._model is None:
            model = load_model(self._choice, "cpu")
            if not isinstance(model, PixelModel):
                raise ModelError(f"Model '{model.card.name}' gives objects, not maps to grow them from.")
            _compile(model.card)
            self._model = model
        if plane not in self._ranges:
            self._ranges[plane] = self._measured_range(plane, self._model.card)
        if self._scale is None:
            self._scale = self._measured_scale(plane, self._model)

    def grow(self, plane: int, point: Sequence[float], taken: ReadMask) -> Grown | None:
        """The object under a click, however weak; None where the maps show none.

        Parameters
        ----------
        plane : int
            Number of the plane.
        point : sequence of 2 floats
            The click, y and x, in pixels of the plane.
        taken : callable
            Reads which pixels belong to other objects; the object leaves them out.

        Raises
        ------
        OptionError
            Where the click is outside of the plane.
        ModelError
            Where the model cannot be loaded or fails.
        """
        if not all(-0.5 <= p < n - 0.5 for p, n in zip(point, self.planes.shape, strict=True)):
            raise OptionError(f"The click must be on the image, not at {point[0]:g}, {point[1]:g}.")
        if not self.is_ready(plane):
            self.prepare(plane)
        model, view = self._seen(plane)
        if view.range.is_constant:
            return None
        at = [(p + 0.5) * view.scale - 0.5 for p in point]
        window = _window_around(view.shape, at, model.card.tile_multiple)
        maps = _free_maps(model, view, window, taken)
        inside = [
            min(max(a - w.start, 0.0), n - 1.0) for a, w, n in zip(at, window, maps.shape[1:], strict=True)
        ]
        decoded, label = grow_from_maps(maps, decoder_of(model.card), inside)
        if not label:
            return None
        origin = (window[0].start, window[1].start)
        found = _placed(decoded, label, maps, Placement(view.scale, origin, self.planes.shape), model.card)
        return _left_free(found, point, taken)

    @property
    def card(self) -> ModelCard:
        """Card of the model.

        Raises
        ------
        ModelError
            Where no plane has been prepared yet.
        """
        return self._loaded().card

    def _loaded(self) -> PixelModel:
        if self._model is None:
            raise ModelError("The model is not loaded yet: prepare a plane first.")
        return self._model

    def _seen(self, plane: int) -> tuple[PixelModel, PlaneView]:
        model = self._loaded()
        view = PlaneView(self.planes, plane, self._ranges[plane], self._scale or 1.0, model.card.channels)
        return model, view

    def _measured_range(self, plane: int, card: ModelCard) -> IntensityRange:
        """The range that `segment` uses; only the sample is read, and not a whole lazy plane for its NaN."""
        corner = (slice(0, 1), slice(0, 1))
        found = measure_intensities(self.planes, plane, card.scaling, corner).range
        if "Z" not in self.planes.outer_axes:
            return found
        axis = self.planes.outer_axes.index("Z")
        stack = self.planes.index(plane)[:axis] + self.planes.index(plane)[axis + 1 :]
        if stack not in self._contrasts:
            self._contrasts[stack] = stack_contrast(self.planes, plane, card.scaling)
        return widened(found, self._contrasts[stack])

    def _measured_scale(self, plane: int, model: PixelModel) -> float:
        diameter = self._diameter or model.card.default_diameter
        if diameter == "auto":
            view = PlaneView(self.planes, plane, self._ranges[plane], 1.0, model.card.channels)
            diameter = None if view.range.is_constant else drain(estimate_diameter(model, view))
        if diameter is None:
            return 1.0
        low, high = SCALE_LIMITS
        return min(high, max(low, scale_for(float(diameter), model.card)))


def _compile(card: ModelCard) -> None:
    """Have numba compile all that a click needs, or load it compiled."""
    compile_decoding(card)
    maps = np.zeros((len(card.maps), 16, 16), np.float32)
    maps[0, 4:12, 4:12] = 1
    labels = maps[0].astype(np.int32)
    one = np.ones(1, np.float32)
    decoded = Decoded(labels, one, np.zeros(1, np.int16), np.full((1, 2), 8, np.float32))
    _placed(decoded, 1, maps, Placement(0.5, (0, 0), (32, 32)), card)


def _window_around(shape: tuple[int, int], at: Sequence[float], multiple: int) -> Window:
    """A window around a place at network scale, inside the plane where it fits; it starts where tiles may."""
    spans = []
    for place, size in zip(at, shape, strict=True):
        padded = -(-size // multiple) * multiple
        edge = min(WINDOW // multiple * multiple, padded)
        start = round((place - edge / 2) / multiple) * multiple
        start = max(0, min(start, padded - edge))
        spans.append(slice(start, start + edge))
    return spans[0], spans[1]


def _free_maps(model: PixelModel, view: PlaneView, window: Window, taken: ReadMask) -> Maps:
    """Maps of a window, without what lies past the plane, and no foreground where other objects are."""
    maps = predicted_maps(model, view.read(*window)[None])[0]
    y, x = (slice(w.start, min(w.stop, n)) for w, n in zip(window, view.shape, strict=True))
    maps = np.array(maps[:, : y.stop - y.start, : x.stop - x.start])
    maps[0][read_scaled(taken, view.planes.shape, view.scale, y, x) > 0.5] = 0
    return maps


def _placed(decoded: Decoded, label: int, maps: Maps, placement: Placement, card: ModelCard) -> Instances:
    """One decoded object in the pixels of the plane."""
    levels = border_levels(decoded.labels, maps[0], len(decoded.scores))
    thresholds = np.minimum(levels, decoder_of(card).foreground)
    which = np.array([label - 1])
    return enlarge_labels(
        decoded.labels, decoded.scores, decoded.classes, which, placement, maps[0], thresholds
    )


def _left_free(found: Instances, point: Sequence[float], taken: ReadMask) -> Grown | None:
    """The piece of an object, nearest to the click, that other objects leave; None where it is too small."""
    y0, x0, y1, x1 = found.boxes[0].tolist()
    if y1 <= y0:
        return None
    free = found.masks[0] & ~taken(slice(y0, y1), slice(x0, x1))
    piece = object_at(free, (point[0] - y0, point[1] - x0))
    piece = piece if piece.any() else largest_piece(free)
    if np.count_nonzero(piece) < SMALLEST_AREA:
        return None
    return Grown(piece, (y0, x0), float(found.scores[0]))
