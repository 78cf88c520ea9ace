"""Formats are found by name, and by what a file or folder looks like."""

from pathlib import Path

import pytest

from napari_cellseg.datasets.formats.registry import find_format, list_formats, recognise_format
from napari_cellseg.errors import DatasetError

from .nasty import CLASSES, nasty_annotations, sample_of

AS_ANOTHER = {"coco-polygons": "coco", "livecell": "coco", "cvat": "coco"}
"""Formats that look like another one, which reads them as well."""


@pytest.mark.parametrize("name", [format.name for format in list_formats()])
def test_what_a_format_writes_is_recognised(name, tmp_path):
    some = [sample_of(n, nasty_annotations()[n], dtype="uint8") for n in ("overlap", "hole")]
    assert len(list(find_format(name).write(some, tmp_path, CLASSES))) == 2
    assert recognise_format(tmp_path).name == AS_ANOTHER.get(name, name)


def test_what_is_unknown_is_said_in_words(tmp_path):
    with pytest.raises(DatasetError, match="yolo"):
        find_format("yolov5")
    with pytest.raises(DatasetError, match="none of the known formats"):
        recognise_format(tmp_path)
    with pytest.raises(DatasetError, match="no file or folder"):
        recognise_format(tmp_path / "gone")
    with pytest.raises(DatasetError, match=r"cannot be read|no file"):
        recognise_format(Path("x" * 5000))
