"""What a person changed: one adapter for the private payload of napari's `paint` event."""

from collections.abc import Iterable
from typing import Any

import numpy as np


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
