"""One run of the Segment dock on napari's models: the layer that fills, and what it becomes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from napari.components import ViewerModel
from napari.layers import Image
from numpy.typing import NDArray

from napari_cellseg.events import Job, Progress
from napari_cellseg.models.card import DISAGREEMENT
from napari_cellseg.models.registry import find_model
from napari_cellseg.pipeline import FinishedRegion, Segmentation, segmenting
from napari_cellseg.provenance import as_script
from napari_cellseg.viewer.choices import SegmentRequest
from napari_cellseg.viewer.coalesced import Coalesced, Later
from napari_cellseg.viewer.confidence import ConfidenceFilter
from napari_cellseg.viewer.detected import DetectedObjects, detected_objects
from napari_cellseg.viewer.feature_rows import write_rows
from napari_cellseg.viewer.label_layer import METADATA_KEY, LabelGeometry, make_labels_layer
from napari_cellseg.viewer.map_layer import add_map_layer
from napari_cellseg.viewer.pixel_size import source_path

REDRAW_INTERVAL = 0.2
"""Seconds between two redraws while results arrive."""
DOUBTFUL = 0.5
"""Objects below this confidence are counted in the result's line."""


@dataclass(frozen=True)
class Outcome:
    """What a run gives back: the result, and what the slider needs."""

    result: Segmentation
    objects: DetectedObjects


def segmenting_for_viewer(request: SegmentRequest, labels: NDArray[np.int32]) -> Job[Outcome]:
    """Segment into `labels` and work out what the slider needs; runs in any thread.

    Parameters
    ----------
    request : SegmentRequest
        What to run.
    labels : (…, Y, X) ndarray of int32
        Outer axes of the image, then Y and X.
    """
    card = find_model(request.arguments["model"]).card
    kept = [DISAGREEMENT] if DISAGREEMENT in card.maps and not request.preview else []
    result = yield from segmenting(request.image.data, out=labels, keep_maps=kept, **request.arguments)
    yield Progress("Finishing", 0, 1)
    objects = detected_objects(result, card.classes)
    return Outcome(result, objects)


class SegmentRun:
    """The labels layer of a run, from empty to done.

    Parameters
    ----------
    viewer : ViewerModel
        Where the layer goes.
    layer : Image
        Layer that is segmented.
    request : SegmentRequest
        What to run.
    replace : ConfidenceFilter, optional
        An earlier preview whose layer is removed when the first result arrives.
    later : Later, optional
        How to wait without blocking.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        layer: Image,
        request: SegmentRequest,
        replace: ConfidenceFilter | None = None,
        later: Later | None = None,
    ) -> None:
        self.request = request
        self.image_layer = layer
        self.labels = np.zeros(_labels_shape(request), np.int32)
        self.geometry = LabelGeometry.of(request.image)
        self._viewer = viewer
        self._replace = replace
        self._later = later
        self._shown = False
        self._redraw = Coalesced(self._refresh, REDRAW_INTERVAL, later)
        name = f"{layer.name} {'preview' if request.preview else 'cells'}"
        self.layer = make_labels_layer(self.labels, self.geometry, layer, name)
        self.layer.editable = False

    @property
    def layer_removed(self) -> bool:
        """Whether the user removed the layer that was being filled."""
        return self._shown and self.layer not in self._viewer.layers

    def job(self) -> Job[Outcome]:
        """The job to run in a thread."""
        return segmenting_for_viewer(self.request, self.labels)

    def receive(self, progress: Progress) -> None:
        """Show what a step of the job brought; on the thread that owns the layers."""
        if isinstance(progress.payload, FinishedRegion) and not self.layer_removed:
            self._show()
            self._redraw.request()

    def finish(self, outcome: Outcome) -> ConfidenceFilter | None:
        """Give the layer its table, its provenance and its slider; None where the layer was removed.

        Where the model is an ensemble that says how far it disagrees, a hidden layer of that map lies below.
        """
        self._redraw.cancel()
        if self.layer_removed:
            return None
        self._show()
        provenance = dict(outcome.result.provenance)
        provenance["image"] = {**provenance.get("image", {}), **self._image_record()}
        self.layer.metadata = {**self.layer.metadata, METADATA_KEY: provenance}
        self.layer.editable = True
        threshold = _threshold(provenance, self.request)
        slider = ConfidenceFilter(
            self.layer, self.labels, self.geometry, outcome.objects, threshold, self._later
        )
        for name, values in outcome.result.maps.items():
            add_map_layer(self._viewer, values, self.layer, name, self.geometry)
        self.layer.refresh()
        return slider

    def abandon(self) -> int:
        """After a cancel or an error: keep what is done, or take the layer away where nothing is.

        Returns
        -------
        int
            Number of objects that were kept.
        """
        self._redraw.cancel()
        if self.layer_removed or not self._shown:
            return 0
        kept = np.setdiff1d(self.labels, [0])
        if not len(kept):
            self._viewer.layers.remove(self.layer)
            return 0
        self.layer.editable = True
        write_rows(self.layer, pd.DataFrame({"index": kept}))
        self.layer.refresh()
        return len(kept)

    def _show(self) -> None:
        if self._shown:
            return
        if self._replace is not None and self._replace.layer in self._viewer.layers:
            self._replace.close()
            self._viewer.layers.remove(self._replace.layer)
        self._viewer.add_layer(self.layer)
        self._shown = True

    def _refresh(self) -> None:
        if not self.layer_removed:
            self.layer.refresh(extent=False, thumbnail=False, highlight=False)

    def _image_record(self) -> dict[str, Any]:
        path = source_path(self.image_layer)
        return {"name": self.image_layer.name, "path": str(path) if path else None}


def result_line(slider: ConfidenceFilter, pixels: int) -> str:
    """The result in a line: how many, how many are doubtful, how much they cover.

    Parameters
    ----------
    slider : ConfidenceFilter
        The result.
    pixels : int
        Pixels that were segmented.
    """
    covered = min(1.0, slider.covered_pixels() / max(1, pixels))
    confidence = slider.shown_confidence
    count = len(confidence) + slider.added
    text = f"{count:,} {'cell' if count == 1 else 'cells'}"
    doubtful = int(np.count_nonzero(confidence < DOUBTFUL))
    if doubtful:
        text += f", {doubtful:,} below {DOUBTFUL:g}"
    elif slider.hidden:
        text += f", {slider.hidden:,} weaker {'one' if slider.hidden == 1 else 'ones'} hidden"
    return f"{text}; confluence {100 * covered:.0f} %"


def script_of(slider: ConfidenceFilter) -> str:
    """Python that repeats a result, with the confidence that the slider shows."""
    provenance = slider.layer.metadata[METADATA_KEY]
    resolved = {**provenance["resolved"], "confidence": slider.threshold}
    return as_script({**provenance, "resolved": resolved})


def is_untouched(slider: ConfidenceFilter) -> bool:
    """Whether no person has changed any object of a result."""
    status = slider.layer.features.get("status")
    return status is None or not status.astype(str).isin(["edited", "added", "accepted"]).any()


def _labels_shape(request: SegmentRequest) -> tuple[int, ...]:
    sizes = request.image.sizes
    return tuple(sizes[a] for a in request.image.outer_axes + "YX")


def _threshold(provenance: dict[str, Any], request: SegmentRequest) -> float:
    resolved = provenance.get("resolved", {}).get("confidence")
    if resolved is not None:
        return float(resolved)
    given = request.arguments["confidence"]
    return float(given if given is not None else find_model(request.arguments["model"]).card.confidence)
