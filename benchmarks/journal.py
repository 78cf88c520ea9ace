"""Size of a journal, time of its steps, and time to repeat them.

python benchmarks/journal.py [--edges 4096 10000] [--objects 5000 50000] [--steps 1000] [--json FILE]
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from evaluation import cells

from napari_cellseg.events import drain
from napari_cellseg.labels.edit import Edit, apply_edit, edit_of_window
from napari_cellseg.labels.index import ObjectIndex
from napari_cellseg.labels.whole import renumbering
from napari_cellseg.labels.whole_edit import apply_whole_edit
from napari_cellseg.review.image_key import array_key
from napari_cellseg.review.journal import Journal
from napari_cellseg.review.packing import pack_labels
from napari_cellseg.review.resuming import find_journals, resume_journal


def table_of(index: ObjectIndex) -> pd.DataFrame:
    """A table such as a reviewed layer has."""
    ids = np.arange(index.largest + 1)
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "index": ids,
            "confidence": rng.random(len(ids)).astype(np.float32),
            "class": "cell",
            "status": pd.Categorical(["predicted"] * len(ids), categories=["predicted", "edited", "added"]),
            "origin": "model:nuclei@1",
        }
    )


def next_edit(index: ObjectIndex, rng: np.random.Generator) -> Edit:
    """A stroke of a brush, a split, or a deleted object."""
    labels, kind = index.array, rng.choice(["paint", "split", "delete"], p=[0.6, 0.2, 0.2])
    target = int(rng.choice(index.labels()))
    window = index.boxes(target)
    if kind == "paint":
        y, x = (min(s.start, n - 60) for s, n in zip(window, labels.shape, strict=True))
        window = (slice(y, y + 15), slice(x, x + 60))
    before = labels[window].copy()
    rows, columns = np.indices(before.shape)
    chosen = {
        "paint": np.abs(rows - 7 - 4 * np.sin(columns / 10)) < 4,
        "split": (before == target) & (rows + columns > sum(before.shape) // 2),
        "delete": before == target,
    }[str(kind)]
    value = 0 if kind == "delete" else target if kind == "paint" else index.next_label
    return edit_of_window(str(kind), index, window, before, np.where(chosen, value, before))


def work(journal: Journal, index: ObjectIndex, table: pd.DataFrame, steps: int) -> list[float]:
    """Seconds that the journal took for each step."""
    rng, seconds = np.random.default_rng(1), []
    for number in range(steps):
        edit = next_edit(index, rng)
        apply_edit(index.array, edit)
        index.update(edit)
        touched = [i for i in {*edit.changed, *edit.removed} if i < len(table)]
        rows = table.iloc[touched]
        after = pd.concat([rows, rows.iloc[:1].assign(index=edit.added[0])]) if edit.added else rows
        review = {"current": number, "filter": ["predicted"]}
        start = time.perf_counter()
        journal.append(edit.name, edit, before=rows, after=after, review=review)
        seconds.append(time.perf_counter() - start)
    return seconds


def measure(edge: int, objects: int, steps: int, folder: Path) -> dict[str, Any]:
    """Sizes in MB and times."""
    labels = cells(edge, objects, 0, crowded=True)
    index, key = ObjectIndex.build(labels), array_key(labels, "benchmark")
    table = table_of(index)
    start = time.perf_counter()
    journal = Journal.begin(key, pack_labels(labels), table, folder=folder)
    begun, base = time.perf_counter(), journal.size
    seconds = work(journal, index, table, steps)
    size = journal.size
    whole = drain(renumbering(labels, index))
    apply_whole_edit(labels, whole)
    renumbered = time.perf_counter()
    journal.append("renumber", whole, before=table, after=table)
    kept, whole_size = time.perf_counter(), journal.size - size
    journal.close()
    looked = time.perf_counter()
    (found,) = find_journals(key, folder)
    found_at = time.perf_counter()
    journal, restored = resume_journal(found.path)
    resumed = time.perf_counter()
    journal.discard()
    return {
        "edge": edge,
        "objects": len(index),
        "steps": steps,
        "begin_s": round(begun - start, 2),
        "base_MB": round(base / 1e6, 2),
        "steps_MB": round((size - base) / 1e6, 3),
        "append_ms_median": round(1e3 * float(np.median(seconds)), 3),
        "append_ms_99": round(1e3 * float(np.percentile(seconds, 99)), 3),
        "renumber_MB": round(whole_size / 1e6, 2),
        "renumber_append_s": round(kept - renumbered, 2),
        "find_s": round(found_at - looked, 3),
        "resume_s": round(resumed - found_at, 2),
        "exact": bool(np.array_equal(restored.labels, labels)),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edges", type=int, nargs="+", default=[4096, 10000])
    parser.add_argument("--objects", type=int, nargs="+", default=[5000, 50000])
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    result = []
    for edge, objects in zip(options.edges, options.objects, strict=True):
        with tempfile.TemporaryDirectory() as folder:
            result.append(measure(edge, objects, options.steps, Path(folder)))
            print(json.dumps(result[-1], indent=2))
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
