"""Many files: results on the disk, files that fail, files that are done, names that clash."""

import errno
import json
import os
from contextlib import nullcontext

import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_cellseg.batch import distinct_stems, find_images, job, segmenting_files
from napari_cellseg.errors import CellSegWarning, ModelError, OptionError, OutputError
from napari_cellseg.events import Progress, drain
from napari_cellseg.images.planes import open_planes
from napari_cellseg.images.reading import PixelSize, read_image
from napari_cellseg.instances.instance import Instances
from napari_cellseg.labels import writing
from napari_cellseg.labels.writing import write_labels, write_map
from napari_cellseg.pipeline import Candidates, Segmentation


@pytest.fixture
def calls(monkeypatch):
    """A pipeline that labels bright pixels at once; returns what it was called with."""
    seen = []

    def segmenting(image, model, **keywords):
        seen.append(keywords)
        planes = open_planes(image, axes=keywords["axes"], channel=keywords["channel"])
        yield Progress("Segmenting", 0, 2)
        labels = np.zeros(planes.labels_shape, np.int32)
        for p in range(len(planes)):
            pixels = planes.read(p, slice(None), slice(None)).mean(axis=2)
            labels[planes.index(p)] = np.where(pixels > 100, p + 1, 0)
        yield Progress("Segmenting", 1, 2)
        ids = np.unique(labels[labels > 0])
        table = pd.DataFrame({"index": ids, "confidence": 0.9, "class": "nucleus"})
        nothing = Candidates(np.zeros(0, np.int32), np.zeros(0, np.int32), Instances.empty())
        provenance = {
            "image": {"axes": planes.axes, "name": None, "path": None},
            "counts": {"objects": len(ids)},
            "warnings": [],
        }
        maps = {name: (labels / 4).astype(np.float16) for name in keywords.get("keep_maps", ())}
        return Segmentation(labels, table, nothing, provenance, maps)

    monkeypatch.setattr(job, "segmenting", segmenting)
    return seen


@pytest.fixture
def image(tmp_path):
    """Write a small image with one bright square."""

    def make(name="a.tif", value=200, folder="in", **keywords):
        path = tmp_path / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.zeros((24, 32), np.uint8)
        pixels[4:10, 5:12] = value
        if path.suffix == ".npy":
            np.save(path, pixels)
        elif path.suffix == ".png":
            import imageio.v3 as iio

            iio.imwrite(path, pixels)
        else:
            tifffile.imwrite(path, pixels, **keywords)
        return path

    return make


def run(paths, out, **keywords):
    return drain(segmenting_files(paths, out, **keywords))


def statuses(summary):
    return [(file.path.name, file.status) for file in summary.files]


def test_labels_table_and_provenance_of_a_file(calls, image, tmp_path):
    path = image(resolution=(2e4, 2e4), resolutionunit="CENTIMETER")
    summary = run(path, tmp_path / "out" / "deep")
    out = tmp_path / "out" / "deep"
    assert sorted(p.name for p in out.iterdir()) == ["a_features.csv", "a_labels.tif", "a_provenance.json"]
    written = read_image(out / "a_labels.tif")
    assert (written.axes, written.data.dtype) == ("YX", np.int32)
    assert np.asarray(written.data)[4:10, 5:12].all()
    assert int(np.asarray(written.data).sum()) == 42
    assert written.pixel_size == calls[0]["pixel_size"] == PixelSize(0.5, 0.5)
    table = pd.read_csv(out / "a_features.csv")
    assert list(table.columns) == ["index", "confidence", "class"]
    provenance = json.loads((out / "a_provenance.json").read_text(encoding="utf-8"))
    assert provenance["image"]["path"] == str(path)
    assert provenance["source"]["bytes"] == path.stat().st_size
    (result,) = summary.files
    assert (result.status, result.objects, result.labels) == ("done", 1, out / "a_labels.tif")
    assert summary.text.startswith("1 file: 1 segmented, 0 already done, 0 failed; 1 objects in ")


def test_a_bad_file_is_reported_and_the_rest_goes_on(calls, image, tmp_path):
    good, last = image("a.tif"), image("z.npy")
    empty = good.with_name("empty.tif")
    empty.write_bytes(b"")
    junk = good.with_name("junk.png")
    junk.write_bytes(b"junk")
    summary = run([empty, tmp_path / "none.tif", good, junk, last], tmp_path / "out")
    assert statuses(summary) == [
        ("empty.tif", "failed"),
        ("none.tif", "failed"),
        ("a.tif", "done"),
        ("junk.png", "failed"),
        ("z.npy", "done"),
    ]
    assert "0 bytes" in summary.files[0].reason
    assert "There is no file" in summary.files[1].reason
    assert "2 segmented, 0 already done, 3 failed; 2 objects" in summary.text
    assert len(summary.text.splitlines()) == 4


def test_whatever_the_pipeline_raises_stops_one_file_only(calls, image, tmp_path, monkeypatch):
    good = job.segmenting
    errors = iter([MemoryError(), ZeroDivisionError("why"), None])

    def failing(*arguments, **keywords):
        error = next(errors)
        if error is not None:
            raise error
        return (yield from good(*arguments, **keywords))

    monkeypatch.setattr(job, "segmenting", failing)
    summary = run([image("a.tif"), image("b.tif"), image("c.tif")], tmp_path / "out")
    assert [file.reason for file in summary.files] == [
        "There is too little memory for this image.",
        "ZeroDivisionError: why",
        "",
    ]


def test_finished_files_are_not_done_again(calls, image, tmp_path):
    path, out = image(), tmp_path / "out"
    run(path, out)
    before = (out / "a_labels.tif").stat().st_mtime_ns
    again = run(path, out)
    assert statuses(again) == [("a.tif", "skipped")]
    assert again.files[0].objects == 1
    assert again.objects == 0
    assert len(calls) == 1
    assert (out / "a_labels.tif").stat().st_mtime_ns == before
    assert statuses(run(path, out, overwrite=True)) == [("a.tif", "done")]
    assert len(calls) == 2


def test_a_copy_with_the_same_pixels_counts_as_done(calls, image, tmp_path):
    path, out = image(), tmp_path / "out"
    run(path, out)
    os.utime(path, ns=(1, 1))
    assert statuses(run(path, out)) == [("a.tif", "skipped")]
    moved = tmp_path / "elsewhere" / "a.tif"
    moved.parent.mkdir()
    path.rename(moved)
    assert statuses(run(moved, out)) == [("a.tif", "skipped")]


@pytest.mark.parametrize(
    "keywords",
    [{"confidence": 0.3}, {"axes": "YX"}, {"diameter": 12}, {"pixel_size": (0.1, 0.2)}, {"link": "z"}],
)
def test_other_parameters_never_overwrite_silently(calls, image, tmp_path, keywords):
    path, out = image(), tmp_path / "out"
    run(path, out)
    (result,) = run(path, out, **keywords).files
    assert result.status == "failed"
    assert "made with other parameters" in result.reason
    assert statuses(run(path, out, overwrite=True, **keywords)) == [("a.tif", "done")]
    assert statuses(run(path, out, **keywords)) == [("a.tif", "skipped")]


def test_another_image_of_the_same_name_never_overwrites_silently(calls, image, tmp_path):
    out = tmp_path / "out"
    run(image(), out)
    (result,) = run(image(value=150, folder="other"), out).files
    assert result.status == "failed"
    assert "made from another image" in result.reason


@pytest.mark.parametrize("kept", ["a_labels.tif", "a_features.csv", "a_provenance.json"])
def test_files_of_somebody_else_are_not_overwritten(calls, image, tmp_path, kept):
    out = tmp_path / "out"
    out.mkdir()
    (out / kept).write_text("precious")
    (result,) = run(image(), out).files
    assert "is in the way" in result.reason
    assert (out / kept).read_text() == "precious"
    assert statuses(run(image(), out, overwrite=True)) == [("a.tif", "done")]


def test_a_record_that_is_damaged_is_in_the_way(calls, image, tmp_path):
    path, out = image(), tmp_path / "out"
    run(path, out)
    for text in ("{", "[]", '{"source": {}, "request": {}}'):
        (out / "a_provenance.json").write_text(text)
        assert "is in the way" in run(path, out).files[0].reason


def test_files_of_one_name_get_distinct_results(calls, image, tmp_path):
    paths = [image("a.tif"), image("a.png"), image("a.tif", folder="other"), image("b.tif")]
    summary = run(paths, tmp_path / "out")
    assert [file.labels.name for file in summary.files] == [
        "in_a_tif_labels.tif",
        "a_png_labels.tif",
        "other_a_tif_labels.tif",
        "b_labels.tif",
    ]
    assert summary.count("done") == 4


def test_names_are_distinct_whatever_is_given(tmp_path):
    names = [
        "x/a.tif",
        "y/x/a.tif",
        "x/A.tif",
        "x/a_tif.png",
        "x/a_tif.tif",
        "z/c.ome.tif",
        "z/c.ome.zarr",
        "z/d",
    ]
    stems = distinct_stems([tmp_path / name for name in names])
    assert len({stem.casefold() for stem in stems}) == len(names)
    assert stems[-3:] == ["c_tif", "c_zarr", "d"]
    assert stems == distinct_stems([tmp_path / name for name in names])
    assert distinct_stems([tmp_path / "c.ome.tif"]) == ["c"]


def test_folders_stand_for_their_images_but_not_for_their_results(calls, image, tmp_path):
    image("b.tif"), image("a.png")
    folder = tmp_path / "in"
    (folder / "notes.txt").write_text("x")
    (folder / "mine_labels.tif").write_bytes((folder / "b.tif").read_bytes())
    expected = ["a.png", "b.tif", "mine_labels.tif"]
    assert [p.name for p in find_images(folder)] == expected
    assert statuses(run([folder, folder / "b.tif"], folder)) == [(name, "done") for name in expected]
    assert [p.name for p in find_images(folder)] == expected
    assert statuses(run(folder, folder)) == [(name, "skipped") for name in expected]


def test_a_file_named_in_two_ways_is_one_file(image, tmp_path):
    path = image()
    assert find_images([path, tmp_path / "in" / ".." / "in" / "a.tif", tmp_path / "in"]) == [path]


def test_a_name_that_is_not_utf8(calls, image, tmp_path):
    plain = image()
    path = plain.with_name(os.fsdecode(b"Zelle_\xe4.tif"))
    try:
        plain.rename(path)
    except OSError:
        pytest.skip("this file system has UTF-8 names only")
    out = tmp_path / "out"
    assert statuses(run(path, out)) == [(path.name, "done")]
    assert statuses(run(path, out)) == [(path.name, "skipped")]
    record = json.loads((out / f"{path.stem}_provenance.json").read_text(encoding="utf-8"))
    assert record["source"]["path"] == str(path)


def test_nothing_to_do_is_an_error(tmp_path):
    with pytest.raises(OptionError, match="no path"):
        run([], tmp_path / "out")
    with pytest.raises(OptionError, match="folder with images"):
        run(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_concerns_every_file_stops_at_once(image, tmp_path):
    with pytest.raises(OptionError, match="'tif', 'png', 'npy', not 'jpg'"):
        run(image(), tmp_path / "out", format="jpg")
    with pytest.raises(ModelError, match="no model 'none'"):
        run(image(), tmp_path / "out", model="none")
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="a file is in the way"):
        run(image(), tmp_path / "file")


def test_axes_and_pixel_size_of_the_file_unless_given(calls, tmp_path):
    path = tmp_path / "stack.ome.tif"
    metadata = {"axes": "TCYX", "PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 0.5}
    metadata["PhysicalSizeYUnit"] = "µm"
    tifffile.imwrite(path, np.full((3, 2, 16, 24), 200, np.uint16), metadata=metadata, ome=True)
    run(path, tmp_path / "out", channel=1)
    assert calls[0]["axes"] == "TCYX"
    assert calls[0]["pixel_size"] == PixelSize(0.5, 0.25)
    written = read_image(tmp_path / "out" / "stack_labels.tif")
    assert (written.axes, written.data.shape) == ("TYX", (3, 16, 24))
    assert written.pixel_size == PixelSize(0.5, 0.25)
    run(path, tmp_path / "given", axes="ZCYX", channel=1, pixel_size=2.0)
    assert (calls[1]["axes"], calls[1]["pixel_size"]) == ("ZCYX", 2.0)
    written = read_image(tmp_path / "given" / "stack_labels.tif")
    assert (written.axes, written.pixel_size.y, written.pixel_size.x) == ("ZYX", 2.0, 2.0)


def test_images_inside_of_a_zarr_folder(calls, tmp_path):
    import zarr

    group = zarr.open_group(tmp_path / "two.zarr", mode="w")
    for name in "ab":
        group.create_array(name, data=np.full((8, 8), 200, np.uint8))
    (result,) = run(tmp_path / "two.zarr", tmp_path / "out").files
    inside = tmp_path / "two.zarr" / "a"
    assert f"such as '{inside}'" in result.reason
    assert statuses(run(inside, tmp_path / "out")) == [("a", "done")]
    assert (tmp_path / "out" / "a_labels.tif").is_file()


def test_zarr_folders_are_images(calls, tmp_path):
    import zarr

    path = tmp_path / "in" / "z.zarr"
    pixels = np.zeros((24, 32), np.uint8)
    pixels[4:10, 5:12] = 200
    zarr.save_array(path, pixels)
    out = tmp_path / "out"
    assert (
        statuses(run(path, out))
        == statuses(run(tmp_path / "in", out, overwrite=True))
        == [("z.zarr", "done")]
    )
    assert statuses(run(path, out)) == [("z.zarr", "skipped")]
    assert int(tifffile.imread(out / "z_labels.tif").sum()) == 42
    zarr.open_array(path, mode="r+")[:] = 200
    assert "older version" in run(path, out).files[0].reason


def test_maps_are_written_beside_the_labels(calls, image, tmp_path):
    path = image(resolution=(2e4, 2e4), resolutionunit="CENTIMETER")
    out, maps = tmp_path / "in", {"keep_maps": ["foreground"]}
    run(path, out, **maps)
    written = read_image(out / "a_foreground.tif")
    assert (written.axes, written.data.dtype) == ("YX", np.float32)
    assert written.pixel_size == PixelSize(0.5, 0.5)
    assert np.array_equal(np.asarray(written.data), np.asarray(read_image(out / "a_labels.tif").data) / 4)
    assert find_images(out) == [path]
    assert statuses(run(path, out, **maps)) == [("a.tif", "skipped")]
    (result,) = run(path, out).files
    assert "other parameters" in result.reason
    (out / "a_foreground.tif").unlink()
    (result,) = run(path, out, **maps).files
    assert "in the way" in result.reason
    with pytest.raises(OptionError, match="no map 'doubt' to keep"):
        run(path, out, keep_maps=["doubt"])


def test_maps_with_underscores_are_results_too(calls, image, tmp_path):
    path = image()
    run(path, tmp_path / "in", keep_maps=["offset_y"])
    assert (tmp_path / "in" / "a_offset_y.tif").is_file()
    assert find_images(tmp_path / "in") == [path]


def test_results_never_replace_one_of_the_images(calls, image, tmp_path):
    plain, truth = image("a.tif"), image("a_labels.tif")
    before = truth.read_bytes()
    first, second = run(tmp_path / "in", tmp_path / "in", overwrite=True).files
    assert first.status == "failed"
    assert f"would replace '{truth}', one of the images" in first.reason
    assert second.status == "done"
    assert truth.read_bytes() == before
    (alone,) = run(plain, tmp_path / "in", overwrite=True).files
    assert alone.status == "done"


@pytest.mark.parametrize("options", [{"channel": 2}, {"channel": "mean"}, {"axes": "YXS"}, {"axes": "YXC"}])
def test_pictures_without_colours_among_coloured_ones(calls, tmp_path, options):
    import imageio.v3 as iio

    (tmp_path / "in").mkdir()
    blue = np.zeros((24, 32, 3), np.uint8)
    blue[4:10, 5:12, 2] = 200
    iio.imwrite(tmp_path / "in" / "blue.png", blue)
    iio.imwrite(tmp_path / "in" / "empty.png", np.zeros_like(blue))
    iio.imwrite(tmp_path / "in" / "grey.png", np.zeros((24, 32), np.uint8))
    with pytest.warns(CellSegWarning) if options.get("axes") == "YXC" else nullcontext():
        summary = run(tmp_path / "in", tmp_path / "out", **options)
    assert statuses(summary) == [("blue.png", "done"), ("empty.png", "done"), ("grey.png", "failed")]


@pytest.mark.parametrize("format", ["png", "npy"])
def test_other_formats(calls, image, tmp_path, format):
    run(image(), tmp_path / "out", format=format)
    labels = read_image(tmp_path / "out" / f"a_labels.{format}").data
    assert int(np.asarray(labels).sum()) == 42


def test_png_refuses_stacks_before_they_are_segmented(calls, tmp_path):
    path = tmp_path / "stack.npy"
    np.save(path, np.full((2, 8, 8), 200, np.uint16))
    (result,) = run(path, tmp_path / "out", format="png").files
    assert "PNG holds one plane, but 'stack.npy' is a stack" in result.reason
    assert calls == []
    assert list((tmp_path / "out").iterdir()) == []


def test_the_progress_of_a_file_and_of_all(calls, image, tmp_path):
    steps = []
    drain(segmenting_files([image("a.tif"), image("b.tif")], tmp_path / "out"), steps.append)
    assert {(step.stage, step.total) for step in steps} == {("Segmenting files", 2)}
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert [step.detail for step in steps if isinstance(step.payload, Progress)] == [
        "a.tif: 0%",
        "a.tif: 50%",
        "b.tif: 0%",
        "b.tif: 50%",
    ]
    assert [
        step.payload.status for step in steps if step.payload and not isinstance(step.payload, Progress)
    ] == [
        "done",
        "done",
    ]


def test_cancelling_leaves_nothing_half_done(calls, image, tmp_path):
    running = segmenting_files([image("a.tif"), image("b.tif")], tmp_path / "out")
    while next(running).detail != "b.tif: 50%":
        pass
    running.close()
    names = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert names == ["a_features.csv", "a_labels.tif", "a_provenance.json"]


@pytest.mark.parametrize(
    "number, words",
    [(errno.ENOSPC, "the disk is full"), (errno.EACCES, "no permission"), (errno.EROFS, "read-only")],
)
def test_a_disk_that_refuses(calls, image, tmp_path, monkeypatch, number, words):
    def refuse(*arguments, **keywords):
        raise OSError(number, "refused")

    monkeypatch.setattr(pd.DataFrame, "to_csv", refuse)
    (result,) = run(image(), tmp_path / "out").files
    assert words in result.reason
    assert "out/a_labels.tif" in result.reason.replace("\\", "/")
    assert list((tmp_path / "out").iterdir()) == []


def test_what_the_file_leaves_open_is_said(calls, tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.full((3, 16, 16), 200, np.uint8), metadata={"axes": "QYX"})
    with pytest.warns(CellSegWarning, match=r"a\.tif: .* read as axis"):
        run(path, tmp_path / "out")


def test_more_labels_than_16_bits_hold(tmp_path):
    labels = np.arange(300 * 300, dtype=np.int32).reshape(300, 300)
    write_labels(tmp_path / "l.tif", labels)
    assert np.array_equal(tifffile.imread(tmp_path / "l.tif"), labels)
    write_labels(tmp_path / "l.npy", labels)
    assert np.array_equal(np.load(tmp_path / "l.npy"), labels)
    with pytest.raises(OptionError, match=r"up to 65,535, the highest is 89,999"):
        write_labels(tmp_path / "l.png", labels)
    with pytest.raises(OptionError, match="PNG holds one plane"):
        write_labels(tmp_path / "l.png", labels[None])
    with pytest.raises(OptionError, match="tif, png, npy"):
        write_labels(tmp_path / "l.jpg", labels)
    write_labels(tmp_path / "top.png", np.full((2, 2), writing.PNG_LIMIT, np.int32))
    assert read_image(tmp_path / "top.png").data.max() == writing.PNG_LIMIT


@pytest.mark.parametrize("edge", [3.2e-7, 3.2e15])
def test_pixel_sizes_beyond_what_resolution_tags_hold(tmp_path, edge):
    write_labels(tmp_path / "l.tif", np.eye(8, dtype=np.int32), pixel_size=PixelSize(edge, edge))
    assert read_image(tmp_path / "l.tif").pixel_size == PixelSize(edge, edge)


def test_maps_may_take_more_than_a_classic_tiff_holds(tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "CLASSIC_BYTES", 100)
    for name, edge in {"small": 5, "large": 6}.items():
        write_map(tmp_path / f"{name}.tif", np.zeros((edge, edge), np.float16))
        with tifffile.TiffFile(tmp_path / f"{name}.tif") as tif:
            assert tif.is_bigtiff == (name == "large")


def test_the_bundled_model_from_file_to_file(tmp_path):
    from napari_cellseg.images.simulation import simulate_fluorescence

    field = simulate_fluorescence((192, 192), seed=3)
    path = tmp_path / "field.tif"
    tifffile.imwrite(path, field.image)
    summary = run(path, tmp_path / "one", device="cpu")
    assert summary.objects > 0
    run(path, tmp_path / "two", device="cpu")
    first, second = (tifffile.imread(tmp_path / n / "field_labels.tif") for n in ("one", "two"))
    assert np.array_equal(first, second)
    assert first.max() == summary.objects == len(pd.read_csv(tmp_path / "one" / "field_features.csv"))
