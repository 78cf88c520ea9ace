"""The order in which a person looks at the objects that are left, most doubtful first."""

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd

from napari_cellseg.review.status import Status, is_present

LEFT = (Status.PREDICTED,)
"""Statuses of objects that nobody has looked at: whoever edited or drew one has seen it."""
WAY_BACK = 1000
"""Objects that one can go back through."""
State = dict[str, Any]


class ReviewQueue:
    """Goes through the objects of one image, by falling doubt.

    The order stays as it is while a person works: an object that vanishes leaves a gap, to which it returns
    when that is undone, and one that an edit makes comes right after the current one. Call `sort` for a new
    order.

    The queue changes no table: what it accepts is to be written there by whoever asked for it, and what
    changes in the table, by undo too, is told to it by `update`.

    Parameters
    ----------
    rows : DataFrame
        Columns ``index``, ``status``, ``class`` (optional) and ``doubt`` (optional, 0 to 1); rows without
        an object are left out.
    """

    def __init__(self, rows: pd.DataFrame) -> None:
        self.current: int | None = None
        self.is_done = False
        self._status: dict[int, str] = {}
        self._class: dict[int, str] = {}
        self._order: list[int] = []
        self._placed: set[int] = set()
        self._inserted: list[tuple[int | None, list[int]]] = []
        self._is_sorted_anew = False
        self._skipped: set[int] = set()
        self._visited: deque[int] = deque(maxlen=WAY_BACK)
        self._wanted_statuses = frozenset(s.value for s in LEFT)
        self._wanted_classes: frozenset[str] | None = None
        self._take(rows)
        self.sort(rows)

    @property
    def order(self) -> tuple[int, ...]:
        """All objects, in the order of the review."""
        return tuple(label for label in self._order if label in self._status)

    @property
    def waiting(self) -> list[int]:
        """Objects that the filter lets through, in order; those skipped come last."""
        fitting = [label for label in self._order if self._fits(label)]
        return sorted(fitting, key=self._skipped.__contains__)

    @property
    def seen(self) -> int:
        """Objects of the wanted classes that a person has looked at."""
        left = {s.value for s in LEFT}
        return sum(status not in left and self._has_class(label) for label, status in self._status.items())

    @property
    def total(self) -> int:
        """Objects of the wanted classes."""
        return sum(map(self._has_class, self._status))

    @property
    def progress(self) -> str:
        """How far the review is, for example ``"312 of 1,040"``."""
        return f"{self.seen:,} of {self.total:,}"

    @property
    def statuses(self) -> frozenset[str]:
        """Statuses that the filter lets through."""
        return self._wanted_statuses

    @property
    def classes(self) -> frozenset[str] | None:
        """Classes that the filter lets through; None for all."""
        return self._wanted_classes

    def known_classes(self) -> list[str]:
        """Classes of all objects, in order of the alphabet; an empty one stands for objects without."""
        return sorted({self._class.get(label, "") for label in self._status})

    def fits(self, label: int | None) -> bool:
        """Whether the filter lets an object through."""
        return label is not None and self._fits(label)

    def status(self, label: int) -> str:
        """Status of an object, empty where there is no such object."""
        return self._status.get(label, "")

    def filter(self, statuses: Collection[str] | None = None, classes: Collection[str] | None = None) -> None:
        """Choose what to go through.

        Parameters
        ----------
        statuses : collection of str, optional
            Only objects of these; None stands for those that nobody has looked at.
        classes : collection of str, optional
            Only objects of these; None stands for all.
        """
        self._wanted_statuses = frozenset(map(str, LEFT if statuses is None else statuses))
        self._wanted_classes = None if classes is None else frozenset(classes)

    def sort(self, rows: pd.DataFrame) -> None:
        """Order the objects anew by falling column ``doubt``, then by rising label; those skipped rejoin."""
        doubt = rows["doubt"].to_numpy(float) if "doubt" in rows else np.zeros(len(rows))
        known = dict(zip(rows["index"].to_numpy(np.int64).tolist(), doubt.tolist(), strict=True))
        self._set_order(sorted(self._status, key=lambda label: (-known.get(label, 0.0), label)))
        self._skipped.clear()

    def update(self, rows: pd.DataFrame) -> None:
        """Take in rows of the table that changed, by an edit, by undo or by hand.

        Parameters
        ----------
        rows : DataFrame
            As for the queue itself; a row without an object takes it out of the review. Where the current
            object vanishes, the next one that the filter lets through becomes current.
        """
        present = is_present(rows)
        self._take(rows)
        fresh = [i for i in rows["index"][present].tolist() if i not in self._placed]
        if fresh:
            self._insert(self.current, fresh)
        gone = rows["index"][~present].tolist()
        for label in gone:
            self._status.pop(label, None)
            self._class.pop(label, None)
        if self.current in gone and self.next() is None:
            self.current = None

    def rename(self, labels: Mapping[int, int]) -> None:
        """Follow objects that have other labels now, whatever those stood for before.

        Parameters
        ----------
        labels : mapping of int to int
            Old label → new label; the others stay.
        """
        gone = set(labels.values()).difference(labels)
        self._status = {labels.get(i, i): status for i, status in self._status.items() if i not in gone}
        self._class = {labels.get(i, i): name for i, name in self._class.items() if i not in gone}
        self._set_order([labels.get(i, i) for i in self._order if i not in gone])
        self._skipped = {labels.get(i, i) for i in self._skipped if i not in gone}
        self._visited = deque((labels.get(i, i) for i in self._visited if i not in gone), WAY_BACK)
        if self.current is not None:
            self.current = labels.get(self.current, self.current)

    def go_to(self, label: int) -> bool:
        """Make an object the current one, because the person chose it; False where there is none such."""
        if label not in self._status:
            return False
        if self.current is not None and self.current != label:
            self._visited.append(self.current)
        self.current = int(label)
        return True

    def next(self) -> int | None:
        """The next object that the filter lets through, which becomes the current one.

        Returns
        -------
        int or None
            The search goes on from the start, and at last over those skipped. None where nothing else is
            left; the current object stays then.
        """
        start = self._order.index(self.current) + 1 if self.current in self._placed else 0
        ahead = [*islice(self._order, start, None), *islice(self._order, start)]
        fitting = (label for label in ahead if label != self.current and self._fits(label))
        skipped: list[int] = []
        for label in fitting:
            if label not in self._skipped:
                self.go_to(label)
                return label
            skipped.append(label)
        if skipped:
            self.go_to(skipped[0])
        return skipped[0] if skipped else None

    def previous(self) -> int | None:
        """The object that was current before, which becomes current again; None where there was none."""
        while self._visited:
            label = self._visited.pop()
            if label in self._status and label != self.current:
                self.current = label
                return label
        return None

    def skip(self) -> int | None:
        """Leave the current object for the end, and go to the next."""
        if self.current is not None:
            self._skipped.add(self.current)
        return self.next()

    def accept(self, labels: Iterable[int] | None = None) -> list[int]:
        """Take objects as right; the current object stays current, so that `next` goes on from there.

        Parameters
        ----------
        labels : iterable of int, optional
            All objects of a field of view, for example; the current one unless given.

        Returns
        -------
        list of int
            Objects whose status changes to `accepted`, to be written into the table.
        """
        current = [] if self.current is None else [self.current]
        chosen = [int(i) for i in (current if labels is None else labels) if i in self._status]
        changed = [i for i in chosen if self._status[i] != Status.ACCEPTED]
        self._status.update(dict.fromkeys(changed, Status.ACCEPTED.value))
        self._skipped.difference_update(changed)
        return changed

    def mark_done(self, done: bool = True) -> None:
        """Say that the image as a whole is done, or is not."""
        self.is_done = done

    def state(self) -> State:
        """Where the review stands, the order included, as JSON holds it."""
        self._is_sorted_anew = True
        return self.change()

    def change(self) -> State:
        """The same, with the order only as far as it changed since `change` or `state` was last called.

        `merge_states` joins it to what was before.
        """
        state: State = {
            "current": self.current,
            "skipped": sorted(self._skipped),
            "statuses": sorted(self._wanted_statuses),
            "classes": None if self._wanted_classes is None else sorted(self._wanted_classes),
            "done": self.is_done,
        }
        if self._is_sorted_anew:
            state["order"] = list(self._order)
        elif self._inserted:
            state["inserted"] = self._inserted
        self._is_sorted_anew, self._inserted = False, []
        return state

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken; objects that are unknown now are left out."""
        if "order" in state:
            unplaced = self._placed.difference(state["order"])
            self._set_order([*state["order"], *(i for i in self._order if i in unplaced)])
        current = state.get("current")
        self.current = current if current in self._status else None
        self._skipped = set(state.get("skipped", ()))
        self._visited.clear()
        self.filter(state.get("statuses"), state.get("classes"))
        self.is_done = bool(state.get("done", False))

    def _take(self, rows: pd.DataFrame) -> None:
        present = rows[is_present(rows)]
        labels = present["index"].to_numpy(np.int64).tolist()
        self._status.update(zip(labels, present["status"].astype(str), strict=True))
        if "class" in present:
            self._class.update(zip(labels, present["class"].astype(str), strict=True))

    def _set_order(self, order: list[int]) -> None:
        self._order, self._placed = order, set(order)
        self._inserted, self._is_sorted_anew = [], True

    def _insert(self, after: int | None, labels: list[int]) -> None:
        _insert(self._order, after, labels)
        self._placed.update(labels)
        self._inserted.append((after, labels))

    def _fits(self, label: int) -> bool:
        return self._status.get(label) in self._wanted_statuses and self._has_class(label)

    def _has_class(self, label: int) -> bool:
        return self._wanted_classes is None or self._class.get(label, "") in self._wanted_classes


def merge_states(state: Mapping[str, Any] | None, change: Mapping[str, Any] | None) -> State | None:
    """The state of a review after a change of it; see `ReviewQueue.change`."""
    if state is None or change is None:
        return dict(change or state or {}) or None
    merged = {**state, **change}
    inserted = merged.pop("inserted", ())
    if "order" in merged:
        merged["order"] = list(merged["order"])
        for after, labels in inserted:
            _insert(merged["order"], after, labels)
    return merged


def _insert(order: list[int], after: int | None, labels: Iterable[int]) -> None:
    at = order.index(after) + 1 if after in order else 0
    order[at:at] = labels
