"""Rows of a labels layer's table, written in place and told of at most every 0.3 s."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from napari.layers import Labels
from numpy.typing import NDArray

from napari_cellseg.review.status import TEXT_COLUMNS
from napari_cellseg.viewer.coalesced import FEATURES_INTERVAL, Coalesced, Later
from napari_cellseg.viewer.feature_rows import statuses, too_sparse


@dataclass(frozen=True, eq=False)
class RowChange:
    """Rows before and after a step.

    Attributes
    ----------
    before, after : DataFrame
        The rows that the step touched, with all columns; `before` lacks those that it added.
    length : (int, int)
        Rows of the whole table before and after.
    dtypes : Series
        Type of each column before.
    """

    before: pd.DataFrame
    after: pd.DataFrame
    length: tuple[int, int]
    dtypes: "pd.Series[Any]"

    @property
    def is_empty(self) -> bool:
        """Whether no cell differs."""
        return self.length[0] == self.length[1] and self.before.equals(self.after)


class LabelRows:
    """The table of a labels layer, a row per label with the column ``index``.

    Parameters
    ----------
    layer : napari.layers.Labels
        Whose `features` are read and written in place.
    later : Later, optional
        How to wait between two events without blocking; None tells at once.
    """

    def __init__(self, layer: Labels, later: Later | None = None) -> None:
        self._layer = layer
        self._event = Coalesced(self._tell, FEATURES_INTERVAL, later)
        self._known = layer.features

    @property
    def frame(self) -> pd.DataFrame:
        """The table itself."""
        return self._layer.features

    def lay_out(self, labels: NDArray[np.int64], status: str, origin: str = "") -> None:
        """Give every label a row, and the table the columns that a review needs; what is there stays.

        Parameters
        ----------
        labels : (N,) ndarray of int
            Labels in use, rising.
        status, origin : str
            Of the labels that have no status.
        """
        frame = self.frame.copy()
        if "index" not in frame:
            frame = _numbered(frame)
        for column in TEXT_COLUMNS:
            if column not in frame:
                frame[column] = np.full(len(frame), "", object)
        frame["class"] = frame["class"].astype(object).where(frame["class"].notna(), "")
        frame["origin"] = frame["origin"].astype(object).where(frame["origin"].notna(), "")
        frame = self._grown(frame, np.union1d([0], labels))
        words = frame["status"].astype(object).where(frame["status"].notna(), "").astype(str).to_numpy(object)
        missing = np.isin(frame["index"].to_numpy(), labels) & (words == "")
        words[missing] = status
        frame["status"] = statuses(words)
        frame.loc[missing | ((words == "predicted") & (frame["origin"] == "")), "origin"] = origin
        self._assign(frame)
        self._event.request()

    def take_over(self) -> bool:
        """Where somebody put in a table that lacks what a review needs, take that from the old one.

        Returns
        -------
        bool
            Whether that was so; `lay_out` has to follow then.
        """
        known, self._known = self._known, self.frame
        columns = [name for name in TEXT_COLUMNS if name not in self.frame and name in known]
        if self._known is known or ("index" in self.frame and not columns) or "index" not in known:
            return False
        kept = known.set_index("index")[columns]
        frame = self.frame if "index" in self.frame else _numbered(self.frame)
        frame = self._grown(frame.copy(), kept.index.to_numpy(np.int64)).sort_values(
            "index", ignore_index=True
        )
        for name in columns:
            frame[name] = kept[name].astype(object).reindex(frame["index"]).fillna("").to_numpy(object)
        self._assign(frame)
        return True

    def positions(self, labels: Iterable[int]) -> NDArray[np.intp]:
        """Row number of each label, -1 where it has none."""
        wanted = np.fromiter(labels, np.int64)
        index = self.frame["index"].to_numpy()
        found = np.full(len(wanted), -1, np.intp)
        inside = (wanted >= 0) & (wanted < len(index))
        direct = np.flatnonzero(inside)
        direct = direct[index[wanted[direct]] == wanted[direct]]
        found[direct] = wanted[direct]
        for i in np.flatnonzero(found < 0):
            at = np.flatnonzero(index == wanted[i])
            if len(at):
                found[i] = at[0]
        return found

    def read(self, labels: Iterable[int]) -> pd.DataFrame:
        """Copy of the rows of some labels, without those that have none."""
        positions = self.positions(labels)
        return self.frame.iloc[positions[positions >= 0]].reset_index(drop=True)

    def write(self, changes: Mapping[int, Mapping[str, Any]]) -> RowChange:
        """Change cells; labels without a row get one.

        Parameters
        ----------
        changes : mapping of label to mapping of column to value
            Columns that the table doesn't have are left out.
        """
        labels = [label for label in changes if label >= 0]
        before, length, dtypes = self.read(labels), len(self.frame), self.frame.dtypes
        if len(before) < len(labels):
            self._assign(self._grown(self.frame, np.array(labels, np.int64)))
        positions = self.positions(labels)
        for column in dict.fromkeys(name for label in labels for name in changes[label]):
            if column in self.frame:
                having = [i for i, label in enumerate(labels) if column in changes[label]]
                self._set(column, positions[having], [changes[labels[i]][column] for i in having])
        if labels:
            self._event.request()
        return RowChange(before, self.read(labels), (length, len(self.frame)), dtypes)

    def put(self, table: pd.DataFrame, only: Iterable[int] | None = None) -> None:
        """Write columns of numbers, truths or text in one go; labels without a row get one.

        Parameters
        ----------
        table : DataFrame
            The column ``index``, each label once, and the columns to write.
        only : iterable of int, optional
            The labels that the table speaks of: their cells become empty where it has no row for them, those
            of all others stay. None: it speaks of all.
        """
        frame = self.frame if "index" in self.frame else _numbered(self.frame)
        frame = self._grown(frame, np.union1d([0], table["index"].to_numpy(np.int64)))
        rows = pd.Index(frame["index"])
        spoken = None if only is None else rows.get_indexer(np.fromiter(only, np.int64))
        places = rows.get_indexer(table["index"])
        columns = {
            name: _filled(table[name], places, frame.get(name), spoken, len(frame))
            for name in table.columns.drop("index")
        }
        if frame is self.frame and set(columns) <= set(frame.columns):
            for name, values in columns.items():
                frame[name] = values
        else:
            others = frame[[name for name in frame.columns if name not in columns]]
            self._assign(pd.concat([others, pd.DataFrame(columns, index=frame.index)], axis=1))
        self._event.request()

    def restore(self, change: RowChange, *, undo: bool) -> None:
        """Put the rows of a step back to what they were before it, or make them what they were after it."""
        rows = change.before if undo else change.after
        old, new = change.length[::-1] if undo else change.length
        if new < old == len(self.frame):
            self._cut(new, change.dtypes)
        elif new > len(self.frame):
            self._assign(self._grown(self.frame, rows["index"].to_numpy(np.int64), new))
        positions = self.positions(rows["index"])
        for column in rows.columns.intersection(self.frame.columns):
            if column != "index":
                self._set(column, positions[positions >= 0], rows[column].to_numpy(object)[positions >= 0])
        self._event.request()

    def flush(self) -> None:
        """Tell of what was not told yet."""
        self._event.flush()

    def close(self) -> None:
        """Tell of what waits, and of nothing from here on."""
        self._event.flush()
        self._event.cancel()

    def _set(self, column: str, positions: NDArray[np.intp], values: Any) -> None:
        frame, where = self.frame, self.frame.columns.get_loc(column)
        dtype = frame.dtypes.iloc[where]
        if isinstance(dtype, pd.CategoricalDtype):
            unknown = {v for v in values if isinstance(v, str)} - set(dtype.categories)
            if unknown:
                frame[column] = frame[column].cat.add_categories(sorted(unknown))
        differs = [
            i for i, (old, new) in enumerate(zip(frame.iloc[positions, where], values, strict=True))
            if not (old == new or (pd.isna(old) and pd.isna(new)))
        ]  # fmt: skip
        if differs:
            frame.iloc[positions[differs], where] = _as_column([values[i] for i in differs], dtype)

    def _grown(self, frame: pd.DataFrame, labels: NDArray[np.int64], length: int = 0) -> pd.DataFrame:
        """A table with rows for these labels too: all up to the largest, or only these where gaps prevail."""
        index = frame["index"].to_numpy(np.int64)
        dense = np.array_equal(index, np.arange(len(index)))
        missing = np.unique(labels[labels >= len(index)]) if dense else np.setdiff1d(labels, index)
        largest = max(int(missing[-1]) if len(missing) else 0, length - 1)
        if dense and not too_sparse(largest, len(index) + len(missing)):
            missing = np.arange(len(index), largest + 1)
        if not len(missing):
            return frame
        fresh = frame.iloc[:0].reindex(range(len(missing)))
        for column in fresh.columns:
            if column in TEXT_COLUMNS or fresh[column].dtype == object:
                fresh[column] = pd.Series([""] * len(fresh), dtype=frame[column].dtype)
        fresh["index"] = missing
        return pd.concat([frame, fresh], ignore_index=True)

    def _cut(self, length: int, dtypes: "pd.Series[Any]") -> None:
        frame = self.frame.iloc[:length].copy()
        for column in frame.columns.intersection(dtypes.index):
            if frame[column].dtype != dtypes[column]:
                frame[column] = frame[column].astype(dtypes[column])
        self._assign(frame)

    def _assign(self, frame: pd.DataFrame) -> None:
        """Replace the table, which napari must be told of by an event of its own."""
        events = self._layer.events
        with events.features.blocker(), events.properties.blocker():
            self._layer.features = frame
        self._known = self._layer.features

    def _tell(self) -> None:
        self._layer.events.properties()
        self._layer.events.features()


def _numbered(frame: pd.DataFrame) -> pd.DataFrame:
    """A table whose row number is the label."""
    numbers = pd.DataFrame({"index": np.arange(len(frame), dtype=np.int64)}, index=frame.index)
    return pd.concat([numbers, frame], axis=1)


def _filled(
    values: "pd.Series[Any]",
    places: NDArray[np.intp],
    old: "pd.Series[Any] | None",
    spoken: NDArray[np.intp] | None,
    length: int,
) -> NDArray[Any]:
    """A column of that length with values at their places, and elsewhere nothing, or what was there."""
    kind = values.dtype.kind if isinstance(values.dtype, np.dtype) else "O"
    empty, dtype = {"b": (False, bool), "i": (np.nan, float), "u": (np.nan, float), "f": (np.nan, float)}.get(
        kind, ("", object)
    )
    column = np.full(length, empty, dtype)
    if spoken is not None and old is not None:
        column[:] = (old.fillna(empty) if old.dtype == object else old).to_numpy(dtype)
        column[spoken[spoken >= 0]] = empty
    column[places] = values.to_numpy(dtype)
    return column


def _as_column(values: list[Any], dtype: Any) -> Any:
    """Values in a type that a column takes; what is missing becomes NaN."""
    plain = [np.nan if value is None else value for value in values]
    if dtype.kind in "iufb" and isinstance(dtype, np.dtype):
        missing = any(pd.isna(value) for value in plain)
        return np.array(plain, np.float64 if missing and dtype.kind != "f" else dtype)
    return plain
