"""A labels layer whose objects are measured: the table, and what follows when objects are edited."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from napari.layers import Labels
from numpy.typing import NDArray

from napari_cellseg.events import drain
from napari_cellseg.features.found import FoundObjects
from napari_cellseg.features.objects import Objects
from napari_cellseg.viewer.attached import editor_of
from napari_cellseg.viewer.coalesced import FEATURES_INTERVAL, Coalesced, Later
from napari_cellseg.viewer.label_rows import LabelRows
from napari_cellseg.viewer.measure_run import (
    JOINED,
    Measurement,
    MeasureRequest,
    measuring_again,
    measuring_layer,
    renewed,
)
from napari_cellseg.viewer.surroundings import GROUPS, depending_on, surrounding
from napari_cellseg.viewer.touched import Edited, Plane, TouchedObjects, edited_in_planes

MANY = 2_000
"""Objects from which they are measured again in a job rather than between two frames of the viewer."""
PLACE = ("index", "t", "z")
"""Columns that tell which object in which plane a row speaks of."""


class MeasuredLayer:
    """What was measured in a layer, kept true while objects are edited.

    It collects edits from the start, so make it before the job of the first measurement is started, and hand
    the result to `replace`.

    Parameters
    ----------
    request : MeasureRequest
        What is measured.
    later : Later, optional
        How to wait without blocking; None does everything at once.

    Attributes
    ----------
    on_change : list of callable
        Called without arguments when values, objects or classes are others.
    on_stale : callable or None
        Asked, with this object, to run `measuring_layer` again and to hand the result to `replace`, because
        so much has changed that it would stop the viewer; None measures at once.
    is_outdated : bool
        Whether the layer has labels of another size now, so that it must be asked for anew.
    """

    def __init__(self, request: MeasureRequest, later: Later | None = None) -> None:
        self.request = request
        self.on_change: list[Callable[[], None]] = []
        self.on_stale: Callable[[MeasuredLayer], None] | None = None
        self._own_rows = LabelRows(request.layer, later)
        self._update = Coalesced(self._catch_up, FEATURES_INTERVAL, later)
        self._touched = TouchedObjects(request.layer, self._update.defer)
        self.is_outdated = False
        self._paused = True
        self._plane: Plane | None = None
        self._written: list[str] = []
        self._classes = self._classes_now()
        self._found, self._units = FoundObjects(), dict[str, str]()
        self._take_over(pd.DataFrame({"index": np.zeros(0, np.int64)}))

    @property
    def layer(self) -> Labels:
        """The layer."""
        return self.request.layer

    @property
    def is_empty(self) -> bool:
        """Whether nothing was measured yet."""
        return not self._written

    @property
    def table(self) -> pd.DataFrame:
        """A row per object and plane: ``index``, ``t``, ``z``, class and status as they are now, features."""
        if self._joined is None:
            self._joined = self._with_rows(self._table)
        return self._joined

    @property
    def measurement(self) -> Measurement:
        """What was measured, as it is now."""
        table = self._table.copy(deep=False)
        table.attrs["units"] = self.units
        return Measurement(self.request, table, self._found)

    @property
    def units(self) -> dict[str, str]:
        """Unit of each column."""
        return dict(self._units)

    @property
    def features(self) -> list[str]:
        """Columns that were measured, without the number and the place of the object."""
        return [name for name in self._table.columns if name not in PLACE]

    @property
    def note(self) -> str:
        """What the user should know of the layer's table; empty where all is well."""
        if self.is_outdated:
            return "The layer has labels of another size now: press Measure."
        index = self.layer.features["index"].to_numpy()
        if np.array_equal(index, np.arange(len(index))):
            return ""
        return (
            f"The largest label is {int(index.max()):,} for {len(index) - 1:,} objects: selecting cells from "
            "the features table is off until the labels are renumbered (CellSeg correct, Check)."
        )

    def pause(self) -> None:
        """Collect edits, and measure nothing again until `replace` or `resume`."""
        self._touched.take()
        self._found = FoundObjects()
        self._paused = True

    def resume(self) -> None:
        """Measure what is edited from here on; what waits is measured now."""
        self._paused = self.is_empty
        if not self._paused:
            self._update.request()

    def replace(self, measurement: Measurement) -> None:
        """Take over a new measurement of the layer, and write it into the layer's table."""
        self.request, self.is_outdated = measurement.request, False
        if self._plane is not None and len(self._plane) != len(self.request.outer):
            self._plane = None
        self._found, self._units = measurement.found, measurement.table.attrs.get("units", {})
        table = measurement.table.copy(deep=False)
        table.attrs = {}
        self._take_over(table)
        self._classes = self._classes_now()
        known = self.layer.features
        self._written = [
            name for name in measurement.table.columns.drop("index")
            if name not in ("t", "z") or name not in known or name in self._written
        ]  # fmt: skip
        self._write(None)
        self._tell()
        self.resume()

    @property
    def plane(self) -> Plane | None:
        """The plane whose values the layer's table has; None where there is only one, or it is not known."""
        return self._plane

    @property
    def shown(self) -> pd.DataFrame:
        """A row of `table` per object: that of `plane`, else of the first plane that it is in."""
        return self._one_each(self.table)

    @property
    def here(self) -> pd.DataFrame:
        """The rows of `table` that speak of `plane`; all where it is not known."""
        table = self.table
        return table if self._plane is None else table[self._rows_in(self._plane, table)]

    def show_plane(self, plane: Plane) -> None:
        """Write the values that objects have in a plane into the layer's table.

        The table has one row per label, and a label that is in several planes has values in each. Those that
        are not in this plane keep the values of the first plane that they are in; the columns ``t`` and ``z``
        say which.

        Parameters
        ----------
        plane : tuple of int
            Position along the outer axes.
        """
        if plane == self._plane or len(plane) != len(self.request.outer) or not plane:
            return
        self._plane = plane
        if not self.is_empty:
            self._write(None)
            self._tell()

    def flush(self) -> None:
        """Do what waits: measure what was edited, tell of the layer's table."""
        self._update.flush()
        self._rows.flush()

    def close(self) -> None:
        """Follow the layer no longer; what was measured stays in its table."""
        self._update.cancel()
        self._touched.close()
        self._own_rows.close()

    @property
    def _rows(self) -> LabelRows:
        editor = editor_of(self.layer)
        return self._own_rows if editor is None else editor.rows

    def _take_over(self, table: pd.DataFrame) -> None:
        self._table: pd.DataFrame = table
        self._joined: pd.DataFrame | None = None

    def _with_rows(self, table: pd.DataFrame) -> pd.DataFrame:
        known = self.layer.features
        names = [name for name in JOINED if name in known]
        if "index" not in known or not names:
            return table
        at = pd.Index(known["index"]).get_indexer(table["index"])
        joined = known[names].iloc[at].reset_index(drop=True)
        first = [name for name in PLACE if name in table]
        return pd.concat([table[first], joined, table.drop(columns=first)], axis=1)

    def _write(self, only: NDArray[np.int64] | None) -> None:
        rows = self._table
        if only is not None:
            rows = rows[rows["index"].isin(only)]
        self._rows.put(self._one_each(rows)[["index", *self._written]], only)

    def _one_each(self, table: pd.DataFrame) -> pd.DataFrame:
        """The first row of each object, rows of the shown plane before others."""
        if self._plane is None:
            return table.drop_duplicates("index")
        order = np.argsort(~self._rows_in(self._plane, table), kind="stable")
        return table.iloc[order].drop_duplicates("index")

    def _is_behind(self) -> bool:
        """Whether the layer's table has values of another plane than the shown one: undo brings them back."""
        known, places = self.layer.features, [a for a in self.request.outer.lower() if a in self._written]
        if self._plane is None or not places or not set(places) <= set(known):
            return False
        shown = self._one_each(self._table)
        at = pd.Index(known["index"]).get_indexer(shown["index"])
        return bool((at < 0).any() or (known[places].to_numpy()[at] != shown[places].to_numpy()).any())

    def _tell(self) -> None:
        for callback in list(self.on_change):
            callback()

    # -- edits --------------------------------------------------------------------------------------------

    def _catch_up(self) -> None:
        """Measure what was edited since this was last done."""
        if self._paused:
            return
        touched = self._touched.take()
        if not (touched.rows or touched.places or touched.everything):
            return
        self._joined = None
        labels = self.request.labels
        edited = edited_in_planes(touched.places, labels.dimensions, len(self.request.outer))
        everything = touched.everything or self._classes_matter()
        parts = [] if everything else [self._affected(plane, own) for plane, own in edited.items()]
        if everything or sum(len(part.edited) + len(part.beside) for part in parts) > MANY:
            self._measure_all()
            return
        if parts:
            self._measure(parts)
        if self._is_behind():
            self._write(None)
        self._tell()

    def _classes_matter(self) -> bool:
        """Whether classes are others, and features count the neighbours of each class."""
        return bool(depending_on(self.features, "classes")) and not self._classes_now().equals(self._classes)

    def _classes_now(self) -> "pd.Series":
        known = self.layer.features
        return known["class"].copy() if "class" in known else pd.Series(dtype=object)

    def _measure_all(self) -> None:
        now = renewed(self.request)
        self.is_outdated = now is None
        if now is None:
            self._tell()
            return
        self.request, self._found = now, FoundObjects()
        if self.on_stale is not None:
            self.on_stale(self)
        else:
            self.replace(drain(measuring_layer(self.request)))

    def _affected(self, plane: Plane, edited: Edited) -> "_Affected":
        """What is to be measured again in a plane."""
        labels = np.asarray(self.request.labels.data[plane])
        self._found.follow(plane, labels, edited)
        objects = self._found.get(plane, labels, self.request.scale)
        own = np.array(sorted(edited), np.int64)
        if not depending_on(self.features, *GROUPS):
            return _Affected(plane, objects, own, own[:0])
        around = surrounding(objects, edited, self._table[self._rows_in(plane)])
        return _Affected(plane, objects, own, np.setdiff1d(around, own))

    def _rows_in(self, plane: Plane, table: pd.DataFrame | None = None) -> NDArray[np.bool_]:
        """Rows of the table that speak of a plane."""
        table = self._table if table is None else table
        here = np.ones(len(table), bool)
        for axis, at in zip(self.request.outer.lower(), plane, strict=True):
            here &= (table[axis] == at).to_numpy()
        return here

    def _measure(self, parts: list["_Affected"]) -> None:
        """Measure what was edited, and of what lies beside it what depends on others."""
        former = np.zeros(len(self._table), bool)
        for part in parts:
            former |= self._rows_in(part.plane) & self._table["index"].isin(part.edited).to_numpy()
        fresh = pd.concat([self._measured_again(part, part.edited) for part in parts])
        table = _replaced(self._table, former, fresh, [*self.request.outer.lower(), "index"])
        social = depending_on(self.features, *GROUPS)
        for part in parts if social else ():
            beside = self._measured_again(part, part.beside, social)
            rows = np.flatnonzero(self._rows_in(part.plane, table) & table["index"].isin(part.beside))
            table = _with_values(table, rows, beside)
        self._take_over(table)
        self._write(np.unique(np.concatenate([labels for p in parts for labels in (p.edited, p.beside)])))

    def _measured_again(
        self, part: "_Affected", labels: NDArray[np.int64], features: list[str] | None = None
    ) -> pd.DataFrame:
        job = measuring_again(self.request, labels.tolist(), part.plane, part.objects, features)
        fresh = drain(job)
        fresh.attrs = {}
        return fresh


@dataclass(frozen=True, eq=False)
class _Affected:
    """What an edit of a plane changes: all objects there, the edited ones, and those beside them."""

    plane: Plane
    objects: Objects
    edited: NDArray[np.int64]
    beside: NDArray[np.int64]


def _replaced(
    table: pd.DataFrame, former: NDArray[np.bool_], fresh: pd.DataFrame, keys: list[str]
) -> pd.DataFrame:
    """A table in the order of its keys with other rows in the place of the former ones."""
    fresh, rows = fresh.sort_values(keys, kind="stable"), np.flatnonzero(former)
    if len(fresh) == len(rows) and (fresh[keys].to_numpy() == table[keys].to_numpy()[rows]).all():
        return _with_values(table, rows, fresh)
    both = pd.concat([table[~former], fresh], ignore_index=True)
    return both.sort_values(keys, kind="stable", ignore_index=True)


def _with_values(table: pd.DataFrame, rows: NDArray[np.intp], fresh: pd.DataFrame) -> pd.DataFrame:
    """A table with other values in some rows of the columns that `fresh` has, in their order."""
    columns = {name: table[name].to_numpy() for name in table.columns}
    for name in fresh.columns:
        columns[name] = columns[name].copy()
        columns[name][rows] = fresh[name].to_numpy()
    return pd.DataFrame(columns, copy=False)
