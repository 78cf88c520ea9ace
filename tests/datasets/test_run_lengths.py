"""Run-length CSV files: exact there and back, Kaggle's conventions told from the runs, wrong lines named."""

import csv
import tracemalloc

import numpy as np
import pandas as pd
import pytest

from napari_cellseg.datasets.annotation import Annotation, object_table
from napari_cellseg.datasets.formats import run_length_rows, run_lengths
from napari_cellseg.datasets.names import safe_name
from napari_cellseg.datasets.sample import Origin, Sample
from napari_cellseg.errors import DatasetError, OutputError

from .nasty import (
    CLASSES,
    drawn,
    nasty_annotations,
    nasty_samples,
    painted,
    sample_of,
)

FORMATS = {f.name: f for f in run_lengths.FORMATS}


def write(samples, folder, name="sartorius", classes=CLASSES):
    return list(FORMATS[name].write(samples, folder, classes))


def read(path, name="sartorius", notes=None, images=None):
    return list(FORMATS[name].read(path, [] if notes is None else notes, images=images))


def read_text(tmp_path, text, name="sartorius", notes=None, **options):
    path = tmp_path / "x.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(path, name, notes, **options)


def decoded(text, shape, order):
    """A mask as the competitions' participants decode it, with pandas and numpy."""
    numbers = np.array(text.split(), int)
    mask = np.zeros(shape[0] * shape[1], bool)
    for start, length in zip(numbers[::2] - 1, numbers[1::2], strict=True):
        mask[start : start + length] = True
    return mask.reshape(shape, order=order)


def test_the_files_of_sartorius(tmp_path):
    samples = [s for s in nasty_samples() if len(s.annotation)]
    write(samples, tmp_path)
    table = pd.read_csv(tmp_path / "all.csv", dtype={"id": str}, keep_default_na=False)
    assert table.columns[:5].tolist() == ["id", "annotation", "width", "height", "cell_type"]
    for sample in samples:
        rows = table[table["id"] == safe_name(sample.name)]
        for mask, row in zip(sample.annotation.masks(), rows.itertuples(), strict=True):
            assert (row.height, row.width) == sample.annotation.shape
            found = decoded(row.annotation, sample.annotation.shape, "C")
            np.testing.assert_array_equal(found, painted(mask, sample.annotation.shape))


def test_the_files_of_the_data_science_bowl(tmp_path):
    sample = sample_of("a b", nasty_annotations()["overlap with holes"], split="train")
    write([sample], tmp_path, "dsb-csv")
    table = pd.read_csv(tmp_path / "stage1_train_labels.csv")
    assert table.columns[:2].tolist() == ["ImageId", "EncodedPixels"]
    assert (tmp_path / "stage1_train" / "a b" / "images" / "a b.png").is_file()
    for mask, text in zip(sample.annotation.masks(), table["EncodedPixels"], strict=True):
        shape = sample.annotation.shape
        np.testing.assert_array_equal(decoded(text, shape, "F"), painted(mask, shape))


@pytest.mark.parametrize("name", FORMATS)
def test_rows_groups_and_splits_travel(tmp_path, name):
    table = object_table([2, 9], classes=CLASSES[1:], status=["predicted", "added"], confidence=[0.1, np.nan])
    table["origin"] = ["model:a@1", 'a, "b"\nc']
    annotation = Annotation.from_labels(drawn(["2..9", "22.9"]), table)
    samples = [Sample("a", annotation, None, Origin(group="plate; 1"), "val"), Sample("b", annotation)]
    write(samples, tmp_path, name)
    found = {s.name: s for s in read(tmp_path, name)}
    expected = table.assign(origin=["model:a@1", 'a, "b" c']).astype({"origin": "str"})
    pd.testing.assert_frame_equal(found["a"].annotation.objects, expected)
    assert {k: (s.split, s.origin.group) for k, s in found.items()} == {
        "a": ("val", "plate; 1"),
        "b": (None, ""),
    }


def test_images_without_objects_have_a_row_of_their_own(tmp_path):
    write([Sample("none", nasty_annotations()["no objects"])], tmp_path)
    (found,) = read(tmp_path)
    assert (found.annotation.shape, len(found.annotation)) == ((7, 5), 0)
    empty = tmp_path / "empty"
    assert write([], empty) == []
    assert read(empty) == []


SARTORIUS = "id,annotation,width,height,cell_type,plate_time,sample_date,sample_id,elapsed_timedelta\n"


def test_a_table_of_sartorius(tmp_path):
    notes = []
    text = SARTORIUS + (
        "0030fd0e6378,1 2 6 1,5,4,shsy5y,11h30m00s,2019-06-16,well A,0 days\n"
        "ffff,20 1,5,4,astro,09h00m00s,2020-09-12,well B,0 days\n"
        "0030fd0e6378,1 2 6 1,5,4,shsy5y,11h30m00s,2019-06-16,well A,0 days\n"
    )
    first, second = read_text(tmp_path, text, notes=notes)
    assert first.annotation.shape == (4, 5)
    assert [painted(m, (4, 5)).nonzero()[0].tolist() for m in first.annotation.masks()] == [[0, 0, 1]] * 2
    assert (first.name, first.origin.group, first.split) == ("0030fd0e6378", "well A", None)
    assert second.annotation.labels[3, 4] == 1
    assert second.annotation.class_names() == ["astro"]
    assert any(n.startswith("1 objects have exactly the pixels of another") for n in notes)
    assert any(n.startswith("2 images are not there") for n in notes)
    assert not any("counted" in n for n in notes)
    assert any("along rows was taken" in n for n in notes)


def test_a_table_of_the_data_science_bowl_with_its_images(tmp_path):
    sample = sample_of("ab", Annotation.from_labels(np.zeros((4, 5), int)))
    write([sample], tmp_path / "out", "dsb-csv")
    (tmp_path / "out" / "stage1_all").rename(tmp_path / "stage1_train")
    path = tmp_path / "stage1_train_labels.csv"
    path.write_text("ImageId,EncodedPixels\nab,1 2 5 1\nab,-1\nab,\nab,3 0\n")
    (tmp_path / "stage1_sample_submission.csv").write_text("ImageId,EncodedPixels\nzz,1 1\n")
    (found,) = read(tmp_path, "dsb-csv")
    assert np.argwhere(found.annotation.labels).tolist() == [[0, 0], [0, 1], [1, 0]]
    np.testing.assert_array_equal(found.pixels(), sample.pixels())
    with pytest.raises(DatasetError, match="line 2: the image 'zz' has neither"):
        read_text(tmp_path, "ImageId,EncodedPixels\nzz,1 1\n")
    chosen = tmp_path / "chosen"
    chosen.mkdir()
    (tmp_path / "stage1_train").rename(chosen / "deep")
    assert read(path, "dsb-csv", images=chosen)[0].pixels().shape == (4, 5)


def cells_of(shape, count=24):
    """Masks of discs all over a plane."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    rng = np.random.default_rng(0)
    centres = rng.uniform((6, 6), (shape[0] - 6, shape[1] - 6), (count, 2))
    return [np.hypot(y - b, x - a) < 5 for b, a in centres]


@pytest.mark.parametrize("base", [0, 1])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("name", FORMATS)
def test_base_and_order_are_told_from_the_runs(tmp_path, name, base, order):
    shape = (60, 90)
    corners = np.zeros(shape, bool)
    corners[0, 0] = corners[-1, -1] = True
    planes = [*cells_of(shape), corners]
    header = {"sartorius": "id,annotation,width,height", "dsb-csv": "ImageId,EncodedPixels,Width,Height"}[
        name
    ]
    lines = [header]
    for plane in planes:
        edges = np.flatnonzero(np.diff(np.concatenate([[0], plane.ravel(order), [0]]).astype(int)))
        pairs = np.stack([edges[::2] + base, edges[1::2] - edges[::2]], 1)
        lines.append(f"a,{' '.join(map(str, pairs.ravel()))},90,60")
    notes = []
    (found,) = read_text(tmp_path, "\n".join(lines), name, notes)
    masks = [painted(m, shape) for m in found.annotation.masks()]
    assert all(np.array_equal(m, p) for m, p in zip(masks, planes, strict=True))
    usual = {"sartorius": "C", "dsb-csv": "F"}[name]
    assert any("counted from 0" in n for n in notes) == (base == 0)
    assert any("objects fall apart" in n for n in notes) == (order != usual)
    assert not any("was taken" in n for n in notes)


HEAD = "id,annotation,width,height\n"
WRONG = {
    "line 2: a run reaches pixel 21, but the image has 20 pixels": "a,20 2,5,4\n",
    "line 3: a run reaches pixel 20, counted from 0 as line 2 shows": "a,0 1,5,4\na,20 1,5,4\n",
    "line 2: runs must be whole numbers": "a,1 x,5,4\n",
    "line 2: runs must be whole numbers below": "a,1 -2,5,4\n",
    "line 2: runs must be whole numbers below 10": "a,1 99999999999999999999999999,5,4\n",
    "line 2: runs must be whole": "a,1.5 2,5,4\n",
    "line 2: runs must be pairs": "a,1 2 3,5,4\n",
    "line 2: 3 values were found, the file has 4 columns": "a,1 2,5\n",
    "line 2: 5 values": "a,1 2,5,4,\n",
    "line 2: height and width must be whole numbers, not 'x' and '5'": "a,1 2,5,x\n",
    "line 2: height and width must": "a,1 2,,4\n",
    "line 2: an image must have between 1 and": "a,1 2,99999999999,99999999999\n",
    "line 2: an image must": "a,1 2,0,4\n",
    "line 4: 'a' has another width or height in line 2": "a,1 2,5,4\n\na,1 2,4,5\n",
    "line 2: the image has no name": " ,1 2,5,4\n",
    "line 2: a quotation mark is not closed": '"a,1 2,5,4\n',
    "line 2: a quotation mark is": '"a"b,1 2,5,4\n',
    "line 3 names the file '../a', which is not below": "b,1 1,5,4\n../a,1 2,5,4\n",
    "line 2 names the file": "/etc/passwd,1 1,5,4\n",
}


@pytest.mark.parametrize("words", WRONG)
def test_wrong_lines_are_named(tmp_path, words):
    with pytest.raises(DatasetError) as caught:
        read_text(tmp_path, HEAD + WRONG[words])
    assert str(caught.value).startswith(f"'{tmp_path / 'x.csv'}', {words}")


def test_texts_that_are_no_unicode_and_wrong_confidences_are_named(tmp_path):
    with pytest.raises(DatasetError, match="line 2: 'id' is no UTF-8"):
        read_text(tmp_path, HEAD.encode() + b"\xff,1 2,5,4\n")
    with pytest.raises(DatasetError, match="line 2: the confidence must be a number, not 'x'"):
        read_text(tmp_path, "id,annotation,width,height,score\na,1 2,5,4,x\n")


@pytest.mark.parametrize("content", [b"", b"\n\n", b"a,b\n1,2\n", b"\xff\xfe\x00", b"id;x\n"])
def test_files_without_run_lengths_are_refused(tmp_path, content):
    with pytest.raises(DatasetError, match="holds no run lengths"):
        read_text(tmp_path, content)
    assert not any(f.matches(tmp_path / "x.csv") or f.matches(tmp_path) for f in FORMATS.values())
    with pytest.raises(DatasetError, match="no file or folder"):
        read(tmp_path / "gone")


def test_limits_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(run_length_rows, "MOST_ROWS", 1)
    with pytest.raises(DatasetError, match="line 3: files of up to 1 rows"):
        read_text(tmp_path, HEAD + "a,1 2,5,4\n" * 2)
    monkeypatch.undo()
    monkeypatch.setattr(run_length_rows, "LARGEST_ROW", 30)
    with pytest.raises(DatasetError, match="line 2: files of up to"):
        read_text(tmp_path, HEAD + "a," + "1 1 " * 9 + ",5,4\n")


def test_other_delimiters_quotes_and_line_ends(tmp_path):
    text = '\ufeff"ID";Annotation;width;height;"cell_type"\r\n"a ""b"" \U0001f52c";1 2;5.0;4.0;"x;y"\r\n'
    (found,) = read_text(tmp_path, text)
    assert found.name == "a _b_ \U0001f52c"
    assert found.annotation.class_names() == ["x;y"]


def test_memory_does_not_grow_with_the_length_of_a_file(tmp_path):
    path = tmp_path / "train.csv"
    runs = " ".join(f"{i} 1" for i in range(1, 20_000, 2))
    with path.open("w") as file:
        table = csv.writer(file)
        table.writerow(["id", "annotation", "width", "height"])
        table.writerows([f"image {i}", runs, 200, 100] for i in range(40))
    size = path.stat().st_size
    samples = FORMATS["sartorius"].read(path, [])
    next(samples)
    tracemalloc.start()
    assert sum(len(s.annotation) for s in samples) == 39
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < size / 3


def test_what_cannot_be_written_is_told(tmp_path):
    with pytest.raises(DatasetError, match="line breaks"):
        write([], tmp_path, classes=("a\nb",))
    (tmp_path / "all.csv").mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        write([Sample("a", nasty_annotations()["one pixel"])], tmp_path)
