"""What of a viewer's layers is added to a dataset."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial

import numpy as np
import pandas as pd
from napari.components import ViewerModel
from napari.layers import Image, Labels, Shapes
from numpy.typing import NDArray

from napari_cellseg.datasets.annotation import Annotation
from napari_cellseg.datasets.intake import Added
from napari_cellseg.datasets.names import safe_name
from napari_cellseg.datasets.preview import (
    Preview,
    has_accepted,
    preview_accepted,
    preview_plane,
    preview_region,
)
from napari_cellseg.datasets.sample import Origin, Sample, Split
from napari_cellseg.datasets.selection import Only, box_of, selected
from napari_cellseg.datasets.stacks import Stack, open_stack, plane_name
from napari_cellseg.datasets.store import Dataset
from napari_cellseg.errors import CellSegError, OptionError
from napari_cellseg.events import Job
from napari_cellseg.images.reading import file_stem
from napari_cellseg.viewer.dataset_layers import opened_from
from napari_cellseg.viewer.dataset_objects import object_rows
from napari_cellseg.viewer.dataset_regions import reviewed_mask
from napari_cellseg.viewer.dataset_rows import counted
from napari_cellseg.viewer.layer_image import LayerImage, read_layer
from napari_cellseg.viewer.measure_inputs import MeasuredLabels, read_labels
from napari_cellseg.viewer.pixel_size import source_path
from napari_cellseg.viewer.run_on import current_plane


class AddWhat(Enum):
    """What of a plane is added."""

    IMAGE = "image"
    ACCEPTED = "accepted"
    REGION = "region"


TITLES = {
    AddWhat.IMAGE: "Whole plane, all reviewed",
    AddWhat.ACCEPTED: "Accepted objects only",
    AddWhat.REGION: "Reviewed region (shapes)",
}


@dataclass(frozen=True)
class AddChoices:
    """What the form says, besides the layers.

    Attributes
    ----------
    what : AddWhat
        What of a plane is added.
    name : str
        Name in the dataset; planes get ``_t003_z01`` behind it.
    group : str
        What stays together in one split.
    split : {"train", "val", "test"} or None
        None lets the dataset choose.
    all_planes : bool
        Whether all planes of a stack are added, rather than the one that is shown.
    """

    what: AddWhat = AddWhat.IMAGE
    name: str = ""
    group: str = ""
    split: Split | None = None
    all_planes: bool = False


@dataclass(frozen=True, eq=False)
class AddRequest:
    """What can be added.

    Attributes
    ----------
    stack : Stack
        The image.
    labels : MeasuredLabels
        Its labels.
    table : DataFrame or None
        Rows of the objects; None where the labels have no table.
    planes : tuple of tuple of int
        Index of each plane that is added along the outer axes of the stack.
    mask : (Y, X) ndarray of bool or None
        What was reviewed; None for other choices.
    origin : Origin
        Where the image comes from.
    choices : AddChoices
        What the form says.
    ignored : (Y, X) ndarray of bool or None
        What nobody has reviewed of an image that was opened from a dataset.
    """

    stack: Stack
    labels: MeasuredLabels
    table: pd.DataFrame | None
    planes: tuple[tuple[int, ...], ...]
    mask: NDArray[np.bool_] | None
    origin: Origin
    choices: AddChoices
    ignored: NDArray[np.bool_] | None = None


def make_request(
    viewer: ViewerModel, image_layer: Image, labels_layer: Labels, shapes: Shapes | None, choices: AddChoices
) -> AddRequest:
    """What the user wants to add.

    Parameters
    ----------
    viewer : ViewerModel
        Tells the plane that is shown.
    image_layer, labels_layer : layer
        An image and its labels.
    shapes : napari.layers.Shapes or None
        What was reviewed, for ``AddWhat.REGION``.
    choices : AddChoices
        What the form says.

    Raises
    ------
    CellSegError
        Where that cannot be added; in words.
    """
    image = read_layer(image_layer)
    labels = read_labels(labels_layer, [image_layer])
    stack = open_stack(image.data, _checked_labels(labels, image, labels_layer), image.axes, None)
    shown = tuple(np.unravel_index(current_plane(viewer, image_layer, image), stack.outer_shape or (1,)))
    planes = tuple(np.ndindex(*stack.outer_shape)) if choices.all_planes else (shown[: len(stack.outer)],)
    mask = None
    if choices.what is AddWhat.REGION:
        if shapes is None:
            raise OptionError("Add a Shapes layer and draw around what was reviewed: press New….")
        mask = reviewed_mask(image_layer, image, shapes)
    safe_name(choices.name)
    origin, opened = _origin(image_layer, image, choices), opened_from(labels_layer)
    ignored = None
    if opened is not None and image_layer in opened.beside:
        before = opened.sample.origin
        origin = replace(before, group=choices.group or before.group, pixel_size=origin.pixel_size)
        ignored = opened.sample.ignored
    return AddRequest(stack, labels, object_rows(labels_layer), planes, mask, origin, choices, ignored)


def request_sentence(request: AddRequest, names: Collection[str] = ()) -> str:
    """What will be added, and what will become of objects that nobody has looked at.

    Parameters
    ----------
    request : AddRequest
        What is wanted.
    names : collection of str
        Images that the dataset has.

    Raises
    ------
    CellSegError
        Where nothing of the planes can be added.
    """
    index, choices = _first_plane(request), request.choices
    found = _preview(_labels(request, index), request)
    y0, x0, y1, x1 = found.region
    name = _name(request, index)
    told = [f"'{name}', {x1 - x0} × {y1 - y0} pixels: {_words(found, choices.what)}"]
    others = counted(len(request.planes) - 1, "other plane")
    what = "what is accepted in " if choices.what is AddWhat.ACCEPTED else ""
    told += [f"And {what}{others} of the stack, in one group."] if len(request.planes) > 1 else []
    told += [f"⚠ '{name}' is in the dataset already: adding replaces it."] if name in names else []
    return " ".join(told)


def adding(dataset: Dataset, request: AddRequest) -> Job[list[Added]]:
    """Add what was chosen: all planes, or none; errors as in `Dataset.adding`."""
    return (yield from dataset.adding(_samples(request), len(request.planes)))


def suggested_name(image_layer: Image, labels_layer: Labels) -> str:
    """The name of the image: of its file, of the image of a dataset that it is, or of its layer."""
    found = opened_from(labels_layer)
    if found is not None:
        return found.sample.name
    path = source_path(image_layer)
    try:
        return safe_name(file_stem(path) if path is not None else image_layer.name)
    except CellSegError:
        return "image"


def plane_count(image_layer: Image) -> int:
    """Number of planes of an image; 1 where its axes are unknown."""
    try:
        return read_layer(image_layer).plane_count
    except CellSegError:
        return 1


def _checked_labels(labels: MeasuredLabels, image: LayerImage, layer: Labels) -> NDArray[np.uint8]:
    """An array of no memory in the shape that labels of an image have."""
    sizes = {a: image.sizes[a] for a in (*image.outer_axes, "Y", "X")}
    if labels.sizes != {a: n for a, n in sizes.items() if n > 1 or a in "YX"}:
        given = " × ".join(str(n) for n in labels.data.shape)
        raise OptionError(
            f"The labels layer '{layer.name}' has {given} pixels, the image "
            f"{' × '.join(str(n) for n in sizes.values())}. Choose labels of this image."
        )
    return np.broadcast_to(np.uint8(0), tuple(sizes.values()))


def _origin(layer: Image, image: LayerImage, choices: AddChoices) -> Origin:
    path, size = source_path(layer), image.pixel_size.size
    edge = None if size is None else float(np.sqrt(size.y * size.x))
    return Origin(source="" if path is None else str(path), group=choices.group, pixel_size=edge)


def _samples(request: AddRequest) -> Iterator[Sample]:
    """A sample per plane, with what was chosen of it."""
    only: Only | None = "accepted" if request.choices.what is AddWhat.ACCEPTED else None
    return selected((_plane(request, index) for index in request.planes), request.mask, only)


def _plane(request: AddRequest, index: Sequence[int]) -> Sample:
    """A whole plane; its pixels are read when asked."""
    position, choices, origin = _position(request, index), request.choices, request.origin
    labels = _labels(request, index).copy()
    if position:
        origin = replace(origin, position=position, group=choices.group or choices.name)
    return Sample(
        _name(request, index),
        Annotation.from_labels(labels, request.table),
        partial(request.stack.read, index, None),
        origin,
        choices.split,
        None if request.ignored is None else request.ignored & (labels == 0),
    )


def _labels(request: AddRequest, index: Sequence[int]) -> NDArray[np.integer]:
    at = dict(zip(request.stack.outer, index, strict=True))
    return np.asarray(request.labels.data[tuple(at[axis] for axis in request.labels.axes[:-2])])


def _lengths(request: AddRequest) -> dict[str, int]:
    """Lengths of the axes that number the planes, of those that have several."""
    stack = request.stack
    return {a.lower(): n for a, n in zip(stack.outer, stack.outer_shape, strict=True) if n > 1}


def _position(request: AddRequest, index: Sequence[int]) -> dict[str, int]:
    at = dict(zip(request.stack.outer.lower(), (int(i) for i in index), strict=True))
    return {axis: at[axis] for axis in _lengths(request)}


def _name(request: AddRequest, index: Sequence[int]) -> str:
    """Name of what is added of a plane. That of a region has its place in it, so that several fit."""
    name = plane_name(request.choices.name, _position(request, index), _lengths(request))
    if request.mask is None:
        return name
    y0, x0, _, _ = box_of(request.mask)
    return f"{name}_y{y0:04d}_x{x0:04d}"


def _first_plane(request: AddRequest) -> tuple[int, ...]:
    """The first plane of which something is added; the first one, where nothing is."""
    if request.choices.what is not AddWhat.ACCEPTED:
        return request.planes[0]
    fitting = (i for i in request.planes if has_accepted(_labels(request, i), request.table))
    return next(fitting, request.planes[0])


def _preview(labels: NDArray[np.integer], request: AddRequest) -> Preview:
    if request.mask is not None:
        return preview_region(labels, request.table, request.mask)
    accepted = request.choices.what is AddWhat.ACCEPTED
    return (preview_accepted if accepted else preview_plane)(labels, request.table)


def _words(found: Preview, what: AddWhat) -> str:
    """How many objects are added, and what becomes of the others."""
    if what is AddWhat.ACCEPTED:
        blanked = f"{counted(found.blanked, 'other')} not reviewed: blanked out in the picture for training"
        told = f"{counted(found.objects, 'object')} accepted or edited"
        return f"{told}, {blanked}." if found.blanked else f"{told}."
    left = f"{found.unreviewed:,} not reviewed" if found.unreviewed else "all reviewed"
    told = f"{counted(found.objects, 'object')}, {left}."
    if found.unreviewed:
        told = f"{told} Those count as right: accept or delete them before, where they are not."
    return f"{told} {counted(found.cut, 'object')} cut by its border." if found.cut else told
