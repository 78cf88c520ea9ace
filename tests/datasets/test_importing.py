"""One dataset imported into another."""

import numpy as np
import pandas as pd

from napari_cellseg.datasets.annotation import Annotation, object_table
from napari_cellseg.datasets.sample import Origin, Sample
from napari_cellseg.datasets.store import Dataset

from .nasty import assert_same_objects, nasty_annotations, pixels_of


def test_nothing_of_a_dataset_is_lost_on_the_way_into_another(tmp_path):
    known = nasty_annotations()["overlap"]
    table = object_table([1, 2, 3], classes=["a", "b", "a"], status=["added", "edited", "predicted"])
    ignored = np.zeros(known.shape, bool)
    ignored[:4] = True
    pixels = pixels_of(known.shape)
    origin = Origin("plate/a.tif", "plate", {"t": 3}, (0, 0, 20, 24), 0.5, "Ada")
    given = Sample(
        "x y", Annotation(known.labels, table, known.covered), lambda: pixels, origin, "test", ignored
    )
    first, second = (Dataset.create(tmp_path / name) for name in ("first", "second"))
    first.add_sample(given)
    (first.folder / "records" / "broken.json").write_text("{")
    result = second.import_from(first.folder)
    assert result.format == "dataset"
    assert any("'broken' is left out" in note for note in result.notes)
    found = second.sample("x y")
    assert_same_objects(found.annotation, given.annotation)
    pd.testing.assert_frame_equal(found.annotation.objects, table)
    np.testing.assert_array_equal(found.pixels(), pixels)
    np.testing.assert_array_equal(found.ignored, ignored)
    assert (found.origin, found.split) == (origin, "test")
