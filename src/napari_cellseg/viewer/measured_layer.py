"""A labels layer whose objects are measured: the table, and what follows when objects are edited."""

from collections.abc import Callable, Iterable
from itertools import product

import numpy as np
import pandas as pd
from napari.layers import Labels
from numpy.typing import NDArray

from napari_cellseg.events import drain
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
from napari_cellseg.viewer.surroundings import depends_on, surrounding
from napari_cellseg.viewer.touched import Place, TouchedObjects

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
        self._written: list[str] = []
        self._classes = self._classes_now()
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
        return Measurement(self.request, self._table)

    @property
    def units(self) -> dict[str, str]:
        """Unit of each column."""
        return dict(self._table.attrs.get("units", {}))

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
        self._paused = True

    def resume(self) -> None:
        """Measure what is edited from here on; what waits is measured now."""
        self._paused = self.is_empty
        if not self._paused:
            self._update.request()

    def replace(self, measurement: Measurement) -> None:
        """Take over a new measurement of the layer, and write it into the layer's table."""
        self.request, self.is_outdated = measurement.request, False
        self._take_over(measurement.table)
        self._classes = self._classes_now()
        known = self.layer.features
        self._written = [
            name for name in measurement.table.columns.drop("index")
            if name not in ("t", "z") or name not in known or name in self._written
        ]  # fmt: skip
        self._write(None)
        self._tell()
        self.resume()

    def values(self, column: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Labels (N,) and their values (N,), one row each: the first plane that the object is in."""
        rows = self._table.drop_duplicates("index")
        return rows["index"].to_numpy(np.int64), rows[column].to_numpy(np.float64)

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

    def _write(self, only: Iterable[int] | None) -> None:
        rows = self._table.drop_duplicates("index")
        if only is not None:
            only = list(only)
            rows = rows[rows["index"].isin(only)]
        self._rows.put(rows[["index", *self._written]], only)

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
        everything = touched.everything or self._classes_matter()
        found = self._affected([] if everything else touched.places)
        if everything or sum(map(len, found.values())) > MANY:
            self._measure_all()
            return
        if found:
            self._measure(found)
        self._tell()

    def _classes_matter(self) -> bool:
        """Whether classes are others, and features count the neighbours of each class."""
        return depends_on(self.features, "classes") and not self._classes_now().equals(self._classes)

    def _classes_now(self) -> "pd.Series":
        known = self.layer.features
        return known["class"].copy() if "class" in known else pd.Series(dtype=object)

    def _measure_all(self) -> None:
        now = renewed(self.request)
        self.is_outdated = now is None
        if now is None:
            self._tell()
            return
        self.request = now
        if self.on_stale is not None:
            self.on_stale(self)
        else:
            self.replace(drain(measuring_layer(self.request)))

    def _affected(self, places: list[Place]) -> dict[tuple[int, ...], NDArray[np.int64]]:
        """Labels to measure again in each plane: the touched ones, and where they count their neighbours."""
        by_plane: dict[tuple[int, ...], list[Place]] = {}
        outer = len(self.request.outer)
        kept = list(self.request.labels.dimensions)
        for place in places:
            low, high = ([side[d] for d in kept] for side in (place.low, place.high))
            inner = Place(tuple(low[outer:]), tuple(high[outer:]), place.labels)
            for plane in product(*(range(a, b) for a, b in zip(low[:outer], high[:outer], strict=True))):
                by_plane.setdefault(plane, []).append(inner)
        return {plane: self._affected_in(plane, inner) for plane, inner in by_plane.items()}

    def _affected_in(self, plane: tuple[int, ...], places: list[Place]) -> NDArray[np.int64]:
        touched = np.array(sorted({label for place in places for label in place.labels}), np.int64)
        if not any(depends_on(self.features, group) for group in ("neighbours", "classes")):
            return touched
        labels = np.asarray(self.request.labels.data[plane])
        objects = Objects.found_in(labels, spacing=self.request.scale)
        return np.union1d(touched, surrounding(objects, places, self._table[self._rows_in(plane)]))

    def _rows_in(self, plane: tuple[int, ...]) -> NDArray[np.bool_]:
        """Rows of the table that speak of a plane."""
        here = np.ones(len(self._table), bool)
        for axis, at in zip(self.request.outer.lower(), plane, strict=True):
            here &= (self._table[axis] == at).to_numpy()
        return here

    def _measure(self, found: dict[tuple[int, ...], NDArray[np.int64]]) -> None:
        kept = np.ones(len(self._table), bool)
        parts = []
        for plane, labels in found.items():
            kept &= ~(self._rows_in(plane) & self._table["index"].isin(labels).to_numpy())
            parts.append(drain(measuring_again(self.request, labels.tolist(), plane)))
        table = pd.concat([self._table[kept], *parts], ignore_index=True)
        table = table.sort_values([*self.request.outer.lower(), "index"], kind="stable", ignore_index=True)
        table.attrs.update(self._table.attrs)
        self._take_over(table)
        self._write(np.unique(np.concatenate(list(found.values()))).tolist())
