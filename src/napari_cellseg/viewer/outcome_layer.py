"""The overlay of an evaluation, and the way to the place of a mistake."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from napari.components import ViewerModel
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray

from napari_cellseg.evaluation.mistakes import OUTCOME_COLOURS, Outcome
from napari_cellseg.viewer.evaluate_run import EvaluateRequest, Evaluation

OUTCOME_KEY = "napari-cellseg outcome"
"""Key of a layer's metadata that marks an overlay."""
SEEN_SIZE = 60
"""Screen pixels that an object should have at least after a jump."""


def is_overlay(layer: object) -> bool:
    """Whether a layer is an overlay of this module."""
    return isinstance(layer, Labels) and OUTCOME_KEY in layer.metadata


def show_outcomes(viewer: ViewerModel, evaluation: Evaluation) -> Labels | None:
    """Lay the outcome of each object over its image; earlier overlays of the same prediction go.

    Prediction and truth are hidden, so that the colours are those of the legend.

    Returns
    -------
    napari.layers.Labels or None
        The layer; None where the image is too large for one.
    """
    if evaluation.outcomes is None:
        return None
    prediction, truth = evaluation.request.prediction, evaluation.request.truth
    for layer in [layer for layer in viewer.layers if is_overlay(layer)]:
        if layer.metadata[OUTCOME_KEY] == prediction.unique_id:
            viewer.layers.remove(layer)
    layer = make_overlay(evaluation.outcomes, prediction)
    before = viewer.layers.selection.active
    viewer.add_layer(layer)
    layer.editable = False
    for hidden in (prediction, truth):
        hidden.visible = False
    if before in viewer.layers:
        viewer.layers.selection.active = before
    return layer


def make_overlay(outcomes: NDArray[np.uint8], prediction: Labels) -> Labels:
    """A labels layer coloured by outcome in the place of the prediction, not yet in a viewer."""
    colours: dict[int | None, Any] = {None: "transparent", 0: "transparent"}
    colours.update({int(outcome): colour for outcome, colour in OUTCOME_COLOURS.items()})
    names = ["", *(outcome.name.lower() for outcome in Outcome)]
    return Labels(
        outcomes,
        name=f"{prediction.name} outcome",
        colormap=DirectLabelColormap(color_dict=colours),
        features=pd.DataFrame({"index": range(len(names)), "outcome": names}),
        opacity=0.6,
        metadata={OUTCOME_KEY: prediction.unique_id},
        scale=prediction.scale,
        translate=prediction.translate,
        rotate=prediction.rotate,
        shear=prediction.shear,
        affine=prediction.affine,
        units=prediction.units,
        axis_labels=prediction.axis_labels,
    )


def error_position(request: EvaluateRequest, row: Mapping[str, Any]) -> NDArray[np.float64]:
    """Where a mistake is, in data coordinates of the prediction's layer.

    Parameters
    ----------
    request : EvaluateRequest
        What was compared.
    row : mapping
        A row of the report's errors.
    """
    outer = np.unravel_index(int(row["plane"]), request.outer_shape) if request.outer_shape else ()
    inner = [row[axis] for axis in "zyx"[-request.choices.dimensions :]]
    position = np.zeros(request.prediction.ndim)
    position[list(request.axes)] = [*outer, *inner]
    return position


def jump_to_error(viewer: ViewerModel, request: EvaluateRequest, row: Mapping[str, Any]) -> None:
    """Show the place of a mistake: its plane, in the middle, large enough to see; and select its labels.

    Parameters
    ----------
    viewer : ViewerModel
        Where to.
    request : EvaluateRequest
        What was compared.
    row : mapping
        A row of the report's errors.
    """
    layer = request.prediction
    world = np.asarray(layer.data_to_world(error_position(request, row)), float)
    first = viewer.dims.ndim - layer.ndim
    shown = {axis: world[axis - first] for axis in range(first, viewer.dims.ndim)}
    sliders = [axis for axis in viewer.dims.not_displayed if axis in shown]
    viewer.dims.set_point(sliders, [shown[axis] for axis in sliders])
    centre = [shown[axis] for axis in viewer.dims.displayed if axis in shown]
    camera = viewer.scene.camera
    camera.center = (*([camera.center[0]] * (3 - len(centre))), *centre)
    diameter = float(row["area"]) ** (1 / request.choices.dimensions) * float(abs(layer.scale[-1]))
    camera.zoom = max(camera.zoom, SEEN_SIZE / max(diameter, 1e-9))
    _select(viewer, request, row)


def _select(viewer: ViewerModel, request: EvaluateRequest, row: Mapping[str, Any]) -> None:
    """Select the labels of a mistake, and the layer in which it would be repaired."""
    for layer, ids in ((request.truth, row["truth_ids"]), (request.prediction, row["prediction_ids"])):
        if layer in viewer.layers and len(ids):
            layer.selected_label = int(ids[0])
            viewer.layers.selection.active = layer
