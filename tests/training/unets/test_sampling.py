"""Patches: where they lie, what is learned of them, how often each is shown, in which batches."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cellseg.datasets.store import Dataset
from napari_cellseg.errors import CellSegWarning, OptionError, TrainingError
from napari_cellseg.training.unets.augmentation import AugmentationConfig
from napari_cellseg.training.unets.images import TrainingImage, dataset_images, split_images
from napari_cellseg.training.unets.loading import Batch, training_batches, validation_batches
from napari_cellseg.training.unets.patches import (
    PatchSource,
    TargetConfig,
    patch_starts,
    patch_targets,
)
from napari_cellseg.training.unets.sampling import (
    Sampler,
    SamplingConfig,
    hardness_weights,
    rarity_weights,
    systematic_counts,
)
from napari_cellseg.training.unets.warping import Patch

EVEN = SamplingConfig(oversampling=False, mining=False)


def image(name: str, shape: tuple[int, int] = (64, 64), seed: int = 0, **more: object) -> TrainingImage:
    """Noise with four squares, labelled 3, 4, 5, 6, where there is room."""
    labels = np.zeros(shape, np.int32)
    for number, (y, x) in enumerate(((4, 4), (4, 20), (20, 4), (40, 40)), 3):
        labels[y : y + 12, x : x + 12] = number
    pixels = np.random.default_rng(seed).integers(100, 4000, shape).astype(np.uint16)
    return TrainingImage.from_arrays(name, pixels, labels, **more)  # type: ignore[arg-type]


def source(count: int = 3, edge: int = 32, **more: object) -> PatchSource:
    config = AugmentationConfig(variants=4, unaltered=1)
    images = [image(f"field {i}", seed=i) for i in range(count)]
    return PatchSource(images, edge=edge, augmentation=config, **more)  # type: ignore[arg-type]


def assert_same(first: list[Batch], second: list[Batch]) -> None:
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.patches, b.patches)
        np.testing.assert_array_equal(a.images, b.images)
        np.testing.assert_array_equal(a.masks, b.masks)
        np.testing.assert_array_equal(a.weights, b.weights)


@given(length=st.integers(1, 3000), edge=st.sampled_from([32, 256, 300]))
@settings(max_examples=100, deadline=None)
def test_patches_cover_an_axis_with_as_few_as_it_takes(length: int, edge: int) -> None:
    starts = patch_starts(length, edge)
    covered = np.zeros(length, bool)
    for start in starts:
        covered[max(0, start) : start + edge] = True
    assert covered.all()
    assert len(starts) == max(1, -(-length // edge))
    assert starts[-1] + edge <= length or length < edge


def test_places_that_are_ignored_as_a_whole_are_left_out() -> None:
    ignored = np.zeros((64, 64), bool)
    ignored[:32, :40] = True
    patches = PatchSource([image("a", ignored=ignored), image("b")], edge=32)
    places = [(p.image, p.top, p.left) for p in patches.places]
    assert places == [(0, 0, 32), (0, 32, 0), (0, 32, 32), (1, 0, 0), (1, 0, 32), (1, 32, 0), (1, 32, 32)]
    assert patches.plain(0).ignored[:, :8].all()
    assert not patches.plain(0).ignored[:, 8:].any()
    assert patches.visible(6).tolist() == [6]


def test_a_plain_patch_is_the_image_from_0_to_1() -> None:
    patches = source()
    plain = patches.plain(3)
    whole = patches.images[0].scaled()
    np.testing.assert_array_equal(plain.image, whole[32:, 32:])
    np.testing.assert_array_equal(plain.labels, patches.images[0].labels[32:, 32:])
    assert whole.min() == 0
    assert whole.max() == 1


def test_an_image_smaller_than_a_patch_is_reflected() -> None:
    patches = PatchSource([image("small", (48, 50))], edge=64)
    plain = patches.plain(0)
    assert len(patches) == 1
    np.testing.assert_array_equal(plain.labels[8:56, 7:57], patches.images[0].labels)
    np.testing.assert_array_equal(plain.labels[:8], plain.labels[15:7:-1])
    for variant in range(21):
        assert patches.patch(0, 0, variant).image.shape == (64, 64)


def test_a_patch_depends_on_its_numbers_alone() -> None:
    first, again, other = source(seed=1), source(seed=1), source(seed=2)
    np.testing.assert_array_equal(first.patch(5, 3, 2).image, again.patch(5, 3, 2).image)
    for numbers in ((5, 3, 1), (5, 4, 2), (6, 3, 2)):
        assert not np.array_equal(first.patch(5, 3, 2).image, first.patch(*numbers).image)
    assert not np.array_equal(first.patch(5, 3, 2).image, other.patch(5, 3, 2).image)


def test_what_moves_in_is_the_image_around_a_patch() -> None:
    config = AugmentationConfig().without(
        *AugmentationConfig().photometric(),
        *(n for n in AugmentationConfig().geometric() if n != "pad_and_crop"),
    )
    labels = np.arange(1, 64 * 64 + 1, dtype=np.int32).reshape(64, 64)
    picture = TrainingImage.from_arrays("a", labels, labels)
    patches = PatchSource([picture], edge=32, augmentation=config, context=8)
    windows = np.lib.stride_tricks.sliding_window_view(labels, (32, 32))
    for variant in range(8):
        found = patches.patch(0, 0, variant).labels
        top, left = divmod(int(found[16, 16]) - 1, 64)
        if top >= 16 and left >= 16:
            np.testing.assert_array_equal(found, windows[top - 16, left - 16])


def test_targets_of_touching_objects() -> None:
    labels = np.zeros((20, 30), np.int32)
    labels[4:16, 3:15], labels[4:16, 15:27] = 8, 2
    ignored = np.zeros(labels.shape, bool)
    ignored[:, 25:] = True
    patch = Patch(np.zeros(labels.shape, np.float32), labels, ignored)
    plain = patch_targets(patch, TargetConfig())
    np.testing.assert_array_equal(plain.mask, labels > 0)
    np.testing.assert_array_equal(plain.weight, ~ignored)
    assert plain.distance is None
    full = patch_targets(patch, TargetConfig(separation=1, distance=True, border_weight=5))
    assert full.distance is not None
    assert (full.mask[:, 14:16] == 0).all()
    assert full.mask.sum() == plain.mask.sum() - 2 * 12
    assert full.distance[labels == 8].max() == 1
    assert full.distance[10, 8] > full.distance[10, 13] > 0
    assert (full.distance[labels == 0] == 0).all()
    assert set(np.unique(full.weight)) == {0, 1, 5}
    assert (full.weight[ignored] == 0).all()


def test_every_patch_is_shown_in_all_its_variants() -> None:
    sampler = Sampler(source(), EVEN)
    draws = sampler.draws()
    assert len(draws) == sampler.size == 4 * 3 * 4
    assert Counter(map(tuple, draws.tolist())) == {(p, v): 1 for p in range(12) for v in range(4)}
    assert not np.array_equal(draws[:, 0], np.sort(draws[:, 0]))
    sampler.advance()
    assert not np.array_equal(draws, sampler.draws())


@given(
    weights=st.lists(st.floats(0.01, 100), min_size=1, max_size=40),
    total=st.integers(0, 500),
    seed=st.integers(0, 1000),
)
@settings(max_examples=100, deadline=None)
def test_counts_follow_weights(weights: list[float], total: int, seed: int) -> None:
    shares = np.array(weights) / np.sum(weights) * total
    counts = systematic_counts(np.array(weights), total, np.random.default_rng(seed))
    assert counts.sum() == total
    assert (np.abs(counts - shares) < 1 + 1e-6).all()


def test_rare_classes_and_patches_with_cells_weigh_more() -> None:
    classes = [["cell"]] * 90 + [["cell", "dead"]] * 10
    weights = rarity_weights(classes, 0.4, 4.0)
    assert weights[0] == 1
    assert weights[-1] == pytest.approx(2)
    assert rarity_weights([["cell"]] + [[]] * 999, 0.5, 4.0)[0] == 4
    assert rarity_weights([[], []], 0.5, 4.0).tolist() == [1, 1]


def test_empty_patches_of_sparse_images_are_shown_less() -> None:
    empty = TrainingImage.from_arrays(
        "empty", np.arange(160 * 160).reshape(160, 160), np.zeros((160, 160), int)
    )
    patches = PatchSource([image("cells", (32, 32)), empty], edge=32)
    sampler = Sampler(patches, SamplingConfig(patches=600))
    shown = np.bincount(sampler.draws()[:, 0])
    assert len(sampler.draws()) == 600
    assert shown[0] > 3 * shown[1:].max()


def test_classes_come_from_the_images() -> None:
    images = [image(str(i), (32, 32), classes={3: "cell"}) for i in range(20)]
    images += [image("rare", (32, 32), classes={3: "cell", 4: "dead"})]
    weights = Sampler(PatchSource(images, edge=32)).weights
    assert weights[-1] > 3 * weights[0]


def test_hard_patches_are_shown_more_often_in_the_next_epoch() -> None:
    sampler = Sampler(source(), SamplingConfig(oversampling=False))
    before = sampler.draws()
    sampler.record(before[:, 0], np.where(before[:, 0] == 7, 3.0, 1.0))
    np.testing.assert_array_equal(sampler.draws(), before)
    sampler.advance()
    counts = np.bincount(sampler.draws()[:, 0], minlength=12)
    assert counts[7] == pytest.approx(3 * counts[0], abs=1.5)
    assert counts.sum() == len(before)
    variants = sampler.draws()[sampler.draws()[:, 0] == 7, 1]
    assert sorted(variants) == list(range(counts[7]))


def test_without_mining_losses_change_nothing() -> None:
    sampler = Sampler(source(), EVEN)
    sampler.record([0, 1], [100.0, 1.0])
    sampler.advance()
    assert (sampler.weights == 1).all()


def test_hardness_has_limits_and_takes_what_was_not_shown_for_the_mean() -> None:
    weights = hardness_weights([1.0, 1.0, np.nan, 0.0, 400.0], 1.0, 4.0)
    assert weights[2] == 1
    assert weights[4] == pytest.approx(400 / 100.5)
    assert weights[0] == weights[3] == 0.25
    assert hardness_weights([0.0, 0.0], 1.0, 4.0).tolist() == [1, 1]
    assert hardness_weights([np.nan], 1.0, 4.0).tolist() == [1]
    assert hardness_weights([1.0, 99.0], 2.0, 3.0).tolist() == [1 / 3, 3]


def test_a_sampler_resumes_in_the_middle_of_an_epoch() -> None:
    config = SamplingConfig(oversampling=False)
    rng = np.random.default_rng(0)
    first = Sampler(source(), config)
    draws = first.draws()[:, 0]
    losses = rng.random(len(draws))
    first.record(draws, losses)
    first.advance()
    second_draws = first.draws()[:, 0]
    first.record(second_draws[:10], losses[:10])
    state = json.loads(json.dumps(first.state()))
    resumed = Sampler(source(), config)
    resumed.restore(state)
    assert resumed.epoch == 1
    np.testing.assert_array_equal(resumed.draws()[:, 0], second_draws)
    for sampler in (first, resumed):
        sampler.record(second_draws[10:], losses[10:])
        sampler.advance()
    np.testing.assert_array_equal(first.draws(), resumed.draws())
    np.testing.assert_array_equal(first.weights, resumed.weights)


def test_a_state_of_something_else_is_refused() -> None:
    sampler = Sampler(source())
    with pytest.raises(TrainingError, match="of 8 patches, the images give 12"):
        sampler.restore(Sampler(source(2)).state())
    with pytest.raises(TrainingError, match="has the seed 3, not 0"):
        sampler.restore(Sampler(source(seed=3)).state())
    with pytest.raises(TrainingError, match="damaged"):
        sampler.restore({"epoch": 3})


def test_batches_do_not_depend_on_the_number_of_threads() -> None:
    targets = TargetConfig(distance=True)
    one, three = (
        list(training_batches(Sampler(source(), EVEN), targets, size=7, workers=n, ahead=n - 1))
        for n in (1, 3)
    )
    assert_same(one, three)
    assert [len(batch) for batch in one] == [7, 7, 7, 7, 7, 7, 6]
    assert one[0].images.shape == (7, 3, 32, 32)
    assert one[0].masks.shape == one[0].weights.shape == one[0].distances.shape == (7, 1, 32, 32)
    assert np.concatenate([b.patches for b in one]).tolist() == Sampler(source(), EVEN).draws()[:, 0].tolist()


def test_batches_go_on_in_the_middle_of_an_epoch() -> None:
    whole = list(training_batches(Sampler(source(), EVEN), size=8, workers=2))
    rest = list(training_batches(Sampler(source(), EVEN), size=8, workers=1, first=4))
    assert_same(whole[4:], rest)


def test_batches_of_validation_are_all_patches_as_they_are() -> None:
    patches = source()
    batches = list(validation_batches(patches, size=5, workers=2))
    assert np.concatenate([b.patches for b in batches]).tolist() == list(range(12))
    np.testing.assert_array_equal(batches[1].images[2, 1], patches.plain(7).image)
    np.testing.assert_array_equal(batches[1].masks[2, 0], patches.plain(7).labels > 0)
    assert batches[0].distances is None


def test_colour_and_grey_images_share_a_batch() -> None:
    colour = np.random.default_rng(0).integers(0, 255, (32, 32, 3)).astype(np.uint8)
    images = [TrainingImage.from_arrays("c", colour, np.zeros((32, 32), int)), image("g", (32, 32))]
    batch = next(validation_batches(PatchSource(images, edge=32)))
    np.testing.assert_array_equal(batch.images[0], images[0].scaled().transpose(2, 0, 1))
    np.testing.assert_array_equal(batch.images[1, 0], batch.images[1, 2])


def test_batches_can_be_left_early_and_errors_come_through(monkeypatch: pytest.MonkeyPatch) -> None:
    patches = source()
    batches = training_batches(Sampler(patches, EVEN), size=4, workers=2)
    assert len(next(batches)) == 4
    batches.close()

    def broken(*numbers: int) -> Patch:
        raise MemoryError("no more")

    monkeypatch.setattr(patches, "patch", broken)
    with pytest.raises(MemoryError, match="no more"):
        next(training_batches(Sampler(patches, EVEN)))
    with pytest.raises(OptionError, match="workers must be at least 1"):
        training_batches(Sampler(patches, EVEN), workers=0)


def test_groups_are_not_split_and_the_seed_decides() -> None:
    images = [image(f"{g}{i}", (8, 8), group=f"plate {g}") for g in range(10) for i in range(3)]
    train, validation = split_images(images, seed=1)
    assert len(validation) == 6
    assert not {i.group for i in train} & {i.group for i in validation}
    assert sorted(i.name for i in train + validation) == sorted(i.name for i in images)
    again, _ = split_images(images, seed=1)
    other, _ = split_images(images, seed=2)
    assert [i.name for i in again] == [i.name for i in train]
    assert [i.name for i in other] != [i.name for i in train]
    with pytest.raises(TrainingError, match="in 1 groups cannot be split"):
        split_images(images[:3])
    with pytest.raises(OptionError, match="validation must be above 0"):
        split_images(images, validation=1.0)
    with pytest.raises(TrainingError, match="distinct names"):
        split_images([images[0], images[0]])


def dataset(folder: Path, splits: str) -> Dataset:
    made = Dataset.create(folder, ["cell", "dead"])
    for number, split in enumerate(splits):
        kind = {"t": "train", "v": "val", "e": "test"}[split]
        picture = image(f"field {number}", seed=number)
        ignored = np.zeros((64, 64), bool)
        ignored[50:] = True
        made.add(
            picture.pixels, picture.labels, name=picture.name, split=kind, group=f"g{number}",
            ignored=ignored, classes={3: "dead", 4: "cell", 5: "cell", 6: "cell"},
        )  # fmt: skip
    return made


def test_images_of_a_dataset_come_by_its_own_splits(tmp_path: Path) -> None:
    train, validation = dataset_images(dataset(tmp_path / "d", "ttve"))
    assert [i.name for i in train] == ["field 0", "field 1"]
    assert [i.name for i in validation] == ["field 2"]
    first = train[0]
    np.testing.assert_array_equal(first.pixels, image("", seed=0).pixels)
    assert first.pixels.dtype == np.uint16
    assert first.classes == {3: "dead", 4: "cell", 5: "cell", 6: "cell"}
    assert first.group == "g0"
    assert first.ignored is not None
    assert first.ignored.sum() == 14 * 64


def test_a_dataset_without_validation_images_has_some_held_out(tmp_path: Path) -> None:
    with pytest.warns(CellSegWarning, match="1 of its training images are held out"):
        train, validation = dataset_images(dataset(tmp_path / "d", "ttttt"))
    assert len(train) == 4
    assert len(validation) == 1
    with pytest.raises(TrainingError, match="0 images to train and 1 to validate"):
        dataset_images(dataset(tmp_path / "e", "v"))


def test_channels_are_chosen_in_words() -> None:
    labels = np.zeros((8, 9), int)
    stack = np.random.default_rng(0).integers(0, 99, (8, 9, 4))
    with pytest.raises(TrainingError, match="has 4 channels: choose one of them"):
        TrainingImage.from_arrays("a", stack, labels)
    with pytest.raises(TrainingError, match="from 0 to 3, not 4"):
        TrainingImage.from_arrays("a", stack, labels, channel=4)
    chosen = TrainingImage.from_arrays("a", stack, labels, channel=2)
    np.testing.assert_array_equal(chosen.pixels, stack[..., 2])
    assert TrainingImage.from_arrays("a", stack[..., :3], labels).is_colour
    assert not TrainingImage.from_arrays("a", np.repeat(stack[..., :1], 3, 2), labels).is_colour
    with pytest.raises(TrainingError, match="labels of 'a' must have the shape"):
        TrainingImage.from_arrays("a", stack[..., 0], labels[1:])
    with pytest.raises(TrainingError, match=r"must be \(Y, X\)"):
        TrainingImage.from_arrays("a", stack[None], labels)


def test_nothing_to_show_is_refused() -> None:
    unseen = image("a", ignored=np.ones((64, 64), bool))
    with pytest.raises(TrainingError, match="no reviewed pixel"):
        Sampler(PatchSource([unseen], edge=32))
