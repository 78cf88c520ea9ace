"""What a click on the image grows an object from: the maps of a model, or the local intensity."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_cellseg.errors import CellSegError, LabelsError, ModelError
from napari_cellseg.images.planes import Planes, open_planes
from napari_cellseg.images.scaling import IntensityRange
from napari_cellseg.labels.growing import grow_from_click, size_misfit
from napari_cellseg.models.registry import find_model
from napari_cellseg.pipeline.clicking import MapGrower, is_quick, quick_models
from napari_cellseg.review.status import model_origin
from napari_cellseg.viewer.grow_from import INTENSITY, OWN, load_grow_from, save_grow_from
from napari_cellseg.viewer.label_layer import METADATA_KEY
from napari_cellseg.viewer.layer_image import LayerImage, read_layer

PATIENCE = 0.3
"""Seconds that a click waits for a model that is being prepared."""
LEAST_REACH = 8.0
"""Least diameter that an object grown from the intensity may have, pixels."""
DEFAULT_REACH = 60.0
"""Largest diameter of an object grown from the intensity where no other objects tell the size, pixels."""
SEES_NOTHING = "the model sees nothing here"
OTHER_SIZE = "closer to the usual size than what the model sees"


@dataclass(frozen=True, slots=True)
class GrownObject:
    """An object that a click grew.

    Attributes
    ----------
    mask : (h, w) ndarray of bool
        Its pixels.
    origin : tuple of int
        Row and column of the mask's first pixel.
    cells : dict
        What the table says of it: column → value.
    words : str
        What it was grown from.
    """

    mask: NDArray[np.bool_]
    origin: tuple[int, int]
    cells: dict[str, Any]
    words: str


@dataclass(frozen=True, slots=True, eq=False)
class _Source:
    """A grower, and what it was made for."""

    key: tuple[Any, ...]
    grower: MapGrower
    model: str

    def fits(self, key: tuple[Any, ...]) -> bool:
        pairs = zip(self.key, key, strict=True)
        return all(a is b or (isinstance(a, str | int) and a == b) for a, b in pairs)


class ClickGrowing:
    """Grows objects of a labels layer from clicks.

    Parameters
    ----------
    viewer : ViewerModel
        Tells which plane is shown.
    layer : napari.layers.Labels
        The labels; their provenance tells which model found them, and at what scale.

    Attributes
    ----------
    choice : str
        `OWN`: the model that found the labels, if it gives maps, or the intensity, whichever comes closer to
        the usual size; the name of a model; or `INTENSITY`.
    """

    def __init__(self, viewer: ViewerModel, layer: Labels) -> None:
        self.choice, self._problem = load_grow_from()
        self._viewer, self._layer = viewer, layer
        self._own: tuple[Any, str | None] = (None, None)
        self._source: _Source | None = None
        self._image: tuple[Any, LayerImage] | None = None
        self._pending: tuple[MapGrower, int, Future[None]] | None = None
        self._workers = ThreadPoolExecutor(1, "cellseg-click")

    @property
    def model(self) -> str | None:
        """Name or file of the model that clicks use; None for the intensity."""
        if self.choice == OWN:
            return self._own_model()
        return None if self.choice == INTENSITY else self.choice

    def prepare(self, image_layer: Image | None, diameter: float | None) -> str:
        """Begin to load what the next click will need, in the background.

        Parameters
        ----------
        image_layer : napari.layers.Image or None
            The image.
        diameter : float or None
            Usual diameter of the objects, pixels, where it is known.

        Returns
        -------
        str
            What the user should know; empty where all is well.
        """
        words, self._problem = self._problem, ""
        if image_layer is None or self.model is None:
            return words
        try:
            source, plane = self._source_for(image_layer, diameter)
        except CellSegError as error:
            return str(error)
        if not source.grower.is_ready(plane):
            self._preparing(source.grower, plane)
        return words

    def choices(self) -> list[tuple[str, str]]:
        """What objects may grow from, each with a title."""
        own = self._own_model()
        known = {entry.card.name: entry.card.name for entry in quick_models()}
        found = {OWN: f"Automatic: {Path(own).stem if own else 'intensity'}", **known, INTENSITY: "Intensity"}
        if self.choice not in found:
            found[self.choice] = f"{Path(self.choice).stem} (not found)"
        return [(title, choice) for choice, title in found.items()]

    def choose(self, choice: str) -> None:
        """Grow from something else from now on, in later sessions too.

        Raises
        ------
        OutputError
            Where the choice cannot be remembered; it holds for this session.
        """
        self.choice = choice
        save_grow_from(choice)

    def grow(
        self,
        image_layer: Image | None,
        plane: tuple[int, ...],
        point: Sequence[float],
        diameter: float | None,
    ) -> GrownObject:
        """The object under a click.

        Parameters
        ----------
        image_layer : napari.layers.Image or None
            The image; it has the rows and columns of the labels.
        plane : tuple of int
            Leading indices into the labels.
        point : sequence of 2 floats
            Row and column.
        diameter : float or None
            Usual diameter of the objects, pixels, where it is known.

        Raises
        ------
        LabelsError
            Where there is no image, the click is outside or on an object, nothing stands out there, or the
            model is not ready yet.
        """
        pixels = self._shown_pixels(image_layer)
        y, x = (int(np.floor(float(p) + 0.5)) for p in point)
        shape = self._layer.data.shape[-2:]
        if not (0 <= y < shape[0] and 0 <= x < shape[1]):
            raise LabelsError("Click on the image.")
        if self._taken(plane, slice(y, y + 1), slice(x, x + 1)).any():
            raise LabelsError("The click is on an object already. Click beside it, or delete it first.")
        return self._grown(image_layer, pixels, plane, point, diameter)

    def _grown(
        self,
        image_layer: Image,
        pixels: Any,
        plane: tuple[int, ...],
        point: Sequence[float],
        diameter: float | None,
    ) -> GrownObject:
        """From the maps or from the intensity; where both may be, what comes closer to the usual size."""
        found, why = None, ""
        if self.model is not None:
            try:
                found = self._from_maps(image_layer, plane, point, diameter)
                why = SEES_NOTHING if found is None else OTHER_SIZE
            except LabelsError:
                raise
            except CellSegError as error:
                why = str(error)
        if found is not None and (self.choice != OWN or diameter is None):
            return found
        other = self._from_intensity(pixels, plane, point, diameter, why)
        if found is not None and size_misfit(found.mask, diameter) <= size_misfit(other.mask, diameter):
            return found
        if not other.mask.any():
            reason = f" ({why})" if why else ""
            raise LabelsError(
                f"Nothing stands out from its surroundings here{reason}. Draw the object instead."
            )
        return other

    def close(self) -> None:
        """Let go of the image and of the thread."""
        self._workers.shutdown(wait=False, cancel_futures=True)
        self._source = self._image = self._pending = None

    def _own_model(self) -> str | None:
        """The model that found the labels, looked for once: that reads the cards of all models."""
        record = self._layer.metadata.get(METADATA_KEY, {}).get("model")
        if record is not self._own[0]:
            self._own = (record, quick_model_of(record))
        return self._own[1]

    # -- maps -----------------------------------------------------------------------------------------------

    def _from_maps(
        self, image_layer: Image, plane: tuple[int, ...], point: Sequence[float], diameter: float | None
    ) -> GrownObject | None:
        source, number = self._source_for(image_layer, diameter)
        grower = source.grower
        if not grower.is_ready(number):
            self._wait_for(source, number)
        found = grower.grow(number, point, lambda y, x: self._taken(plane, y, x))
        if found is None:
            return None
        card = grower.card
        cells = {"origin": model_origin(card.name, card.version), "class": card.classes[0]}
        return GrownObject(found.mask, found.origin, cells, f"Grown with the model '{card.name}'.")

    def _wait_for(self, source: _Source, plane: int) -> None:
        """Wait a moment until a plane is prepared."""
        future = self._preparing(source.grower, plane)
        try:
            future.result(PATIENCE)
        except TimeoutError as error:
            raise LabelsError(
                f"The model '{source.model}' is being prepared for this image: click again in a moment."
            ) from error
        finally:
            if future.done():
                self._pending = None

    def _preparing(self, grower: MapGrower, plane: int) -> "Future[None]":
        if self._pending is None or self._pending[0] is not grower or self._pending[1] != plane:
            self._pending = (grower, plane, self._workers.submit(grower.prepare, plane))
        return self._pending[2]

    def _source_for(self, image_layer: Image, diameter: float | None) -> tuple[_Source, int]:
        """What grows objects in the shown image, and the number of the shown plane."""
        image = self._read(image_layer)
        record = self._layer.metadata.get(METADATA_KEY, {})
        at = self._shown_index(image_layer, image)
        channel = _channel(image, record, at)
        model = self.model or ""
        key = (image.data, model, record.get("model"), channel)
        if self._source is None or not self._source.fits(key):
            planes = open_planes(image.data, axes=image.axes, channel=channel)
            grower = _grower(planes, model, record, image, image_layer.name, diameter)
            self._source = _Source(key, grower, model)
        outer = [at[a] for a in image.outer_axes]
        lengths = [image.sizes[a] for a in image.outer_axes]
        return self._source, int(np.ravel_multi_index(outer, lengths)) if outer else 0

    def _read(self, image_layer: Image) -> LayerImage:
        """The image of a layer; its file's tags are read once."""
        data = image_layer.data[0] if image_layer.multiscale else image_layer.data
        if self._image is None or self._image[0] is not data:
            self._image = (data, read_layer(image_layer))
        return self._image[1]

    def _shown_index(self, image_layer: Image, image: LayerImage) -> dict[str, int]:
        """What the viewer shows along each axis."""
        at = _shown_place(self._viewer, image_layer, image.shape)
        return dict(zip(image.layer_axes, at, strict=True))

    # -- intensity ------------------------------------------------------------------------------------------

    def _from_intensity(
        self, image: Any, plane: tuple[int, ...], point: Sequence[float], diameter: float | None, why: str
    ) -> GrownObject:
        reach = DEFAULT_REACH if diameter is None else max(LEAST_REACH, 2 * diameter)
        size = int(np.ceil(reach)) + 2
        y, x = (
            slice(max(0, c - size), min(n, c + size + 1))
            for c, n in zip((round(p) for p in point), self._layer.data.shape[-2:], strict=True)
        )
        inside = (point[0] - y.start, point[1] - x.start)
        taken = self._taken(plane, y, x)
        mask = grow_from_click(np.asarray(image[y, x]), inside, max_diameter=reach, taken=taken)
        words = f"Grown from intensity: {why.rstrip('.')}." if why else "Grown from intensity."
        return GrownObject(mask, (y.start, x.start), {}, words)

    def _shown_pixels(self, layer: Image | None) -> Any:
        """The shown plane of the image, (Y, X) or (Y, X, C), not loaded where it is lazy."""
        if layer is None:
            raise LabelsError("An image is needed to grow an object from: choose one above.")
        data = layer.data[0] if layer.multiscale else layer.data
        leading = _shown_place(self._viewer, layer, data.shape)[:-2]
        plane = data[leading] if leading else data
        if tuple(plane.shape[:2]) != tuple(self._layer.data.shape[-2:]):
            raise LabelsError(f"'{layer.name}' has another size than the labels: choose their image above.")
        return plane

    def _taken(self, plane: tuple[int, ...], y: slice, x: slice) -> NDArray[np.bool_]:
        """Which pixels belong to an object."""
        taken: NDArray[np.bool_] = np.asarray(self._layer.data[(*plane, y, x)]) > 0
        return taken


def quick_model_of(record: Mapping[str, Any] | None) -> str | None:
    """Name or file of the model that a provenance names; None where it is gone, or cannot answer clicks."""
    argument = (record or {}).get("argument")
    if argument is None:
        return None
    try:
        entry = find_model(argument)
    except ModelError:
        return None
    return str(argument) if is_quick(entry.card) else None


def _shown_place(viewer: ViewerModel, layer: Image, shape: Sequence[int]) -> tuple[int, ...]:
    """What the viewer shows along each dimension of a layer."""
    point = np.asarray(layer.world_to_data(viewer.dims.point[-layer.ndim :]), float)
    limit = np.array(shape[: layer.ndim]) - 1
    return tuple(np.clip(np.round(point), 0, limit).astype(int).tolist())


def _is_of(record: Mapping[str, Any], image: LayerImage) -> bool:
    """Whether a provenance may be that of labels of an image."""
    about = record.get("image", {})
    return about.get("shape") == list(image.shape) and about.get("axes") == image.axes


def _channel(image: LayerImage, record: Mapping[str, Any], at: Mapping[str, int]) -> Any:
    """The channel that was segmented, else the one that is shown."""
    if not image.channels:
        return None
    known = record.get("parameters", {}).get("channel") if _is_of(record, image) else None
    if known is None and image.sizes.get("C", 1) > 1:
        return at["C"]
    return known


def _grower(
    planes: Planes,
    model: str,
    record: Mapping[str, Any],
    image: LayerImage,
    name: str,
    diameter: float | None,
) -> MapGrower:
    """A grower at the scale, and with the intensities, that found the labels, where that is known."""
    if record.get("model", {}).get("argument") != model:
        return MapGrower(planes, model, diameter=diameter)
    scale = record.get("resolved", {}).get("scale")
    ranges = {}
    if _is_of(record, image) and record["image"].get("name") == name:
        for known in record.get("intensities", ()):
            ranges[int(known["plane"])] = IntensityRange(
                known["low"], known["high"], known.get("clipped", True)
            )
    return MapGrower(planes, model, scale=scale, diameter=diameter, ranges=ranges)
