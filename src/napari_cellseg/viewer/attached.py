"""What is attached to a labels layer: docks that don't know each other meet at the layer."""

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from napari.layers import Labels

if TYPE_CHECKING:
    from napari_cellseg.viewer.confidence import ConfidenceFilter
    from napari_cellseg.viewer.editing import Editor

_EDITORS: "WeakKeyDictionary[Labels, Editor]" = WeakKeyDictionary()
_FILTERS: "WeakKeyDictionary[Labels, ConfidenceFilter]" = WeakKeyDictionary()


def editor_of(layer: Labels) -> "Editor | None":
    """The editor that owns the layer's table and its undo order, if any."""
    return _EDITORS.get(layer)


def filter_of(layer: Labels) -> "ConfidenceFilter | None":
    """The layer's confidence filter, if any."""
    return _FILTERS.get(layer)


def attach_editor(layer: Labels, editor: "Editor | None") -> None:
    """Let an editor own a layer; None lets go."""
    _EDITORS.pop(layer, None)
    if editor is not None:
        _EDITORS[layer] = editor


def attach_filter(layer: Labels, confidence_filter: "ConfidenceFilter | None") -> None:
    """Tie a confidence filter to a layer; None ends it."""
    _FILTERS.pop(layer, None)
    if confidence_filter is not None:
        _FILTERS[layer] = confidence_filter
