"""One evaluation of the Evaluate dock on napari's models: two labels layers and how they compare."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pandas as pd
from napari.layers import Labels
from numpy.typing import NDArray

from napari_cellseg.errors import OptionError, OutputError
from napari_cellseg.evaluation.evaluating import evaluating
from napari_cellseg.evaluation.mistakes import outcome_map
from napari_cellseg.evaluation.pairs import Dimensions
from napari_cellseg.evaluation.report import write_html
from napari_cellseg.evaluation.results import Report
from napari_cellseg.evaluation.writing import write_errors, write_images, write_json
from napari_cellseg.events import Job, Progress

OVERLAY_PIXELS = 2**31
"""Labels with more pixels get no overlay, which would need as many bytes."""
REPORT_SUFFIXES = (".html", ".json", ".csv")
"""What a report can be saved as."""


@dataclass(frozen=True)
class EvaluateChoices:
    """What the form of the Evaluate dock says, besides the layers.

    Attributes
    ----------
    dimensions : 2 or 3
        Whether each plane is an image of its own, or the last three axes are volumes.
    iou : float
        IoU from which a predicted object is a hit.
    boundary_tolerance : float
        Pixels by which a boundary may be off.
    in_units : bool
        Whether distances are in the unit of the layer's scale rather than in pixels.
    """

    dimensions: Dimensions = 2
    iou: float = 0.5
    boundary_tolerance: float = 2.0
    in_units: bool = False


@dataclass(frozen=True)
class EvaluateRequest:
    """An evaluation that can be started.

    Attributes
    ----------
    prediction, truth : napari.layers.Labels
        The layers.
    predicted, true : array-like of int
        Their labels at full resolution, without outer axes of length 1.
    axes : tuple of int
        The dimensions of the prediction's layer that `predicted` has.
    choices : EvaluateChoices
        How to compare.
    """

    prediction: Labels
    truth: Labels
    predicted: Any
    true: Any
    axes: tuple[int, ...]
    choices: EvaluateChoices

    @property
    def outer_shape(self) -> tuple[int, ...]:
        """Sizes of the axes before the plane or volume."""
        return tuple(int(n) for n in self.predicted.shape[: -self.choices.dimensions])

    @property
    def spacing(self) -> tuple[float, ...] | None:
        """Size of a pixel along the axes of a plane or volume; None for distances in pixels."""
        if not self.choices.in_units:
            return None
        inner = self.axes[-self.choices.dimensions :]
        return tuple(float(abs(self.prediction.scale[a])) for a in inner)


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation gives the viewer.

    Attributes
    ----------
    request : EvaluateRequest
        What was compared.
    report : Report
        The numbers and the list of errors.
    outcomes : ndarray of uint8 or None
        `Outcome` at each pixel, of the shape of the prediction's layer; None where it would be too large.
    without_confidence : int
        Predicted objects that had none, while others have.
    """

    request: EvaluateRequest
    report: Report
    outcomes: NDArray[np.uint8] | None
    without_confidence: int


def make_request(prediction: Labels, truth: Labels, choices: EvaluateChoices) -> EvaluateRequest:
    """What to compare, from what the user chose.

    Raises
    ------
    OptionError
        If the two layers cannot be compared; in words.
    """
    if prediction is truth:
        raise OptionError("Prediction and truth are the same layer: choose another one.")
    predicted, axes = full_labels(prediction)
    true, _ = full_labels(truth)
    if predicted.shape != true.shape:
        raise OptionError(
            f"'{prediction.name}' has {size_words(predicted.shape)} and '{truth.name}' has "
            f"{size_words(true.shape)}: only labels of one size can be compared."
        )
    if choices.dimensions > predicted.ndim:
        raise OptionError("Volumes need a stack of planes; these labels are one plane.")
    return EvaluateRequest(prediction, truth, predicted, true, axes, choices)


def full_labels(layer: Labels) -> tuple[Any, tuple[int, ...]]:
    """Labels at full resolution without outer axes of length 1, and the layer's dimensions that remain."""
    data = layer.data[0] if layer.multiscale else layer.data
    last = data.ndim - 2
    axes = tuple(a for a in range(data.ndim) if a >= last or data.shape[a] != 1)
    if len(axes) == data.ndim:
        return data, axes
    array = data if isinstance(data, np.ndarray) else da.asarray(data)
    return array[tuple(slice(None) if a in axes else 0 for a in range(data.ndim))], axes


def size_words(shape: tuple[int, ...]) -> str:
    """A shape in words, width first as image programs say it."""
    plane = f"{shape[-1]} × {shape[-2]} pixels"
    return f"{' × '.join(str(n) for n in shape[:-2])} planes of {plane}" if len(shape) > 2 else plane


def request_sentence(request: EvaluateRequest) -> str:
    """What will be compared, in words."""
    shape, choices = request.predicted.shape, request.choices
    size = size_words(shape)
    if len(shape) > 2:
        volumes = choices.dimensions == 3
        count = int(np.prod(request.outer_shape))
        whole = "as a volume" if count == 1 else f"as {count} volumes"
        size += f", {whole} with objects in 3-D" if volumes else ", each plane for itself"
    parts = [
        f"Compares '{request.prediction.name}' with the truth '{request.truth.name}': {size}.",
        f"An object is found at IoU ≥ {choices.iou:.2f}.",
    ]
    if known_confidences(request.prediction):
        parts.append("Confidences come from the prediction's features table.")
    if not _in_one_place(request):
        parts.append("Note: scale or translation of the two layers differ; pixels are compared as stored.")
    return " ".join(parts)


def known_confidences(layer: Labels) -> dict[int, float]:
    """Confidence by label, where the features table of a layer has one."""
    table = layer.features
    if not {"index", "confidence"} <= set(table.columns):
        return {}
    confidence = pd.to_numeric(table["confidence"], errors="coerce")
    known = (table["index"] > 0) & confidence.notna()
    return dict(zip(table["index"][known].astype(int).tolist(), confidence[known].tolist(), strict=True))


def evaluating_layers(request: EvaluateRequest) -> Job[Evaluation]:
    """The job to run in a thread, on the labels as they are now: later edits don't reach it."""
    still = replace(request, predicted=_snapshot(request.predicted), true=_snapshot(request.true))
    return _evaluating(still, known_confidences(request.prediction), request.prediction.name)


def _evaluating(request: EvaluateRequest, confidence: dict[int, float], name: str) -> Job[Evaluation]:
    choices = request.choices
    unknown = 0
    if confidence:
        present = yield from _present_labels(request.predicted)
        drawn = dict.fromkeys(sorted(present - set(confidence)), 1.0)
        confidence, unknown = {**confidence, **drawn}, len(drawn)
    report = yield from evaluating(
        request.predicted,
        request.true,
        names=[name],
        confidence=confidence or None,
        iou=choices.iou,
        dimensions=choices.dimensions,
        spacing=request.spacing,
        boundary_tolerance=choices.boundary_tolerance,
    )
    outcomes = yield from _colouring(request, report)
    return Evaluation(request, report, outcomes, unknown)


def _present_labels(labels: Any) -> Job[set[int]]:
    """Labels that have pixels."""
    outer = tuple(int(n) for n in labels.shape[:-2])
    total = int(np.prod(outer))
    present: set[int] = set()
    for done, index in enumerate(np.ndindex(outer)):
        yield Progress("Listing objects", done, total)
        present.update(pd.unique(np.asarray(labels[index]).ravel()).tolist())
    return {int(label) for label in present if label > 0}


def _colouring(request: EvaluateRequest, report: Report) -> Job[NDArray[np.uint8] | None]:
    """Outcome at each pixel, plane by plane."""
    (pair,) = report.pairs
    shape = tuple(int(n) for n in request.predicted.shape)
    if int(np.prod(shape)) > OVERLAY_PIXELS:
        return None
    outcomes = np.zeros(shape, np.uint8)
    for plane, index in enumerate(np.ndindex(request.outer_shape)):
        yield Progress("Colouring", plane, len(pair))
        outcomes[index] = outcome_map(pair.read(plane), request.choices.iou)
    dropped = tuple(a for a in range(request.prediction.ndim) if a not in request.axes)
    return np.expand_dims(outcomes, dropped)


def save_report(report: Report, path: str | Path, title: str) -> list[Path]:
    """Write a report in the format of the file's suffix.

    Parameters
    ----------
    report : Report
        The report.
    path : str or Path
        ``.html``, ``.json`` or ``.csv``; CSV makes a second file ``NAME_errors.csv`` with the list of errors.
    title : str
        Title of an HTML report.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    OutputError
        If the suffix is another one, or a file cannot be written.
    """
    path = Path(path)
    match path.suffix.lower():
        case ".html":
            write_html(report, path, title=title)
        case ".json":
            write_json(report, path)
        case ".csv":
            errors = path.with_name(f"{path.stem}_errors.csv")
            write_images(report, path)
            write_errors(report, errors)
            return [path, errors]
        case _:
            raise OutputError(
                f"A report is saved as {', '.join(REPORT_SUFFIXES)}; '{path.name}' has another suffix."
            )
    return [path]


def saving_report(report: Report, path: str | Path, title: str) -> Job[list[Path]]:
    """`save_report` as a job."""
    yield Progress("Writing the report", 0, 0)
    return save_report(report, path, title)


def _snapshot(labels: Any) -> Any:
    """A copy of labels in memory; those on a disk are read as the evaluation goes."""
    return labels.copy() if isinstance(labels, np.ndarray) else labels


def _in_one_place(request: EvaluateRequest) -> bool:
    _, axes = full_labels(request.truth)
    ours = request.prediction.scale[list(request.axes)], request.prediction.translate[list(request.axes)]
    theirs = request.truth.scale[list(axes)], request.truth.translate[list(axes)]
    return all(np.allclose(a, b) for a, b in zip(ours, theirs, strict=True))
