"""Datasets go out in every format and come in again; what is lost is told before anything is written."""

import numpy as np
import pytest
import tifffile

from napari_cellseg.datasets.annotation import Annotation, ObjectMask, object_table
from napari_cellseg.datasets.exporting import exporting_samples, measuring_loss
from napari_cellseg.datasets.formats.registry import find_format, list_formats
from napari_cellseg.datasets.loss import LossReport, object_losses
from napari_cellseg.datasets.sample import Origin, Sample
from napari_cellseg.datasets.store import Dataset
from napari_cellseg.errors import DatasetError, OutputError
from napari_cellseg.events import drain
from napari_cellseg.images.reading import PixelSize, read_image

SHAPE = (50, 60)
CLASSES = ("cell", "mitotic")
FORMATS = [format.name for format in list_formats()]


def square(label, top, left, edge):
    return ObjectMask(label, top, left, np.ones((edge, edge), bool))


def overlapping():
    """Two objects that overlap, one with a hole, one of a single pixel."""
    ring = square(9, 25, 30, 15)
    ring.pixels[4:9, 4:9] = False
    table = object_table([1, 2, 9, 12], classes=["cell", "mitotic", "cell", "cell"])
    masks = [square(1, 2, 2, 20), square(2, 12, 12, 14), ring, square(12, 45, 50, 1)]
    return Annotation.from_masks(SHAPE, masks, table)


@pytest.fixture
def dataset(tmp_path):
    made = Dataset.create(tmp_path / "data", CLASSES, fractions=(0.5, 0.5, 0))
    for seed in range(3):
        pixels = np.random.default_rng(seed).integers(0, 65535, SHAPE).astype(np.uint16)
        origin = Origin(group=f"well {seed}")
        made.add_sample(Sample(f"fov {seed}", overlapping(), lambda p=pixels: p, origin))
    return made


def bits(annotation):
    """Every object's pixels in the plane and its class, in an order of their own."""
    found = []
    for mask, name in zip(annotation.masks(), annotation.objects["class"], strict=True):
        plane = np.zeros(annotation.shape, bool)
        plane[mask.window] = mask.pixels
        found.append((plane.tobytes(), name))
    return sorted(found)


@pytest.mark.parametrize("name", FORMATS)
def test_what_comes_back_is_what_the_loss_said(dataset, tmp_path, name):
    exported = dataset.export(name, tmp_path / "out")
    assert (exported.images, exported.objects) == (3, 12)
    other = Dataset.create(tmp_path / "other", CLASSES)
    images = dataset.folder / "source" if name in ("sartorius", "dsb-csv") else None
    if images is not None:
        images = tmp_path / "images"
        images.mkdir()
        for path in (dataset.folder / "source").rglob("*.tif"):
            (images / path.name).write_bytes(path.read_bytes())
    imported = other.import_from(tmp_path / "out", name, images=images, group_pattern=r"fov (\d)")
    assert imported.format == name
    assert other.names == dataset.names
    assert {entry.origin.group for entry in other.entries()} == {"0", "1", "2"}
    for image in other.names:
        before, after = dataset.sample(image).annotation, other.sample(image).annotation
        if exported.loss.is_exact:
            assert bits(after) == bits(before)
        found = object_losses(before, after, image)
        told = exported.loss.rows[exported.loss.rows["image"] == image]
        np.testing.assert_allclose(sorted(found["iou"]), sorted(told["iou"]))


def test_the_loss_is_told_before_anything_is_written(dataset, tmp_path):
    job = dataset.exporting("cellpose", tmp_path / "out/deep")
    steps = []
    for step in job:
        steps.append(step)
        if isinstance(step.payload, LossReport):
            break
    assert not (tmp_path / "out").exists()
    report = steps[-1].payload
    assert (report.objects, len(report.rows), report.lost) == (12, 3, 0)
    overlap = 10 * 10
    expected = {1: 1 - overlap / 400}
    assert report.rows.set_index("index")["iou"].to_dict() == pytest.approx(expected)
    assert "3 of 12 objects" in report.words()
    assert report.per_image()["changed"].tolist() == [1, 1, 1]
    job.close()
    assert not (tmp_path / "out").exists()


def test_nothing_half_written_is_seen(dataset, tmp_path):
    job = dataset.exporting("coco", tmp_path / "out", loss=False)
    for step in job:
        assert not (tmp_path / "out").exists()
        if step.done == 2:
            break
    job.close()
    assert not [path for path in tmp_path.iterdir() if path.name not in ("data",)]


def test_an_export_never_overwrites(dataset, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").write_text("x")
    with pytest.raises(OutputError, match="not empty"):
        dataset.export("coco", tmp_path / "out")
    assert (tmp_path / "out/mine").read_text() == "x"
    (tmp_path / "out/mine").unlink()
    assert dataset.export("coco", tmp_path / "out").images == 3


def test_parts_of_a_dataset_are_exported(dataset, tmp_path):
    assert dataset.export("coco", tmp_path / "a", names=["fov 1"]).images == 1
    count = int(dataset.counts().loc["train", "images"])
    assert dataset.export("coco", tmp_path / "b", split="train", loss=False).images == count
    with pytest.raises(DatasetError, match="split must be one of"):
        dataset.export("coco", tmp_path / "c", split="training")
    with pytest.raises(DatasetError, match="must be one of"):
        dataset.export("none", tmp_path / "c")


def test_samples_without_a_dataset_are_exported(dataset, tmp_path):
    samples = list(dataset.samples())
    exported = drain(exporting_samples(samples, find_format("coco"), tmp_path / "out", CLASSES))
    assert exported.loss.is_exact
    with pytest.raises(DatasetError, match="not an iterator"):
        drain(exporting_samples(iter(samples), find_format("coco"), tmp_path / "b", CLASSES))


def test_an_import_that_fails_adds_nothing(dataset, tmp_path):
    dataset.export("coco", tmp_path / "out")
    other = Dataset.create(tmp_path / "other")
    path = sorted((tmp_path / "out").rglob("*.json"))[-1]
    for content in (path.read_text()[:-200], '{"images": 3, "annotations": [], "categories": []}'):
        path.write_text(content)
        with pytest.raises(DatasetError):
            other.import_from(tmp_path / "out", "coco")
        assert len(Dataset.open(other.folder)) == 0
    with pytest.raises(DatasetError, match="regular expression"):
        other.import_from(tmp_path / "out", "coco", group_pattern="(")
    with pytest.raises(DatasetError, match="no file or folder"):
        other.import_from(tmp_path / "nowhere")


def test_importing_again_is_an_update(dataset, tmp_path):
    dataset.export("coco", tmp_path / "out")
    other = Dataset.create(tmp_path / "other", CLASSES)
    first = other.import_from(tmp_path / "out")
    assert not any(added.updated for added in first.added)
    again = other.import_from(tmp_path / "out")
    assert all(added.updated for added in again.added)
    assert len(other) == 3


def test_identical_objects_are_matched_once():
    twice = Annotation.from_masks(SHAPE, [square(1, 5, 5, 9), square(2, 5, 5, 9)])
    once = Annotation.from_masks(SHAPE, [square(4, 5, 5, 9)])
    report = object_losses(twice, once, "a")
    assert report["iou"].tolist() == [0.0]
    assert object_losses(once, twice, "a").empty
    assert object_losses(twice, twice, "a").empty


@pytest.mark.parametrize("size", [0.325, 1 / 3, 6.45])
@pytest.mark.parametrize("name", FORMATS)
def test_the_pixel_size_comes_back_where_the_format_says_so(tmp_path, name, size):
    found = find_format(name)
    pixels = np.arange(3000, dtype=np.uint16).reshape(SHAPE)
    sample = Sample("a", overlapping(), lambda: pixels, Origin(pixel_size=size))
    assert list(found.write([sample], tmp_path / "out", CLASSES)) == ["a"]
    (again,) = found.read(tmp_path / "out", [])
    expected = pytest.approx(size, rel=1e-6) if found.keeps_pixel_size else None
    assert again.origin.pixel_size == expected
    words = drain(measuring_loss([sample, sample.renamed("b")], found)).words()
    assert ("The pixel size of 2 images is not kept." in words) == (not found.keeps_pixel_size)


def test_other_programs_find_the_pixel_size(dataset, tmp_path):
    pixels, annotation = np.zeros(SHAPE, np.uint16), overlapping()
    dataset.add_sample(Sample("scaled", annotation, lambda: pixels + 5, Origin(pixel_size=0.5)))
    dataset.export("stardist", tmp_path / "out", names=["scaled"])
    files = sorted((tmp_path / "out").rglob("*.tif")) + sorted(dataset.folder.rglob("scaled.tif"))
    assert len(files) >= 4
    for path in files:
        with tifffile.TiffFile(path) as tif:
            page = tif.pages.first
            covered = path.parent.parent.name in ("covered", "ignored")
            assert page.resolution == ((1.0, 1.0) if covered else (20_000.0, 20_000.0))
            assert covered or page.resolutionunit == tifffile.RESUNIT.CENTIMETER
        assert covered or read_image(path).pixel_size == PixelSize(0.5, 0.5)
