"""Label images beside their images: Cellpose's, StarDist's and anyone's."""

import io
import json
import os
import pickle

import imageio.v3 as iio
import numpy as np
import pandas as pd
import pytest
import tifffile
from hypothesis import given, settings

from napari_cellseg.datasets.annotation import Annotation, object_table
from napari_cellseg.datasets.formats.label_folders import marked, unmarked
from napari_cellseg.datasets.formats.label_pairs import FORMATS
from napari_cellseg.datasets.names import safe_name
from napari_cellseg.datasets.sample import Origin, Sample
from napari_cellseg.errors import DatasetError

from .nasty import (
    CLASSES,
    assert_same_objects,
    many_objects,
    names,
    nasty_annotations,
    nasty_samples,
    sample_of,
    samples,
)

KINDS = {format.name: format for format in FORMATS}
SQUARES = np.kron(np.array([[1, 0, 2], [0, 0, 0], [3, 0, 4]], np.uint16), np.ones((4, 5), np.uint16))


@pytest.fixture(params=KINDS)
def format(request):
    return KINDS[request.param]


def written(format, given, folder, classes=CLASSES):
    """What comes back of samples that were written, and the notes."""
    assert list(format.write(given, folder, classes)) == [s.name for s in given]
    notes = []
    return list(format.read(folder, notes)), notes


def read(name, folder, images=None):
    notes = []
    return list(KINDS[name].read(folder, notes, images=images)), notes


def assert_as_announced(format, given, found):
    expected = format.as_read_back(given.annotation)
    assert_same_objects(found.annotation, expected)
    pd.testing.assert_frame_equal(found.annotation.objects, expected.objects, check_exact=True)
    np.testing.assert_array_equal(found.pixels(), given.pixels())
    assert found.pixels().dtype == given.pixels().dtype


def test_nasty_samples_come_back_as_announced(format, tmp_path):
    given = nasty_samples()
    found, notes = written(format, given, tmp_path)
    assert notes == []
    back = {sample.name: sample for sample in found}
    assert len(back) == len(given)
    for sample in given:
        assert_as_announced(format, sample, back[safe_name(sample.name)])


@pytest.mark.parametrize("name", KINDS)
@settings(deadline=None, max_examples=15)
@given(sample=samples())
def test_any_sample_comes_back_as_announced(name, tmp_path_factory, sample):
    found, _ = written(KINDS[name], [sample], tmp_path_factory.mktemp("any"))
    assert [s.name for s in found] == [safe_name(sample.name)]
    assert_as_announced(KINDS[name], sample, found[0])


def test_only_overlaps_are_lost(format):
    for what, annotation in nasty_annotations().items():
        back = format.as_read_back(annotation)
        if not annotation.covered:
            assert_same_objects(back, annotation)
        assert what != "identical" or len(back) == 1


def test_rows_and_splits_come_back(format, tmp_path):
    table = object_table([1, 2, 3, 4], status=["accepted", "edited", "predicted", "added"])
    table["confidence"] = [0.1 + 0.2, 1.0, 0.25, np.nan]
    table["origin"] = pd.array(["person", "model:nuclei@3", "model:nuclei@3", "person"], dtype="str")
    table["class"] = pd.array(["NA", "null", "a,b", 'with "quotes"'], dtype="str")
    annotation = Annotation.from_labels(SQUARES, table)
    given = [sample_of(f"n{split}", annotation, split=split) for split in ("train", "val", "test", None)]
    found, _ = written(format, given, tmp_path)
    assert {s.name: s.split for s in found} == {s.name: s.split for s in given}
    for sample in found:
        assert_as_announced(format, given[0], replace_pixels(sample, given[0]))


def replace_pixels(sample, other):
    return Sample(sample.name, sample.annotation, other.read_pixels)


def test_more_objects_than_16_bits_number(tmp_path):
    given = sample_of("many", many_objects(), dtype="uint8")
    found, _ = written(KINDS["cellpose"], [given], tmp_path)
    np.testing.assert_array_equal(found[0].annotation.labels, given.annotation.labels)
    assert len(found[0].annotation) == 70_000
    assert tifffile.imread(tmp_path / "many_masks.tif").dtype == np.uint32


@pytest.mark.parametrize("name", ["a_masks", "a_masks_img", "a_flows", "A_Labels", "x.ome", "_mask", "a_img"])
def test_names_that_look_like_labels_are_told_apart(format, tmp_path, name):
    given = [sample_of(n, nasty_annotations()["corners"]) for n in ("a", name)]
    found, notes = written(format, given, tmp_path)
    assert sorted(s.name for s in found) == sorted(["a", name])
    assert notes == []


@given(names)
def test_marks_are_taken_off_again(name):
    assert unmarked(marked(name)) == name
    assert unmarked(marked(f"{name}_masks_img")) == f"{name}_masks_img"


def test_names_that_are_one_file_to_some_systems_are_kept_apart(format, tmp_path):
    given = [sample_of(n, nasty_annotations()["corners"]) for n in ("Cell", "cell", "a/b", "a:b")]
    found, _ = written(format, given, tmp_path)
    files = [str(p.relative_to(tmp_path)).casefold() for p in tmp_path.rglob("*.tif")]
    assert len(set(files)) == 8
    assert len({s.name for s in found}) == 4


def test_pixels_that_nobody_reviewed_are_not_shown(format, tmp_path):
    pixels = np.full((12, 15), 7, np.uint16)
    pixels[:3] = 999
    ignored = np.zeros((12, 15), bool)
    ignored[:3] = True
    sample = Sample("a", Annotation.from_labels(SQUARES), lambda: pixels, ignored=ignored)
    found, _ = written(format, [sample], tmp_path)
    assert (found[0].pixels() == 7).all()


def test_labels_without_an_image_are_not_written(format, tmp_path):
    with pytest.raises(DatasetError, match="no image"):
        list(format.write([Sample("a", Annotation.from_labels(SQUARES))], tmp_path, CLASSES))


# -- what others write ------------------------------------------------------------------------------------


def image_of(labels, dtype=np.uint8):
    return (labels * 20).astype(dtype)


def lay_out(folder, files):
    """Write arrays by their paths."""
    for name, array in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".tif":
            tifffile.imwrite(path, array)
        elif path.suffix == ".npy":
            np.save(path, array, allow_pickle=True)
        else:
            iio.imwrite(path, array)


def test_cellpose_data_with_an_image_ending_in_two_splits(tmp_path):
    pair = {"000_img.png": image_of(SQUARES), "000_masks.png": SQUARES}
    lay_out(tmp_path / "train", pair)
    lay_out(tmp_path / "test", pair)
    found, notes = read("cellpose", tmp_path)
    assert [(s.name, s.split) for s in found] == [("000", "train"), ("000_test", "test")]
    assert "'000_test'" in notes[0]
    np.testing.assert_array_equal(found[0].annotation.labels, SQUARES)


def test_what_cellpose_writes_beside_is_left_alone(tmp_path):
    extra = {f"a_{end}.tif": image_of(SQUARES) for end in ("flows", "cellprob", "cp_output")}
    lay_out(tmp_path, {"a.tif": image_of(SQUARES), "a_cp_masks.png": SQUARES, **extra})
    found, notes = read("cellpose", tmp_path)
    assert [s.name for s in found] == ["a"]
    assert notes == []
    lay_out(tmp_path, {"a_masks.tif": SQUARES[::-1], "b.tif": image_of(SQUARES)})
    found, notes = read("cellpose", tmp_path)
    np.testing.assert_array_equal(found[0].annotation.labels, SQUARES[::-1])
    assert [("a_cp_masks.png" in n, "b.tif" in n) for n in notes] == [(False, True), (True, False)]


def test_sixteen_bit_png_labels_in_another_folder(tmp_path):
    labels = SQUARES.astype(np.uint16) * 15_000
    lay_out(tmp_path, {"raw/a.tif": image_of(SQUARES, np.uint16), "GT/a_mask.png": labels})
    found, _ = read("label-images", tmp_path)
    assert found[0].annotation.objects["index"].tolist() == [15_000, 30_000, 45_000, 60_000]
    elsewhere, _ = read("label-images", tmp_path / "GT", images=tmp_path / "raw")
    assert_same_objects(elsewhere[0].annotation, found[0].annotation)
    single, _ = read("label-images", tmp_path / "GT" / "a_mask.png", images=tmp_path / "raw" / "a.tif")
    assert_same_objects(single[0].annotation, found[0].annotation)


@pytest.mark.parametrize("high", [1, 255])
@pytest.mark.parametrize("ending", ["png", "tif", "npy"])
def test_a_mask_becomes_its_pieces_and_says_so(tmp_path, high, ending):
    mask = np.where(SQUARES > 0, high, 0).astype(np.uint8)
    lay_out(tmp_path, {"images/a.png": image_of(SQUARES), f"masks/a.{ending}": mask})
    found, notes = read("stardist", tmp_path)
    assert len(found[0].annotation) == 4
    assert any("taken as a mask" in note and f"a.{ending}" in note for note in notes)


def test_a_compressed_mask_is_cut_in_the_middle(tmp_path):
    mask = np.kron(SQUARES > 0, np.ones((8, 8))).astype(np.uint8) * 255
    lay_out(tmp_path, {"images/a.png": image_of(mask > 0), "masks/a.jpg": mask})
    found, _ = read("label-images", tmp_path)
    np.testing.assert_array_equal(found[0].annotation.labels > 0, mask > 0)


def test_one_object_is_no_mask_to_be_split(tmp_path):
    one = np.where(SQUARES == 3, 255, 0).astype(np.uint8)
    lay_out(tmp_path, {"images/a.png": image_of(SQUARES), "masks/a.png": one})
    found, notes = read("stardist", tmp_path)
    assert found[0].annotation.objects["index"].tolist() == [255]
    assert notes == []


def test_a_table_of_predictions_says_that_nobody_looked(tmp_path):
    lay_out(tmp_path, {"a.tif": image_of(SQUARES), "a_labels.tif": SQUARES})
    table = pd.DataFrame({"index": [1, 2, 3, 9], "confidence": [0.5, 0.6, 0.7, 0.8], "class": list("xyzz")})
    table.to_csv(tmp_path / "a_features.csv", index=False)
    (tmp_path / "a_provenance.json").write_text(json.dumps({"model": {"name": "nuclei", "version": "3"}}))
    found, notes = read("label-images", tmp_path)
    rows = found[0].annotation.objects
    assert rows["status"].tolist()[:3] == ["predicted"] * 3
    assert rows["origin"].tolist()[:3] == ["model:nuclei@3"] * 3
    assert rows["class"].tolist() == ["x", "y", "z", "cell"]
    assert "nobody has reviewed" in notes[0]
    (tmp_path / "a_provenance.json").write_text("{")
    with pytest.raises(DatasetError, match="a_provenance"):
        read("label-images", tmp_path)


def test_a_stack_gives_a_sample_per_plane(tmp_path):
    labels = np.stack([SQUARES + i * (SQUARES > 0) for i in range(3)])
    image = np.stack([image_of(labels), image_of(labels) + 1], axis=1).astype(np.uint16)
    tifffile.imwrite(tmp_path / "m.ome.tif", image, metadata={"axes": "TCYX"}, ome=True)
    tifffile.imwrite(tmp_path / "m_labels.tif", labels, photometric="minisblack")
    found, _ = read("label-images", tmp_path)
    assert [s.name for s in found] == ["m_t000", "m_t001", "m_t002"]
    assert {s.origin.group for s in found} == {"m"}
    assert [s.origin.position for s in found] == [{"t": 0}, {"t": 1}, {"t": 2}]
    np.testing.assert_array_equal(found[2].pixels(), np.moveaxis(image[2], 0, -1))
    np.testing.assert_array_equal(found[2].annotation.labels, labels[2])


def test_channels_first_are_told_from_planes_by_the_labels(tmp_path):
    image = np.stack([image_of(SQUARES), image_of(SQUARES) + 1])
    lay_out(tmp_path, {"a.tif": image, "a_masks.tif": SQUARES[None]})
    found, _ = read("cellpose", tmp_path)
    np.testing.assert_array_equal(found[0].pixels(), np.moveaxis(image, 0, -1))


def test_pixel_size_and_source_are_told(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif", image_of(SQUARES), resolution=(20_000, 20_000), resolutionunit="CENTIMETER"
    )
    tifffile.imwrite(tmp_path / "a_masks.tif", SQUARES)
    (sample,), _ = read("cellpose", tmp_path)
    assert sample.origin == Origin(str(tmp_path / "a.tif"), pixel_size=pytest.approx(0.5))


COLOURS = np.random.default_rng(0).integers(0, 9, (12, 15, 3), np.uint8)
WRONG = {
    "another size": {"a.tif": image_of(SQUARES), "a_masks.tif": SQUARES[:5]},
    "fewer planes": {"a.tif": np.stack([image_of(SQUARES)] * 9), "a_masks.tif": np.stack([SQUARES] * 7)},
    "colours": {"a.tif": image_of(SQUARES), "a_masks.png": COLOURS},
    "fractions": {"a.tif": image_of(SQUARES), "a_masks.tif": SQUARES / 3},
    "not a number": {"a.tif": image_of(SQUARES), "a_masks.tif": np.where(SQUARES == 1, np.nan, SQUARES)},
    "negative": {"a.tif": image_of(SQUARES), "a_masks.tif": -SQUARES.astype(np.int16)},
    "too large": {"a.tif": image_of(SQUARES), "a_masks.tif": SQUARES.astype(np.int64) << 40},
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_does_not_fit_is_named(tmp_path, what):
    lay_out(tmp_path, WRONG[what])
    with pytest.raises(DatasetError, match="a_masks"):
        read("cellpose", tmp_path)


@pytest.mark.parametrize("broken", ["a.tif", "a_masks.tif", "a_features.csv"])
def test_a_broken_file_is_named(tmp_path, broken):
    rng = np.random.default_rng(0)
    lay_out(tmp_path, {"a.tif": rng.integers(0, 255, (12, 15), "uint8"), "a_masks.tif": SQUARES})
    (tmp_path / "a_features.csv").write_text("index,class\n1,cell\n")
    whole = (tmp_path / broken).read_bytes()
    (tmp_path / broken).write_bytes(whole[: len(whole) // 2] if broken != "a_features.csv" else b"\xff\xfe\0")
    with pytest.raises(DatasetError, match=r"a(_masks)?\.tif|a_features"):
        [sample.pixels() for sample in read("cellpose", tmp_path)[0]]


def test_nothing_found_says_what_is_looked_for(format, tmp_path):
    with pytest.raises(DatasetError, match="label images"):
        list(format.read(tmp_path, []))
    with pytest.raises(DatasetError, match="nowhere"):
        list(format.read(tmp_path / "nowhere", []))


def test_formats_are_recognised(tmp_path):
    for name, format in KINDS.items():
        list(
            format.write(
                [sample_of("a", nasty_annotations()["corners"], split="val")], tmp_path / name, CLASSES
            )
        )
    assert {n: [f.name for f in FORMATS if f.matches(tmp_path / n)] for n in KINDS} == {
        "cellpose": ["cellpose", "label-images"],
        "stardist": ["stardist", "label-images"],
        "label-images": ["label-images"],
    }
    assert not any(f.matches(tmp_path / "nowhere") for f in FORMATS)


# -- Cellpose's pickles -----------------------------------------------------------------------------------


class Calls:
    """Pickles as a call of a function."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def seg_file(path, content, protocol=4):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": ()})
    path.write_bytes(header.getvalue() + pickle.dumps(content, protocol=protocol))


def results(**more):
    """What Cellpose saves."""
    return {
        "outlines": SQUARES,
        "masks": SQUARES,
        "chan_choose": [0, 0],
        "ismanual": np.zeros(4, bool),
        "filename": "a.tif",
        "flows": [np.zeros((2, 12, 15), np.float32), []],
        "diameter": np.float64(30),
        **more,
    }


@pytest.mark.parametrize(
    "masks", [SQUARES, np.asfortranarray(SQUARES.astype(">u4")), SQUARES[::2].astype("i8")]
)
def test_masks_in_a_seg_file(tmp_path, masks):
    lay_out(tmp_path, {"a.tif": image_of(masks)})
    np.save(tmp_path / "a_seg.npy", results(masks=masks))
    assert KINDS["cellpose"].matches(tmp_path)
    (sample,), notes = read("cellpose", tmp_path)
    np.testing.assert_array_equal(sample.annotation.labels, masks)
    assert notes == []


@pytest.mark.parametrize("protocol", range(5))
def test_seg_files_of_old_versions(tmp_path, protocol):
    lay_out(tmp_path, {"a.tif": image_of(SQUARES)})
    seg_file(tmp_path / "a_seg.npy", np.array(results(), object), protocol)
    (sample,), _ = read("cellpose", tmp_path)
    np.testing.assert_array_equal(sample.annotation.labels, SQUARES)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_seg_file_cannot_run_anything(tmp_path, protocol):
    target = tmp_path / "run"
    lay_out(tmp_path, {"a.tif": image_of(SQUARES)})
    for call in (Calls(os.mkdir, str(target)), Calls(eval, f"__import__('os').mkdir({str(target)!r})")):
        seg_file(tmp_path / "a_seg.npy", np.array(results(filename=call), object), protocol)
        with pytest.raises(DatasetError, match=r"a_seg\.npy.*not part of an array"):
            read("cellpose", tmp_path)
    assert not target.exists()


@pytest.mark.parametrize(
    "content",
    [results(masks=SQUARES.tolist()), results(masks=SQUARES / 2), results(masks=SQUARES[0]), {}, [1], None],
)
def test_a_seg_file_without_masks_is_refused(tmp_path, content):
    lay_out(tmp_path, {"a.tif": image_of(SQUARES)})
    np.save(tmp_path / "a_seg.npy", np.array(content, object))
    with pytest.raises(DatasetError, match=r"a_seg\.npy"):
        read("cellpose", tmp_path)


def test_a_seg_file_that_ends_early_is_refused(tmp_path):
    lay_out(tmp_path, {"a.tif": image_of(SQUARES)})
    np.save(tmp_path / "a_seg.npy", results())
    whole = (tmp_path / "a_seg.npy").read_bytes()
    for length in range(0, len(whole) - 1, 97):
        (tmp_path / "a_seg.npy").write_bytes(whole[:length])
        with pytest.raises(DatasetError, match=r"a_seg\.npy"):
            read("cellpose", tmp_path)
