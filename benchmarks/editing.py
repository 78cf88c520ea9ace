"""What an edit costs in a labels layer, table and index included, by the size of the image:

python benchmarks/editing.py [EDGE …]

The images have 1,000², 4,000² and 10,000² pixels unless edges are given; the ratio compares the largest
with the smallest.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
from napari.components import ViewerModel

from napari_cellseg.labels.resizing import grow
from napari_cellseg.review.status import Status
from napari_cellseg.viewer.correcting import Correction
from napari_cellseg.viewer.feature_rows import write_rows

SPACING = 44
"""Pixels from one object to the next: 50,000 objects on 10,000 × 10,000 pixels."""
RADIUS = 18
LOBE = 10
"""Radius of each of the two discs that a dumbbell is made of."""
NECKED = range(300, 330)
"""Labels of the dumbbells; the others are discs."""
REPEATS = 15


def discs(edge: int) -> np.ndarray:
    """Discs on a grid, numbered from 1, some of which are dumbbells."""
    labels = np.zeros((edge, edge), np.int32)
    y, x = np.mgrid[-RADIUS : RADIUS + 1, -RADIUS : RADIUS + 1]
    disc = y**2 + x**2 <= RADIUS**2
    dumbbell = np.minimum((x - LOBE + 2) ** 2, (x + LOBE - 2) ** 2) + y**2 <= LOBE**2
    count = 0
    for row in range(RADIUS + 2, edge - RADIUS - 2, SPACING):
        for column in range(RADIUS + 2, edge - RADIUS - 2, SPACING):
            count += 1
            window = labels[row - RADIUS : row + RADIUS + 1, column - RADIUS : column + RADIUS + 1]
            window[dumbbell if count in NECKED else disc] = count
    return labels


def cut(do: Correction, label: int) -> None:
    """Split a dumbbell at its neck."""
    if not do.split_automatically([label]).startswith("Split"):
        raise RuntimeError(f"Object {label} was not split.")


def median_ms(action: Callable[[int], object]) -> float:
    """Median time of an action on object after object, milliseconds."""
    times = []
    for number in range(REPEATS + 1):
        start = time.perf_counter()
        action(number)
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[1:])


def measured(edge: int) -> dict[str, float]:
    """Median milliseconds of each edit on an image of this edge."""
    labels = discs(edge)
    layer = ViewerModel().add_labels(labels)
    rows = pd.DataFrame({"index": np.arange(1, labels.max() + 1)})
    write_rows(layer, rows.assign(confidence=0.9, **{"class": "cell"}))
    start = time.perf_counter()
    do = Correction(ViewerModel(), layer, later=lambda seconds, action: None)
    result = {"objects": float(labels.max()), "attach": 1000 * (time.perf_counter() - start)}
    index = do.editor.index

    def line(number: int) -> None:
        y, x = ((part.start, part.stop) for part in index.boxes(200 + number))
        middle = (y[0] + y[1]) / 2
        do.split_by_line(np.array([[middle, x[0] - 3.0], [middle, x[1] + 3.0]]))

    def paint(number: int) -> None:
        box = index.boxes(60 + number)
        layer.paint((box[0].start, box[1].start), 60 + number)

    result["delete"] = median_ms(lambda n: do.delete([20 + n]))
    result["merge"] = median_ms(lambda n: do.merge([100 + 2 * n, 101 + 2 * n]))
    result["split by line"] = median_ms(line)
    result["split at necks"] = median_ms(lambda n: cut(do, NECKED[n]))
    result["ten edits as one step"] = median_ms(
        lambda n: do.editor.apply_together(
            "grow", [partial(grow, labels, objects=[220 + i], pixels=1) for i in range(2 * n, 2 * n + 10)]
        )
    )
    result["smooth"] = median_ms(lambda n: do.smooth([140 + n]))
    result["grow"] = median_ms(lambda n: do.grow([160 + n]))
    result["paint"] = median_ms(paint)
    result["accept"] = median_ms(lambda n: do.set_status([180 + n], Status.ACCEPTED))
    while do.editor.undo_names[-1] != "paint":
        do.editor.undo()
    ours = median_ms(lambda n: do.editor.undo())
    do.editor.close()
    layer.paint((5, 5), 1)
    for _ in range(REPEATS + 1):
        layer.paint((5, 5), 3 + _)
    result["undo"], result["napari's undo"] = ours, median_ms(lambda n: layer.undo())
    return result


def main() -> None:
    """Print a table, and the largest image compared with the smallest."""
    edges = [int(a) for a in sys.argv[1:]] or [1000, 4000, 10000]
    found = {edge: measured(edge) for edge in edges}
    table = pd.DataFrame(found)
    table["ratio"] = table.iloc[:, -1] / table.iloc[:, 0]
    print(f"cores: {len(os.sched_getaffinity(0))}, load: {os.getloadavg()[0]:.1f}; median ms")
    print(table.round(1).to_string())


if __name__ == "__main__":
    main()
