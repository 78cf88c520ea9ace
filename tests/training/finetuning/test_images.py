"""What is learnt from a dataset: pixels that nobody has reviewed do not count."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_cellseg.datasets.store import Dataset
from napari_cellseg.errors import ModelError, OptionError, TrainingError
from napari_cellseg.images.simulation import simulate_fluorescence
from napari_cellseg.models.card import read_card, write_card
from napari_cellseg.models.registry import find_model
from napari_cellseg.pipeline.options import scale_for
from napari_cellseg.training.augmentation import Augmentation, draw_scale
from napari_cellseg.training.finetuning import remembering
from napari_cellseg.training.finetuning.crops import ReviewedCrops, suited_augmentation
from napari_cellseg.training.finetuning.images import UNSEEN, read_lesson
from napari_cellseg.training.finetuning.presets import PRESETS, preset
from napari_cellseg.training.finetuning.recipe import FineTuneRecipe
from napari_cellseg.training.finetuning.remembering import remembered_images
from napari_cellseg.training.finetuning.start import find_start
from napari_cellseg.training.finetuning.validation import cut_patches
from napari_cellseg.training.samples import CropSource, as_sample

from .scenes import make_dataset, recipe


def half_reviewed(folder: Path) -> Dataset:
    scene = simulate_fluorescence((128, 128), diameter=(16.0, 22.0), objects=16, seed=3)
    ignored = np.zeros((128, 128), bool)
    ignored[:, 64:] = True
    made = Dataset.create(folder, ("nucleus",))
    for split in ("train", "val"):
        image = scene.image if split == "train" else scene.image[::-1]
        labels = scene.labels if split == "train" else scene.labels[::-1]
        made.add(image, labels, name=split, split=split, ignored=ignored, classes="nucleus")
    return made


def test_unreviewed_pixels_have_no_weight_in_crops_and_no_objects_in_patches(tmp_path: Path) -> None:
    card = find_model("nuclei").card
    lesson = read_lesson(half_reviewed(tmp_path / "data"), recipe(tmp_path), card)
    (image,) = lesson.images
    assert (image.labels[:, 64:] == UNSEEN).all()
    still = Augmentation(own=1.0, rotate=0.0)
    source = ReviewedCrops([image], 96, still, empty=0.0, seed=1)
    for number in range(6):
        _, targets = source.crop(number)
        _, labels = source.raw_crop(number)
        unseen = labels == UNSEEN
        assert (targets.foreground[unseen] == 1).all()
        assert (targets.weight[unseen] == 0).all()
        assert (targets.foreground[labels == 0] == 0).all()
    (patch,) = cut_patches(lesson.validation, card)
    assert patch.unseen.any()
    assert patch.labels[patch.unseen].max() == 0
    assert patch.labels.max() > 0


def test_crops_look_for_reviewed_places() -> None:
    labels = np.full((600, 600), UNSEEN, np.int32)
    labels[:120, :120] = 0
    labels[40:60, 40:60] = 1
    sample = as_sample("large", "mine", np.zeros((600, 600, 1), np.uint16), labels)
    source = ReviewedCrops([sample], 64, Augmentation(own=1.0), empty=0.0)
    plain = CropSource([sample], 64, Augmentation(own=1.0), empty=0.0)
    here, there = (
        np.mean([np.mean(crops.raw_crop(n)[1] != UNSEEN) for n in range(20)]) for crops in (source, plain)
    )
    assert here > 0.6
    assert there < 0.3


def test_crops_show_objects_as_large_as_the_network_will_see_them() -> None:
    phase, nuclei = find_model("phase").card, find_model("nuclei").card
    rng = np.random.default_rng(0)
    for card, diameter, low, high in ((phase, 12.0, 18, 50), (phase, 90.0, 18, 50), (nuclei, 120.0, 9, 66)):
        settings = suited_augmentation(card, diameter)
        shown = diameter * np.array([draw_scale(diameter, settings, rng) for _ in range(200)])
        assert shown.min() > low
        assert shown.max() < high
    usual = replace(suited_augmentation(nuclei, 120.0), own=1.0)
    shown = [120 * draw_scale(120.0, usual, rng) for _ in range(200)]
    assert np.median(shown) == pytest.approx(120 * scale_for(120.0, nuclei), rel=0.05)
    assert suited_augmentation(nuclei, 30.0) == Augmentation(best_known=24.0, own_scale=(12.0, 64.0))


def test_a_patch_has_the_size_of_objects_that_the_network_knows(tmp_path: Path) -> None:
    card = find_model("phase").card
    made = Dataset.create(tmp_path / "data", ("cell",))
    for split, seed in (("train", 1), ("val", 2)):
        scene = simulate_fluorescence((200, 200), diameter=(56.0, 64.0), objects=5, touching=0.0, seed=seed)
        made.add(scene.image, scene.labels, name=split, split=split)
    (patch,) = cut_patches(read_lesson(made, recipe(tmp_path), card).validation, card)
    areas = np.bincount(patch.labels.ravel())[1:]
    whole = areas[areas > 0.5 * areas.max()]
    assert 2 * np.sqrt(np.median(whole) / np.pi) == pytest.approx(card.diameter, rel=0.2)


def test_pictures_to_remember_are_of_many_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("FLUORESCENT", "STAINED", "BRIGHT"):
        monkeypatch.setattr(remembering, kind, 1)
    images = remembered_images(1)
    kinds = {image.kind for image in images}
    assert {"grey", "colour"} <= kinds
    assert len({image.name for image in images}) == len(images)
    assert all(image.image.ndim == 3 and image.image.any() for image in images)
    again = remembered_images(1)
    assert all((a.image == b.image).all() for a, b in zip(images, again, strict=True))


def test_presets_get_longer(tmp_path: Path) -> None:
    steps = [preset(name, data="d", model="m.onnx") for name in PRESETS]
    assert list(PRESETS) == ["quick", "balanced", "thorough"]
    assert (
        steps[0].epochs * steps[0].steps < steps[1].epochs * steps[1].steps < steps[2].epochs * steps[2].steps
    )
    assert FineTuneRecipe.from_dict(steps[1].as_dict()) == steps[1]


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"model": "m.pt"}, "ending in .onnx"), ({"edge": 200}, "multiple of 16"), ({"keep": -1}, "keep")],
)
def test_recipes_that_cannot_be_are_told_in_words(changes: dict[str, object], words: str) -> None:
    with pytest.raises(OptionError, match=words):
        preset("balanced", **{"data": "d", "model": "m.onnx", **changes})


def test_only_networks_of_this_package_with_their_weights_can_go_on(tmp_path: Path) -> None:
    entry = find_model("phase")
    for file in (entry.path, entry.path.with_suffix(".json")):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(TrainingError, match="trainable weights"):
        find_start(str(tmp_path / "phase.onnx"))
    weights = tmp_path / "phase.safetensors"
    weights.write_bytes(entry.path.with_suffix(".safetensors").read_bytes())
    assert find_start(str(weights)).onnx == tmp_path / "phase.onnx"
    card = read_card(tmp_path / "phase.json")
    write_card(
        card.model_copy(update={"maps": ("foreground", *card.maps[2:], "distance")}), tmp_path / "phase.json"
    )
    with pytest.raises(TrainingError, match="no U-Net of this package"):
        find_start(str(weights))
    with pytest.raises(ModelError):
        find_start("no such model")


def test_make_dataset_has_what_a_lesson_needs(tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "data", ("train", "val", "test"))
    learnt = read_lesson(data, recipe(tmp_path), find_model("nuclei").card).learnt
    assert learnt.objects == {"train": 9, "val": 9}
    assert {split: list(images) for split, images in learnt.images.items()} == {
        "train": ["field 0"],
        "val": ["field 1"],
        "test": ["field 2"],
    }
