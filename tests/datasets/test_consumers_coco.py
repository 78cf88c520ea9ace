"""pycocotools, the reference reader of COCO, sees the objects that were written."""

import contextlib
import io
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from napari_cellseg.datasets.formats.registry import find_format
from napari_cellseg.datasets.names import safe_name
from napari_cellseg.images.reading import read_image

from .nasty import CLASSES as NASTY_CLASSES
from .nasty import nasty_samples
from .simulated import CLASSES, paired_iou, simulated_samples, whole_masks

FLAVOURS = ("coco", "coco-polygons", "livecell", "cvat")
SETS = {"simulated": (simulated_samples, CLASSES), "nasty": (nasty_samples, NASTY_CLASSES)}


@pytest.fixture(autouse=True)
def quiet():
    """pycocotools prints."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def opened(name, samples, folder, classes):
    """A `COCO` of each file of annotations that a format writes."""
    for _ in find_format(name).write(samples, folder, classes):
        pass
    return {path: COCO(path) for path in sorted(folder.rglob("*.json"))}


def seen_by(coco, image):
    """Whole masks (N, Y, X) and class names of an image's objects."""
    found = coco.loadAnns(coco.getAnnIds(imgIds=image["id"], iscrowd=False))
    masks = [coco.annToMask(a) for a in found]
    names = [coco.cats[a["category_id"]]["name"] for a in found]
    return np.array(masks, bool).reshape(-1, image["height"], image["width"]), names, found


@pytest.mark.parametrize("kind", SETS)
@pytest.mark.parametrize("name", FLAVOURS)
def test_masks_are_the_objects(name, kind, tmp_path):
    make, classes = SETS[kind]
    unseen = {safe_name(s.name): s for s in make()}
    iou = []
    for path, coco in opened(name, make(), tmp_path, classes).items():
        for image in coco.dataset["images"]:
            sample = unseen.pop(PurePosixPath(image["file_name"]).stem)
            np.testing.assert_array_equal(pixels_of(path, image), sample.pixels())
            ours = sample.annotation
            masks, names, found = seen_by(coco, image)
            iou.extend(paired_iou(whole_masks(ours), masks, ours.objects["class"], names))
            for mask, annotation in zip(masks, found, strict=True):
                x, y, w, h = annotation["bbox"]
                assert mask.sum() == mask[int(y) : int(y + h + 1), int(x) : int(x + w + 1)].sum()
                assert annotation["area"] == pytest.approx(mask.sum(), rel=0.25, abs=6)
    assert not unseen
    assert min(iou) == 1


def pixels_of(annotations, image):
    """An image's pixels, found as trainers find them: from the folder of the annotations, or ``images``."""
    roots = (annotations.parent, *annotations.parent.glob("*"), *annotations.parent.parent.glob("*"))
    path = next(p for p in (root / image["file_name"] for root in roots) if p.is_file())
    pixels = np.asarray(read_image(path).data)
    assert pixels.shape[:2] == (image["height"], image["width"])
    return pixels


def result_of(truth, annotation):
    """What a model would give back for an object."""
    runs = truth.annToRLE(annotation)
    counts = runs["counts"] if isinstance(runs["counts"], str) else runs["counts"].decode()
    segmentation = {"size": runs["size"], "counts": counts}
    same = {key: annotation[key] for key in ("image_id", "category_id")}
    return {**same, "segmentation": segmentation, "score": 0.9}


@pytest.mark.parametrize("name", FLAVOURS)
def test_results_of_a_perfect_model_score_perfectly(name, tmp_path):
    for truth in opened(name, simulated_samples(), tmp_path, CLASSES).values():
        results = [result_of(truth, a) for a in truth.dataset["annotations"]]
        scored = COCOeval(truth, truth.loadRes(results), "segm")
        scored.params.maxDets = [1, 100, 1000]
        scored.evaluate()
        scored.accumulate()
        precision = scored.eval["precision"][:, :, :, 0, -1]
        assert precision[precision > -1].min() > 0.99


def test_ids_and_categories_are_what_trainers_expect(tmp_path):
    for name in FLAVOURS:
        for coco in opened(name, simulated_samples(), tmp_path / name, CLASSES).values():
            assert {c["name"] for c in coco.dataset["categories"]} == set(CLASSES)
            for kind in ("images", "annotations", "categories"):
                ids = [entry["id"] for entry in coco.dataset[kind]]
                assert len(set(ids)) == len(ids)
                assert all(isinstance(i, int) for i in ids)
            assert all(a["id"] > 0 for a in coco.dataset["annotations"])
            assert not any(Path(i["file_name"]).is_absolute() for i in coco.dataset["images"])
