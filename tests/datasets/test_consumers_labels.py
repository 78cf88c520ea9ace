"""Cellpose, StarDist and scikit-image read the label images that are written."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_cellseg.datasets.formats.registry import find_format
from napari_cellseg.datasets.names import safe_name
from napari_cellseg.datasets.sample import SPLITS
from napari_cellseg.datasets.store import Dataset
from napari_cellseg.events import drain

from .nasty import CLASSES as NASTY_CLASSES
from .nasty import many_objects, nasty_samples, sample_of
from .simulated import CLASSES, simulated_samples

MOST_LABELS = 10**6
"""Labels for each of which, used or not, StarDist keeps a place in a list."""
SETS = {"simulated": (simulated_samples, CLASSES), "nasty": (nasty_samples, NASTY_CLASSES)}


def written(name, samples, folder, classes):
    """The folders with images, or with images and labels, that a format writes."""
    assert len(list(find_format(name).write(samples, folder, classes))) == len(samples)
    return sorted({path.parent for path in folder.rglob("*.tif")})


def same_partition(ours, theirs):
    """Whether two label images show the same objects, whatever their numbers."""
    pairs = np.unique(np.stack([ours.ravel(), theirs.ravel()]), axis=1)
    return all(len(np.unique(side)) == pairs.shape[1] for side in pairs) and bool(
        ((pairs == 0).all(0) | pairs.all(0)).all()
    )


@pytest.mark.parametrize("kind", SETS)
def test_cellpose_finds_every_image_with_its_labels(kind, tmp_path):
    io = pytest.importorskip("cellpose.io")
    make, classes = SETS[kind]
    truth = {safe_name(s.name): s for s in make()}
    seen = set()
    for folder in written("cellpose", make(), tmp_path, classes):
        images, labels, names, *_ = io.load_train_test_data(str(folder), mask_filter="_masks")
        for image, label, path in zip(images, labels, names, strict=True):
            stem = Path(path).name.removesuffix(".tif")
            sample = truth[stem]
            np.testing.assert_array_equal(image, sample.pixels())
            assert label.shape == sample.annotation.shape
            assert same_partition(sample.annotation.labels, label)
            seen.add(stem)
    assert seen == set(truth)


def test_cellpose_takes_the_labels_for_training(tmp_path):
    io = pytest.importorskip("cellpose.io")
    dynamics = pytest.importorskip("cellpose.dynamics")
    folder = written("cellpose", simulated_samples()[:1], tmp_path, CLASSES)[0]
    _, labels, *_ = io.load_train_test_data(str(folder), mask_filter="_masks")
    flows = dynamics.labels_to_flows(labels)[0]
    assert len(np.unique(flows[0])) - 1 == len(simulated_samples()[0].annotation)


def pairs(images, masks):
    """Images and masks as StarDist's notebooks collect them: the same file names in two folders."""
    found = [sorted(folder.glob("*.tif")) for folder in (images, masks)]
    assert [p.name for p in found[0]] == [p.name for p in found[1]]
    return list(zip(*found, strict=True))


def check_stardist_reads(found, truth):
    from csbdeep.utils import normalize
    from stardist import fill_label_holes
    from stardist.matching import matching

    assert {image.stem for image, _ in found} == set(truth)
    for image_path, mask_path in found:
        ours = truth[image_path.stem].annotation.labels
        image, labels = tifffile.imread(image_path), tifffile.imread(mask_path)
        assert image.shape[:2] == labels.shape
        assert np.isfinite(normalize(image)).all()
        scored = matching(ours, labels, thresh=0.99)
        assert scored.n_true == scored.n_pred == scored.tp
        if labels.max() < MOST_LABELS:
            assert fill_label_holes(labels).shape == labels.shape


@pytest.mark.parametrize("kind", SETS)
def test_stardist_finds_every_image_with_its_labels(kind, tmp_path):
    pytest.importorskip("stardist")
    make, classes = SETS[kind]
    written("stardist", make(), tmp_path, classes)
    folders = sorted(p for p in tmp_path.rglob("images") if p.is_dir())
    found = [pair for images in folders for pair in pairs(images, images.parent / "masks")]
    check_stardist_reads(found, {safe_name(s.name): s for s in make()})


def test_stardist_reads_a_dataset_as_it_stands(tmp_path):
    pytest.importorskip("stardist")
    dataset = Dataset.create(tmp_path / "d", classes=CLASSES)
    drain(dataset.adding(simulated_samples()))
    found = []
    for split in SPLITS:
        found += pairs(dataset.folder / "source" / split, dataset.folder / "masks" / split)
    check_stardist_reads(found, {s.name: s for s in dataset.samples()})


@pytest.mark.parametrize("name", ["cellpose", "stardist", "label-images"])
def test_scikit_image_measures_the_labels(name, tmp_path):
    from skimage.color import label2rgb
    from skimage.measure import regionprops

    written(name, simulated_samples(), tmp_path, CLASSES)
    areas = {
        tuple(sorted(np.unique(s.annotation.labels, return_counts=True)[1][1:])) for s in simulated_samples()
    }
    seen = set()
    for path in sorted(tmp_path.rglob("*.tif")):
        labels = tifffile.imread(path)
        if path.parent.name == "masks" or path.stem.endswith(("_masks", "_labels")):
            assert label2rgb(labels).shape == (*labels.shape, 3)
            seen.add(tuple(sorted(int(r.area) for r in regionprops(labels))))
    assert seen == areas


@pytest.mark.parametrize("name", ["cellpose", "stardist"])
def test_more_objects_than_16_bits_number_stay_apart(name, tmp_path):
    annotation = many_objects(66_000)
    written(name, [sample_of("many", annotation, dtype="uint8")], tmp_path, CLASSES)
    masks = [p for p in tmp_path.rglob("*.tif") if "mask" in p.relative_to(tmp_path).as_posix()]
    labels = tifffile.imread(masks[0])
    assert len(masks) == 1
    assert len(np.unique(labels)) == 66_001
