"""Time of each edit on label images of 1,000², 4,000² and 10,000² pixels with the same density of objects.

Measured is what an edit costs below the viewer: finding the pixels, changing them, updating the index; and
the same for taking it back. 10,000² pixels hold 50,000 objects.

python benchmarks/edit.py [--tiles 1 4 10] [--repeats 30] [--json FILE]
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.events import drain
from napari_cellseg.labels.adding import add_region
from napari_cellseg.labels.edit import Edit, apply_edit
from napari_cellseg.labels.growing import grow_from_click
from napari_cellseg.labels.index import ObjectIndex
from napari_cellseg.labels.merging import merge
from napari_cellseg.labels.removing import delete, keep_largest_piece
from napari_cellseg.labels.resizing import grow, shrink
from napari_cellseg.labels.shaping import fill_holes, smooth
from napari_cellseg.labels.splitting import split_automatically, split_by_line, split_by_seeds
from napari_cellseg.labels.whole import removing_border_touching, removing_small, renumbering, smoothing_all
from napari_cellseg.labels.whole_edit import apply_whole_edit

TILE = 1000
OBJECTS = 500
MOST_SECONDS, MOST_EXTRA = 0.050, 0.010


def tile_of_objects() -> NDArray[np.int32]:
    """500 objects of two touching discs each, with a hole, a speck and a rough border."""
    rng = np.random.default_rng(0)
    labels = np.zeros((TILE, TILE), np.int32)
    rows, columns = 25, 20
    y, x = np.indices((38, 48))
    for k in range(OBJECTS):
        r, c = divmod(k, columns)
        big = np.hypot(y - 18, x - 16) + rng.normal(0, 0.6, y.shape) <= rng.uniform(12, 14)
        small = np.hypot(y - 18, x - 33) + rng.normal(0, 0.6, y.shape) <= rng.uniform(9, 11)
        mask = (big | small) & (np.hypot(y - 18, x - 16) > 2)
        mask[2, 2] = True
        corner = r * (TILE // rows) + 1, c * (TILE // columns) + 1
        window = labels[corner[0] : corner[0] + 38, corner[1] : corner[1] + 48]
        window[mask] = k + 1
    return labels


def tiled(tiles: int) -> NDArray[np.int32]:
    """The tile, again and again, each time with its own labels."""
    tile = tile_of_objects()
    result = np.empty((tiles * TILE, tiles * TILE), np.int32)
    for k in range(tiles * tiles):
        y, x = (n * TILE for n in divmod(k, tiles))
        result[y : y + TILE, x : x + TILE] = np.where(tile > 0, tile + k * OBJECTS, 0)
    return result


def centre_of(index: ObjectIndex, label: int) -> tuple[float, float]:
    """Middle of an object's box."""
    y, x = index.boxes(label)
    return (y.start + y.stop) / 2, (x.start + x.stop) / 2


def edits(labels: NDArray[np.int32], index: ObjectIndex, label: int) -> dict[str, Callable[[], Edit]]:
    """What is measured, for one object."""
    y, x = centre_of(index, label)
    line = [(y - 40, x + 3), (y + 40, x + 3)]
    seeds = [(y, x - 9), (y, x + 12)]
    some = partial(lambda of, **options: of(labels, index, [label], **options))
    return {
        "delete": partial(some, delete),
        "merge two": lambda: merge(labels, index, [label, label + 1]),
        "merge three far apart": lambda: merge(labels, index, [label, 1, len(index)]),
        "split by line": lambda: split_by_line(labels, index, label, line),
        "split all under a line": lambda: split_by_line(labels, index, None, line),
        "split by seeds": lambda: split_by_seeds(labels, index, label, seeds),
        "split automatically": lambda: split_automatically(labels, index, label),
        "fill holes": partial(some, fill_holes),
        "smooth": partial(some, smooth),
        "keep largest piece": partial(some, keep_largest_piece),
        "grow by 3": partial(some, grow, pixels=3),
        "shrink by 2": partial(some, shrink, pixels=2),
        "add region": lambda: add_region(labels, index, np.ones((30, 30), bool), (int(y), int(x))),
        "grow from click": lambda: clicked(labels, index, y, x),
    }


def clicked(labels: NDArray[np.int32], index: ObjectIndex, y: float, x: float) -> Edit:
    """An object grown from a click on an image made of the labels, and added over what is there."""
    origin = max(0, int(y) - 60), max(0, int(x) - 60)
    window = labels[origin[0] : int(y) + 61, origin[1] : int(x) + 61]
    mask = grow_from_click(window > 0, (y - origin[0], x - 8 - origin[1]), max_diameter=60)
    return add_region(labels, index, mask, origin, overwrite=True)


def run(labels: NDArray[np.int32], index: ObjectIndex, edit: Edit) -> float:
    """Seconds to change the labels and the index."""
    start = time.perf_counter()
    apply_edit(labels, edit)
    index.update(edit)
    return time.perf_counter() - start


def measure_edits(labels: NDArray[np.int32], index: ObjectIndex, repeats: int) -> dict[str, dict[str, float]]:
    """Median milliseconds of each edit and of taking it back, over objects all over the image."""
    chosen = np.random.default_rng(1).choice(np.arange(2, len(index) - 1), repeats, replace=False).tolist()
    times: dict[str, list[tuple[float, float]]] = {}
    for label in [chosen[0], *chosen]:
        for name, make in edits(labels, index, label).items():
            start = time.perf_counter()
            edit = make()
            made = time.perf_counter() - start
            if edit.is_empty:
                raise RuntimeError(f"'{name}' changed nothing of object {label}.")
            times.setdefault(name, []).append(
                (made + run(labels, index, edit), run(labels, index, edit.inverted()))
            )
    return {
        name: {
            "ms": 1e3 * float(np.median([t[0] for t in found[1:]])),
            "undo_ms": 1e3 * float(np.median([t[1] for t in found[1:]])),
        }
        for name, found in times.items()
    }


def measure_jobs(labels: NDArray[np.int32], index: ObjectIndex) -> dict[str, dict[str, float]]:
    """Seconds of each job on the whole image, of applying it and taking it back, and what undo keeps."""
    jobs = {
        "renumber": lambda: renumbering(labels, index),
        "remove small": lambda: removing_small(labels, index, 700),
        "remove border-touching": lambda: removing_border_touching(labels, index),
        "smooth all": lambda: smoothing_all(labels, index),
    }
    apply_edit(labels, first := delete(labels, index, [1]))
    index.update(first)
    result = {}
    for name, job in jobs.items():
        start = time.perf_counter()
        edit = drain(job())
        found = time.perf_counter()
        apply_whole_edit(labels, edit)
        applied = time.perf_counter()
        apply_whole_edit(labels, edit.inverted())
        undone = time.perf_counter()
        result[name] = {
            "job_s": found - start,
            "apply_s": applied - found,
            "undo_s": undone - applied,
            "kept_mb": edit.nbytes / 1e6,
        }
    return result


def measure(tiles: int, repeats: int) -> dict[str, Any]:
    """All numbers of one image."""
    labels = tiled(tiles)
    ObjectIndex.build(labels[:TILE, :TILE])
    start = time.perf_counter()
    index = ObjectIndex.build(labels)
    built = time.perf_counter() - start
    edit_times = measure_edits(labels, index, repeats)
    return {
        "edge": tiles * TILE,
        "objects": len(index),
        "index_s": built,
        "edits": edit_times,
        "jobs": measure_jobs(labels, index),
    }


def report(results: Sequence[dict[str, Any]]) -> None:
    """Print a table, and whether the limits hold."""
    small, large = results[0], results[-1]
    print(f"cores: {len(os.sched_getaffinity(0))}, load: {os.getloadavg()[0]:.1f}")
    print("edit, median ms".ljust(26), *(f"{r['edge']:>8}²" for r in results), "   ratio", "   undo")
    within = True
    for name, times in large["edits"].items():
        row = [r["edits"][name]["ms"] for r in results]
        within &= times["ms"] < 1e3 * MOST_SECONDS and times["ms"] - row[0] < 1e3 * MOST_EXTRA
        print(
            name.ljust(26),
            *(f"{ms:9.2f}" for ms in row),
            f"{row[-1] / row[0]:8.2f}",
            f"{times['undo_ms']:7.2f}",
        )
    print(f"every edit below 50 ms, and within 10 ms of {small['edge']}²: {'yes' if within else 'NO'}")
    for r in results:
        print(f"{r['edge']}², {r['objects']:,} objects: index built in {r['index_s']:.2f} s")
        for name, job in r["jobs"].items():
            print("   ", name.ljust(24), "  ".join(f"{key} {value:.2f}" for key, value in job.items()))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--tiles", type=int, nargs="+", default=[1, 4, 10], help="edges in thousands of pixels"
    )
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results = [measure(tiles, options.repeats) for tiles in options.tiles]
    report(results)
    if options.json is not None:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
