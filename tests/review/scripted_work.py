"""Work on a label image by a script, the same in every process; run as a program it goes on until killed.

python tests/review/scripted_work.py JOURNAL_FOLDER SEED
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from napari_cellseg.events import drain
from napari_cellseg.labels.edit import Edit, apply_edit, edit_of_window
from napari_cellseg.labels.index import ObjectIndex
from napari_cellseg.labels.whole import renumbering
from napari_cellseg.labels.whole_edit import apply_whole_edit
from napari_cellseg.review.image_key import ImageKey
from napari_cellseg.review.journal import Journal
from napari_cellseg.review.packing import pack_labels
from napari_cellseg.review.resuming import find_journals, resume_journal

KEY = ImageKey("/images/scripted.tif", 1, 2, "abc")
STATUSES = ["", "predicted", "edited", "added", "accepted", "filtered"]
EDGE = 160


class ScriptedWork:
    """Labels, their table and the review after any number of steps that depend on the seed alone."""

    def __init__(self, seed: int) -> None:
        self.seed, self.steps = seed, 0
        rng = np.random.default_rng(seed)
        self.labels = np.zeros((EDGE, EDGE), np.int32)
        for label, (y, x) in enumerate(rng.integers(10, EDGE - 10, (30, 2)), 1):
            self.labels[y - 6 : y + 7, x - 5 : x + 6] = label
        self.index = ObjectIndex.build(self.labels)
        self.table = pd.DataFrame(
            {
                "index": np.arange(31),
                "confidence": rng.random(31).astype(np.float32),
                "class": "cell",
                "status": pd.Categorical(["", *["predicted"] * 30], categories=STATUSES),
            }
        )
        self.review: dict[str, Any] = {"current": 1}
        self.done: list[Edit] = []

    def step(self) -> dict[str, Any]:
        """Do the next step; what the journal is to be given."""
        self.steps += 1
        rng = np.random.default_rng((self.seed, self.steps))
        kind = rng.choice(["paint", "delete", "accept", "undo", "renumber"], p=[0.5, 0.15, 0.2, 0.1, 0.05])
        if kind == "undo" and self.done:
            return self._pixels("undo", self.done.pop().inverted(), "edited")
        if kind == "renumber":
            return self._renumber()
        if kind == "accept" or not len(self.index):
            label = int(rng.choice(self.table["index"]))
            self.review = {"current": label, "step": self.steps}
            return {"kind": "accept", "review": self.review, **self._rows([label], "accepted")}
        y, x = rng.integers(0, EDGE - 12, 2)
        window = (slice(int(y), int(y) + 12), slice(int(x), int(x) + 9))
        label = self.index.next_label
        if kind == "delete":
            label, gone = 0, int(rng.choice(self.index.labels()))
            window = self.index.boxes(gone)
        before = self.labels[window].copy()
        chosen = before == gone if kind == "delete" else rng.random(before.shape) < 0.8
        edit = edit_of_window(str(kind), self.index, window, before, np.where(chosen, label, before))
        self.done.append(edit)
        return self._pixels(str(kind), edit, "added")

    def _pixels(self, kind: str, edit: Edit, status: str) -> dict[str, Any]:
        apply_edit(self.labels, edit)
        self.index.update(edit)
        touched = sorted({*edit.changed, *edit.added, *edit.removed})
        return {"kind": kind, "pixels": edit, **self._rows(touched, status)}

    def _rows(self, labels: list[int], status: str) -> dict[str, pd.DataFrame]:
        before = self.table[self.table["index"].isin(labels)]
        missing = [label for label in labels if label >= len(self.table)]
        if missing:
            fresh = self.table.iloc[:0].reindex(range(max(missing) + 1 - len(self.table)))
            fresh["index"] = np.arange(len(self.table), max(missing) + 1)
            fresh["class"] = ""
            self.table = pd.concat([self.table, fresh], ignore_index=True).astype(self.table.dtypes)
            labels = [*labels, *fresh["index"]]
        self.table.loc[self.table["index"].isin(labels), "status"] = status
        return {"before": before, "after": self.table[self.table["index"].isin(labels)].copy()}

    def _renumber(self) -> dict[str, Any]:
        edit = drain(renumbering(self.labels, self.index))
        apply_whole_edit(self.labels, edit)
        self.index = ObjectIndex.build(self.labels)
        self.done = []
        if self.steps % 2:
            return {"kind": "renumber", "pixels": pack_labels(self.labels), "after": self.table.copy()}
        return {"kind": "renumber", "pixels": edit, **self._rows([1, 2], "edited")}


def begin_or_resume(folder: Path, work: ScriptedWork) -> Journal:
    """A journal at the step at which it was left, and the work at the same step."""
    found = find_journals(KEY, folder)
    if not found:
        return Journal.begin(KEY, pack_labels(work.labels), work.table, review=work.review, folder=folder)
    journal, restored = resume_journal(found[0].path)
    while work.steps < restored.steps:
        work.step()
    return journal


def main() -> None:
    """Work, and print the number of each step that was done."""
    work = ScriptedWork(int(sys.argv[2]))
    journal = begin_or_resume(Path(sys.argv[1]), work)
    while True:
        journal.append(**work.step())
        sys.stdout.write(f"{work.steps}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
