"""A dataset's folder that came from elsewhere: damaged, or made to reach beyond itself."""

import json
import tempfile
import zipfile
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_cellseg.datasets.formats.registry import find_format, list_formats
from napari_cellseg.datasets.store import Dataset
from napari_cellseg.errors import DatasetError, OutputError

from .mutations import Link, mutated_trees, tree_of, write_tree
from .nasty import CLASSES, nasty_annotations, sample_of
from .sandbox import bounded, laid_out, listing, refusal, small_samples

FORMATS = sorted(f.name for f in list_formats())
QUIET = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@cache
def valid_dataset():
    with tempfile.TemporaryDirectory() as folder:
        dataset = Dataset.create(Path(folder, "d"), seed=1)
        for sample in small_samples():
            dataset.add_sample(sample)
        return tree_of(dataset.folder)


def use(folder):
    """Everything that reads a dataset, then a change."""
    dataset = Dataset.open(folder)
    dataset.records()
    dataset.counts()
    for name in dataset.names:
        dataset.record(name)
        dataset.sample(name).pixels()
    dataset.add_sample(sample_of("new", nasty_annotations()["touching"]))


def check(folder):
    """The check of what can be opened finds faults, and does not stop at them."""
    dataset = Dataset.open(folder)
    assert all(finding.text for finding in checked(dataset))


def checked(dataset):
    try:
        return dataset.check()
    except DatasetError as error:
        raise AssertionError(f"the check stops: {error}") from error


def used(tree, action):
    with laid_out(tree, may_change=True) as folder, bounded():
        refusal(lambda: action(folder), OutputError)


@settings(max_examples=25, **QUIET)
@given(st.data())
def test_a_damaged_dataset_raises_nothing_but_dataset_errors(data):
    used(data.draw(mutated_trees(valid_dataset())), data.draw(st.sampled_from([use, check])))


@pytest.mark.slow
@settings(max_examples=1500, **QUIET)
@given(st.data())
def test_many_damaged_datasets_raise_nothing_but_dataset_errors(data):
    used(data.draw(mutated_trees(valid_dataset())), data.draw(st.sampled_from([use, check])))


PLANS = {
    "climbs": {"puts": {"../outside.txt": "0.txt"}, "moves": {}, "removals": []},
    "absolute": {"puts": {"/tmp/outside.txt": "0.txt"}, "moves": {}, "removals": []},
    "takes from outside": {
        "puts": {"labels/train/x.txt": "../../../outside.txt"},
        "moves": {},
        "removals": [],
    },
    "moves out": {"puts": {}, "moves": {"dataset.json": "../outside.txt"}, "removals": []},
    "moves in": {"puts": {}, "moves": {"../outside.txt": "x.txt"}, "removals": []},
    "removes outside": {"puts": {}, "moves": {}, "removals": ["../outside.txt"]},
    "removes through a link": {"puts": {}, "moves": {}, "removals": ["labels/out/outside.txt"]},
    "puts through a link": {"puts": {"labels/out/outside.txt": "0.txt"}, "moves": {}, "removals": []},
    "not a plan": [1, 2],
    "wrong kinds": {"puts": 3, "moves": "x", "removals": None},
    "removes nothing": {"puts": {}, "moves": {}, "removals": [None, 1, {}, ""]},
    "removes a folder": {"puts": {}, "moves": {}, "removals": ["."]},
}


@pytest.mark.parametrize("plan", PLANS)
def test_a_foreign_plan_reaches_nothing_outside(plan):
    extra = {
        "labels/out": Link("../.."),
        ".staging/0/0.txt": b"foreign",
        ".staging/0/commit.json": json.dumps(PLANS[plan]).encode(),
    }
    used(valid_dataset() | extra, use)


@pytest.mark.parametrize(
    "where", [".staging", "records", "images", "labels", "source/train", "masks/val", ".staging/1"]
)
def test_links_to_folders_outside_harm_nothing(where):
    tree = {path: content for path, content in valid_dataset().items() if not path.startswith(f"{where}/")}
    used(tree | {where: Link("../" * where.count("/") + "../precious")}, use)


@pytest.mark.parametrize(
    "where", [".lock", ".catalogue.json", "dataset.json", "records/new.json", ".staging/1"]
)
def test_links_to_files_outside_harm_nothing(where):
    used(valid_dataset() | {where: Link("../" * where.count("/") + "../outside.txt")}, use)


@cache
def exported(name):
    with tempfile.TemporaryDirectory() as folder:
        assert len(list(find_format(name).write(small_samples(), Path(folder), CLASSES))) == 3
        return tree_of(Path(folder))


def importing(tree, zipped):
    """Import a tree, or an archive of it, into a dataset, which must be as it was where that fails."""
    with laid_out({}, may_change=True) as folder, bounded():
        write_tree(tree, folder / "from")
        dataset = Dataset.create(folder / "d")
        dataset.add_sample(small_samples()[1])
        before = images_of(dataset)
        path = zipped_up(folder / "from") if zipped else folder / "from"
        error = refusal(lambda: dataset.import_from(path))
        if error is not None:
            assert images_of(dataset) == images_of(Dataset.open(dataset.folder)) == before


def images_of(dataset):
    return [
        row for row in listing(dataset.folder) if row[0].suffix in (".json", ".txt", ".tif", ".png", ".yaml")
    ]


def zipped_up(folder):
    made = folder.with_suffix(".zip")
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in tree_of(folder).items():
            archive.writestr(name, content)
    return made


@settings(max_examples=25, **QUIET)
@given(st.data())
def test_a_failed_import_leaves_the_dataset_as_it_was(data):
    name = data.draw(st.sampled_from(FORMATS))
    importing(data.draw(mutated_trees(exported(name))), data.draw(st.booleans()))


@pytest.mark.slow
@settings(max_examples=1500, **QUIET)
@given(st.data())
def test_failed_imports_leave_the_dataset_as_it_was(data):
    name = data.draw(st.sampled_from(FORMATS))
    importing(data.draw(mutated_trees(exported(name))), data.draw(st.booleans()))
