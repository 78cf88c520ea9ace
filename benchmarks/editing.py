"""What an edit costs in a labels layer, table and index included, by the size of the image:

python benchmarks/editing.py [EDGE …]
"""

import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from napari.components import ViewerModel

from napari_cellseg.review.status import Status
from napari_cellseg.viewer.correcting import Correction
from napari_cellseg.viewer.feature_rows import write_rows

SPACING = 44
"""Pixels from one object to the next: 50,000 objects on 10,000 × 10,000 pixels."""
RADIUS = 18
REPEATS = 15


def discs(edge: int) -> np.ndarray:
    """Discs on a grid, numbered from 1."""
    labels = np.zeros((edge, edge), np.int32)
    y, x = np.mgrid[-RADIUS : RADIUS + 1, -RADIUS : RADIUS + 1]
    disc = y**2 + x**2 <= RADIUS**2
    count = 0
    for row in range(RADIUS + 2, edge - RADIUS - 2, SPACING):
        for column in range(RADIUS + 2, edge - RADIUS - 2, SPACING):
            count += 1
            window = labels[row - RADIUS : row + RADIUS + 1, column - RADIUS : column + RADIUS + 1]
            window[disc] = count
    return labels


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
    result["split at necks"] = median_ms(lambda n: do.split_automatically([300 + n]))
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
    print(pd.DataFrame(found).round(1).to_string())


if __name__ == "__main__":
    main()
