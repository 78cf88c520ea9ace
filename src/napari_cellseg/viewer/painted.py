"""What a person changed: one adapter for what napari keeps private about painting."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from napari.layers import Labels
from numpy.typing import NDArray


def painted_ids(steps: Iterable[Any]) -> tuple[set[int], set[int]]:
    """Labels that lost pixels and labels that gained some.

    Parameters
    ----------
    steps : iterable
        The `value` of a labels layer's ``paint`` event: tuples ``(indices, old values, new value)``, or
        objects with ``old_values`` and ``new_value``, as napari has them since 0.9.

    Returns
    -------
    (set of int, set of int)
        Old and new labels, without the background.
    """
    old: set[int] = set()
    new: set[int] = set()
    for step in steps:
        before, after = (step.old_values, step.new_value) if hasattr(step, "old_values") else step[1:3]
        old.update(int(i) for i in np.unique(np.asarray(before)))
        new.update(int(i) for i in np.unique(np.asarray(after)))
    return old - {0}, new - {0}


def painted_strokes(steps: Iterable[Any]) -> Iterator[tuple[tuple[NDArray[Any], ...], NDArray[Any], Any]]:
    """Coordinates in the layer's data, labels there before, and label or labels painted, stroke by stroke.

    Parameters
    ----------
    steps : iterable
        The `value` of a labels layer's ``paint`` event.
    """
    for step in steps:
        if not hasattr(step, "old_values"):
            index, old, new = step
            if np.size(old):
                yield tuple(np.ravel(i) for i in index), np.ravel(old), new
            continue
        shape = tuple(s.stop - s.start for s in step.slice_key)
        mask = np.ones(shape, bool) if step.mask is None else np.reshape(step.mask, shape)
        places = np.nonzero(mask)
        if len(places[0]):
            index = tuple(i + s.start for i, s in zip(places, step.slice_key, strict=True))
            yield index, np.ravel(step.old_values), step.new_value


def history_lengths(layer: Labels) -> tuple[int, int]:
    """Steps that napari can undo and redo on a layer."""
    return len(layer._undo_history), len(layer._redo_history)


def in_stroke(layer: Labels) -> bool:
    """Whether pixels were written that become a step of the history only when the stroke ends."""
    return bool(layer._staged_history)


def last_moved(layer: Labels, before: tuple[int, int]) -> Iterable[Any]:
    """Strokes of the step that was undone or done again since the history had these lengths, if one was."""
    now = history_lengths(layer)
    moved = (now[0] - before[0], now[1] - before[1])
    if moved not in ((-1, 1), (1, -1)):
        return []
    return (layer._redo_history if moved[0] < 0 else layer._undo_history)[-1]


def forget_redo(layer: Labels) -> None:
    """Let napari forget the steps that were undone, as it does when somebody paints."""
    layer._redo_history.clear()


def forget_undo(layer: Labels, keep: int) -> None:
    """Let napari forget the steps that it could undo, but for the latest ones."""
    while len(layer._undo_history) > keep:
        layer._undo_history.popleft()
