"""Images go to other splits, get other classes, are removed; groups and near-duplicates stay together."""

from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from napari_cellseg.datasets.annotation import object_table
from napari_cellseg.datasets.record import KINDS, Entry, file_path
from napari_cellseg.datasets.sample import SPLITS, Origin
from napari_cellseg.datasets.splitting import choose_split, split_anew
from napari_cellseg.datasets.store import Dataset
from napari_cellseg.errors import DatasetError

SHAPE = (40, 44)


def image(seed):
    smooth = gaussian_filter(np.random.default_rng(seed).random(SHAPE), 3)
    labels = np.zeros(SHAPE, np.int32)
    labels[3:9, 4:12], labels[20:30, 8:12] = 1, 5
    return (smooth * 60000).astype(np.uint16), labels


def classes_on_disk(dataset, name):
    """Class numbers of the polygons of an image."""
    (path,) = dataset.folder.glob(f"labels/*/{name}.txt")
    return [int(line.split()[0]) for line in path.read_text().splitlines()]


@pytest.fixture
def dataset(tmp_path):
    made = Dataset.create(tmp_path / "data", ["cell", "debris"], seed=3)
    for i in range(10):
        table = object_table([1, 5], classes=["cell", "debris"])
        made.add(*image(i), name=f"fov {i}", group=f"well {i // 2}", objects=table)
    return made


def check_files(dataset):
    """Every image has its files in its split only, and opens."""
    for entry in dataset.entries():
        for split in SPLITS:
            for kind in ("images", "labels", "masks", "source"):
                assert (dataset.folder / file_path(kind, split, entry.name)).exists() == (
                    split == entry.split
                )
        assert dataset.sample(entry.name).pixels().shape == SHAPE
        assert all((dataset.folder / path).is_file() for path in dataset.record(entry.name).files)
    found = {p.stem for p in dataset.folder.glob("images/*/*.png")}
    assert found == set(dataset.names)


def test_a_change_sees_what_another_process_has_changed(dataset):
    other = Dataset.open(dataset.folder)
    other.rename_class("debris", "dead")
    with pytest.raises(DatasetError, match="'dead' already"):
        dataset.rename_class("cell", "dead")
    other.rename_class("dead", "debris")
    other.rename_class("cell", "living")
    with pytest.raises(DatasetError, match="no class 'cell'"):
        dataset.merge_class("cell", "debris")
    assert other.counts().loc["train", "living"] == 8
    for name, change in (
        ("fov 3", lambda: dataset.move("fov 3", "test")),
        ("fov 4", lambda: dataset.remove("fov 4")),
    ):
        other.remove(name)
        with pytest.raises(DatasetError, match=f"no image '{name}'"):
            change()


def test_groups_stay_together_in_every_split(dataset):
    table = dataset.records()
    assert (table.groupby("group")["split"].nunique() == 1).all()
    assert table["split"].value_counts().to_dict() == {"train": 8, "val": 2}
    dataset.add(*image(99), name="alone")
    assert dataset.record("alone").split == "test"


def test_a_new_split_moves_whole_groups_and_their_files(dataset):
    before = dataset.records().set_index("name")["split"]
    left = dataset.resplit((0.4, 0.4, 0.2), seed=11)
    table = dataset.records().set_index("name")
    assert (table.groupby("group")["split"].nunique() == 1).all()
    assert table["split"].value_counts().to_dict() == {"train": 4, "val": 4, "test": 2}
    assert left == {n: s for n, s in before.items() if table["split"][n] != s}
    check_files(dataset)
    again = Dataset.open(dataset.folder)
    assert again.settings.fractions == (0.4, 0.4, 0.2)
    assert again.records().equals(dataset.records())
    assert again.resplit() == {}


def test_images_are_moved_and_removed_with_all_their_files(dataset):
    dataset.move(["fov 1", "fov 2"], "test")
    assert dataset.counts().loc["test", "images"] >= 2
    assert dataset.record("fov 1").split == "test"
    check_files(dataset)
    dataset.remove("fov 1")
    assert "fov 1" not in dataset
    assert not [p for kind in KINDS for p in dataset.folder.glob(f"{kind}/*/fov 1.*")]
    check_files(dataset)
    with pytest.raises(DatasetError, match="no image 'fov 1'"):
        dataset.remove(["fov 2", "fov 1"])
    assert "fov 2" in dataset


def test_a_removed_twin_is_forgotten(tmp_path):
    dataset = Dataset.create(tmp_path / "data")
    pixels, labels = image(1)
    dataset.add(pixels, labels, name="a")
    dataset.add(pixels // 2 + 9, labels, name="b")
    assert dataset.record("b").twin_of == "a"
    dataset.remove("a")
    assert dataset.record("b").twin_of == ""


def test_a_renamed_class_keeps_its_number(dataset):
    dataset.rename_class("debris", "dead cell")
    assert dataset.classes == ("cell", "dead cell")
    assert classes_on_disk(dataset, "fov 1") == [0, 1]
    assert dataset.sample("fov 1").annotation.objects["class"].tolist() == ["cell", "dead cell"]
    assert dataset.counts()["dead cell"].sum() == 10
    assert "dead cell" in (dataset.folder / "dataset.yaml").read_text()


def test_a_class_is_merged_into_another_one_only_where_asked(dataset):
    with pytest.raises(DatasetError, match=r"'debris' already.*merge_class\('cell', into='debris'\)"):
        dataset.rename_class("cell", "debris")
    assert dataset.classes == ("cell", "debris")
    assert classes_on_disk(dataset, "fov 1") == [0, 1]
    dataset.merge_class("cell", into="debris")
    assert dataset.classes == ("debris",)
    assert classes_on_disk(dataset, "fov 1") == [0, 0]
    check_files(dataset)


@pytest.mark.parametrize(
    ("name", "into", "words"),
    [("dead", "cell", "no class 'dead'"), ("cell", "dead", "no class 'dead'"), ("cell", "cell", "itself")],
)
def test_what_cannot_be_merged_is_said(dataset, name, into, words):
    with pytest.raises(DatasetError, match=words):
        dataset.merge_class(name, into)
    assert dataset.classes == ("cell", "debris")


def test_another_order_of_the_classes_renumbers_the_polygons(dataset):
    dataset.set_classes(["new", "debris", "cell"])
    assert classes_on_disk(dataset, "fov 3") == [2, 1]
    with pytest.raises(DatasetError, match="'debris' has objects"):
        dataset.set_classes(["new", "cell"])
    assert Dataset.open(dataset.folder).classes == ("new", "debris", "cell")


def entries(sizes):
    return [
        Entry(name=f"{g}-{i}", split="train", shape=(1, 1), dtype="uint8", origin=Origin(group=f"g{g}"))
        for g, size in enumerate(sizes)
        for i in range(size)
    ]


@given(st.lists(st.integers(1, 6), min_size=1, max_size=40), st.integers(0, 99))
def test_shares_are_met_as_well_as_the_groups_allow(sizes, seed):
    fractions = (0.7, 0.2, 0.1)
    known = entries(sizes)
    chosen = split_anew(known, fractions, seed)
    assert chosen == split_anew(known, fractions, seed)
    assert set(chosen) == {entry.name for entry in known}
    for entry in known:
        assert chosen[entry.name] == chosen[f"{entry.name.split('-')[0]}-0"]
    for split, share in zip(SPLITS, fractions, strict=True):
        count = sum(found == split for found in chosen.values())
        assert count <= share * len(known) + max(sizes)


@given(st.integers(0, 2**31), st.lists(st.text(min_size=1), min_size=60, max_size=60, unique=True))
def test_single_images_end_up_at_their_shares(seed, names):
    counts = dict.fromkeys(SPLITS, 0)
    for name in names:
        counts[choose_split(counts, 1, (0.8, 0.1, 0.1), seed, name)] += 1
    assert counts == {"train": 48, "val": 6, "test": 6}


def test_a_split_without_a_share_gets_nothing():
    assert set(split_anew(entries([1] * 30), (0.9, 0.1, 0), 1).values()) == {"train", "val"}


SHARES = st.sampled_from(
    [(0.8, 0.1, 0.1), (0.9, 0.1, 0.0), (0.6, 0.2, 0.2), (0.1, 0.8, 0.1), (0.34, 0.33, 0.33)]
)


@settings(deadline=None)
@given(st.lists(st.integers(0, 8), min_size=1, max_size=30), SHARES, st.integers(0, 99))
def test_validation_comes_with_the_second_group(groups, fractions, seed):
    chosen, counts = {}, dict.fromkeys(SPLITS, 0)
    for number, group in enumerate(groups):
        if group not in chosen:
            chosen[group] = choose_split(counts, 1, fractions, seed, f"image {number}")
        counts[chosen[group]] += 1
        filled = [split for split in ("train", "val") if counts[split]]
        assert len(filled) == min(2, len(chosen))


@settings(deadline=None)
@given(st.lists(st.integers(1, 6), min_size=2, max_size=20), SHARES, st.integers(0, 99))
def test_a_new_split_leaves_neither_training_nor_validation_empty(sizes, fractions, seed):
    assert {"train", "val"} <= set(split_anew(entries(sizes), fractions, seed).values())


@settings(max_examples=12, deadline=None)
@given(st.lists(st.none() | st.integers(0, 3), min_size=2, max_size=9), st.integers(0, 99))
def test_a_tiny_dataset_has_validation_and_no_image_moves_when_others_come(groups, seed):
    with TemporaryDirectory() as folder:
        tiny = Dataset.create(f"{folder}/tiny", seed=seed)
        known = {}
        for i, group in enumerate(groups):
            tiny.add(*image(i), name=f"fov {i}", group="" if group is None else f"well {group}")
            splits = tiny.records().set_index("name")["split"].to_dict()
            assert known.items() <= splits.items()
            known = splits
        units = groups.count(None) + len(set(groups) - {None})
        assert set(known.values()) >= ({"train", "val"} if units > 1 else {"train"})


def test_single_images_have_their_shares_from_ten_on(tmp_path):
    made = Dataset.create(tmp_path / "data")
    counts = []
    for i in range(10):
        made.add(*image(i), name=f"fov {i}")
        counts.append(tuple(made.counts()["images"]))
    assert counts[:3] == [(1, 0, 0), (1, 1, 0), (2, 1, 0)]
    assert counts[5:7] == [(5, 1, 0), (5, 1, 1)]
    assert counts[-1] == (8, 1, 1)
