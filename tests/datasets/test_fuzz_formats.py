"""Whatever is wrong with files, their readers say so with a `DatasetError`, write nothing, and stay small.

Files that our own writers wrote are made bad in many ways; many more are tried by ``pytest -m slow``.
"""

import tempfile
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_cellseg.datasets.formats.registry import list_formats, recognise_format
from napari_cellseg.errors import DatasetError

from .mutations import Folder, Link, mutated_trees, tree_of
from .nasty import CLASSES
from .sandbox import bounded, laid_out, refusal, small_samples

FORMATS = {f.name: f for f in list_formats()}
NOTHING = {
    "folder": Folder(),
    "empty": b"",
    "noise": bytes(range(256)) * 9,
    "nul.json": b"\0",
    "x.zip": b"PK",
    "x.csv": b"\n\n",
    "nowhere": Link("gone"),
    "circle": Link("circle"),
}


@cache
def valid_tree(name):
    """What a format's writer writes."""
    with tempfile.TemporaryDirectory() as folder:
        assert len(list(FORMATS[name].write(small_samples(), Path(folder), CLASSES))) == 3
        return tree_of(Path(folder))


def read_all(name, path):
    """Read all samples of a path and their pixels."""
    notes = []
    for sample in FORMATS[name].read(path, notes):
        assert sample.annotation.labels.size >= 0
        if sample.read_pixels is not None:
            sample.pixels()
    assert all(isinstance(line, str) and line for line in notes)


def check_mutated(name, data):
    tree = data.draw(mutated_trees(valid_tree(name)))
    with laid_out(tree) as folder, bounded():
        refusal(lambda: read_all(name, folder))


QUIET = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=15, **QUIET)
@given(st.data())
def test_bad_files_raise_nothing_but_dataset_errors(name, data):
    check_mutated(name, data)


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=600, **QUIET)
@given(st.data())
def test_many_bad_files_raise_nothing_but_dataset_errors(name, data):
    check_mutated(name, data)


@pytest.mark.parametrize("name", FORMATS)
def test_valid_files_are_read_from_anywhere(name):
    with laid_out(valid_tree(name)) as folder, bounded():
        read_all(name, folder)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("what", ["missing", *NOTHING])
def test_nothing_at_all_is_a_dataset_error(name, what):
    with laid_out(NOTHING) as folder, pytest.raises(DatasetError), bounded():
        read_all(name, folder / what)


@settings(max_examples=30, **QUIET)
@given(st.data())
def test_recognising_never_fails_with_another_error(data):
    name = data.draw(st.sampled_from(sorted(FORMATS)))
    with laid_out(data.draw(mutated_trees(valid_tree(name)))) as folder, bounded():
        for path in (folder, *sorted(folder.rglob("*"))[:5]):
            refusal(lambda path=path: recognise_format(path))
