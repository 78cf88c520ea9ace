"""Ultralytics' own dataset class reads what is written: its rasterised masks are the objects' masks.

Runs where Ultralytics is installed: ``tox -e consumers``.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest

from napari_cellseg.datasets.annotation import Annotation
from napari_cellseg.datasets.formats.registry import find_format
from napari_cellseg.datasets.names import safe_name
from napari_cellseg.datasets.sample import Sample
from napari_cellseg.datasets.store import Dataset
from napari_cellseg.events import drain

from .nasty import CLASSES as NASTY_CLASSES
from .nasty import nasty_annotations, pixels_of
from .simulated import CLASSES, paired_iou, simulated_samples, whole_masks

SMALLEST = 10
"""Ultralytics refuses images with fewer rows or columns."""


@pytest.fixture(autouse=True, scope="module")
def ultralytics(tmp_path_factory):
    """The package, kept from installing, downloading or asking for anything."""
    settings = tmp_path_factory.mktemp("settings")
    (settings / "Ultralytics").mkdir()
    for font in ("Arial.ttf", "Arial.Unicode.ttf"):
        (settings / "Ultralytics" / font).touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("YOLO_AUTOINSTALL", "false")
        patch.setenv("YOLO_OFFLINE", "true")
        patch.setenv("YOLO_CONFIG_DIR", str(settings))
        yield pytest.importorskip("ultralytics")


def written(samples, folder, classes):
    folder.mkdir()
    assert list(find_format("yolo").write(samples, folder, classes)) == [s.name for s in samples]
    return folder


def loaded(folder, overlap):
    """Each image's file stem, size, masks and classes, as training at full resolution would see them.

    Masks are (1, Y, X) of 1-based row numbers with `overlap`, else (N, Y, X).
    """
    from ultralytics.cfg import get_cfg
    from ultralytics.data.build import build_yolo_dataset
    from ultralytics.data.utils import check_det_dataset

    data = check_det_dataset(folder / "dataset.yaml", autodownload=False)
    for split in ("train", "val", "test"):
        if not data.get(split) or not any(Path(data[split]).iterdir()):
            continue
        cfg = get_cfg(overrides={"task": "segment", "mask_ratio": 1, "overlap_mask": overlap})
        images = build_yolo_dataset(cfg, data[split], batch=1, data=data, mode="val")
        for i, label in enumerate(images.labels):
            height, width = label["shape"]
            cfg.imgsz = images.imgsz = max(height, width)
            images.transforms = images.build_transforms(cfg)
            item = images[i]
            top, left = ((cfg.imgsz - n) // 2 for n in (height, width))
            masks = item["masks"].numpy()[:, top : top + height, left : left + width]
            classes = [data["names"][int(c)] for c in item["cls"].flatten()]
            pixels = item["img"].numpy()[:, top : top + height, left : left + width]
            yield Path(label["im_file"]).stem, masks, classes, pixels


def enlarged(annotation):
    """The same objects on a plane that Ultralytics takes, not wider than its square needs memory for."""
    annotation = annotation.crop((0, 0, min(annotation.shape[0], 200), min(annotation.shape[1], 200)))
    shape = tuple(max(SMALLEST, n) for n in annotation.shape)
    return Annotation.from_masks(shape, annotation.masks(), annotation.objects)


def nasty_ones():
    return [
        Sample(name, annotation, lambda a=annotation: pixels_of(a.shape, "uint8"), split="train")
        for name, annotation in ((n, enlarged(a)) for n, a in nasty_annotations().items())
    ]


def without_twins(annotation):
    """Ultralytics reads equal rows as one object."""
    seen, kept = set(), []
    for mask, name in zip(annotation.masks(), annotation.objects["class"], strict=True):
        trimmed = mask.trimmed()
        key = (name, trimmed.box, trimmed.pixels.tobytes())
        kept += [] if key in seen else [mask.index]
        seen.add(key)
    return annotation.take(kept)


SETS = {"simulated": (simulated_samples, CLASSES), "nasty": (nasty_ones, NASTY_CLASSES)}


@pytest.mark.parametrize("kind", SETS)
def test_masks_of_the_loader_are_the_objects(kind, tmp_path):
    make, classes = SETS[kind]
    truth = {safe_name(s.name): without_twins(s.annotation) for s in make()}
    seen, all_iou = set(), []
    for stem, masks, names, _ in loaded(written(make(), tmp_path / "yolo", classes), overlap=False):
        ours = truth[stem]
        assert sorted(names) == sorted(ours.objects["class"])
        iou = paired_iou(whole_masks(ours), masks > 0, ours.objects["class"], names)
        all_iou.extend(iou)
        seen.add(stem)
    assert seen == set(truth)
    assert np.mean(all_iou) >= 0.98


@pytest.mark.parametrize("kind", SETS)
def test_masks_of_the_loader_are_what_reading_back_gives(kind, tmp_path):
    make, classes = SETS[kind]
    as_read_back = find_format("yolo").as_read_back
    promised = {safe_name(s.name): without_twins(as_read_back(s.annotation)) for s in make()}
    all_iou = []
    for stem, masks, names, _ in loaded(written(make(), tmp_path / "yolo", classes), overlap=False):
        ours = promised[stem]
        all_iou.extend(paired_iou(whole_masks(ours), masks > 0, ours.objects["class"], names))
    assert np.mean(all_iou) >= 0.99


def test_overlaps_are_flattened_as_ours(tmp_path):
    samples = simulated_samples()
    truth = {safe_name(s.name): s.annotation for s in samples}
    all_iou = []
    for stem, masks, names, _ in loaded(written(samples, tmp_path / "yolo", CLASSES), overlap=True):
        ours = truth[stem]
        index = ours.objects["index"].to_numpy()
        flat = ours.labels[None] == index[:, None, None]
        theirs = masks == np.arange(1, len(names) + 1)[:, None, None]
        shown = flat.any((1, 2))
        classes = ours.objects["class"].to_numpy()[shown]
        all_iou.extend(paired_iou(flat[shown], theirs, classes, names))
    assert np.mean(all_iou) >= 0.98


def test_images_are_the_scaled_ones_and_empty_ones_stay(tmp_path):
    samples = {safe_name(s.name): s for s in simulated_samples()}
    seen = {}
    for stem, masks, names, pixels in loaded(written(list(samples.values()), tmp_path / "y", CLASSES), False):
        original = samples[stem].pixels()
        seen[stem] = len(names)
        assert masks.shape[1:] == pixels.shape[1:] == original.shape[:2]
        if original.ndim == 3:
            np.testing.assert_array_equal(pixels.transpose(1, 2, 0), original)
        else:
            high_byte = (original >> 8).astype(np.uint8)
            assert np.ptp(pixels) > np.ptp(high_byte)
            assert np.corrcoef(pixels[0].ravel(), original.ravel())[0, 1] > 0.95
    assert seen == {name: len(sample.annotation) for name, sample in samples.items()}


@pytest.mark.parametrize("name", ["elsewhere", "with spaces", "images", "Größe 漢字 [1]"])
def test_the_folder_can_be_moved(name, tmp_path, monkeypatch):
    folder = written(simulated_samples(), tmp_path / "yolo", CLASSES)
    (tmp_path / "deep").mkdir()
    moved = Path(shutil.move(folder, tmp_path / "deep" / name))
    monkeypatch.chdir(tmp_path / "deep")
    assert len(list(loaded(moved, overlap=False))) == len(simulated_samples())


def test_a_dataset_is_read_as_it_stands(tmp_path):
    dataset = Dataset.create(tmp_path / "my data", classes=CLASSES)
    drain(dataset.adding(simulated_samples()))
    moved = Path(shutil.move(dataset.folder, tmp_path / "moved"))
    samples = {s.name: s for s in Dataset.open(moved).samples()}
    all_iou = []
    for stem, masks, names, pixels in loaded(moved, overlap=False):
        ours = samples.pop(stem).annotation
        assert pixels.shape[1:] == ours.shape
        all_iou.extend(paired_iou(whole_masks(ours), masks > 0, ours.objects["class"], names))
    assert not samples
    assert np.mean(all_iou) >= 0.98
    assert list(moved.rglob("*.cache"))
    assert not [finding for finding in Dataset.open(moved).check() if finding.severity == "error"]
