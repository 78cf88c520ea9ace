"""Which of several scales the size of the objects is read from."""

import pytest

from napari_cellseg.pipeline.sizing import Sight, choose_diameter, is_settled


def sights(*seen: tuple[float, float, float], counts: tuple[int, ...] = ()) -> list[Sight]:
    counts = counts or tuple(20 if diameter else 0 for _, diameter, _ in seen)
    return [Sight(*s, n) for s, n in zip(seen, counts, strict=True)]


def test_the_scale_with_most_of_well_sized_objects_wins():
    seen = sights((0.125, 136, 0.01), (0.25, 32, 0.04), (0.5, 26, 0.18), (1.0, 25, 0.19), (2.0, 24, 0.18))
    assert choose_diameter(seen, 22) == 25


def test_shading_that_looks_like_objects_at_a_coarse_scale_only_does_not_count():
    tissue = sights(
        (0.125, 191, 0.39), (0.25, 142, 0.10), (0.5, 25, 0.05), (1.0, 9.4, 0.006), (2.0, 8.3, 0.03)
    )
    assert choose_diameter(tissue, 22) == 9.4


def test_large_objects_are_seen_at_two_scales():
    seen = sights((0.125, 170, 0.30), (0.25, 165, 0.25), (0.5, 40, 0.02), (1.0, 0, 0), (2.0, 0, 0))
    assert choose_diameter(seen, 22) == 170


def test_clumps_that_fall_apart_at_a_finer_scale_do_not_count():
    clumps = sights((0.125, 108, 0.17), (0.25, 91, 0.26), (0.5, 21, 0.01), (1.0, 16, 0.015), (2.0, 14, 0.01))
    assert choose_diameter(clumps, 24) == 16
    giants = sights((0.125, 150, 0.3), (0.25, 140, 0.25), (0.5, 60, 0.02), (1.0, 0, 0), (2.0, 0, 0))
    assert choose_diameter(giants, 24) == 150


def test_a_few_objects_neither_contradict_nor_convince():
    seen = ((0.125, 141, 0.006), (0.25, 59, 0.02), (0.5, 39, 0.08), (1.0, 82, 0.09), (2.0, 24, 0.02))
    assert choose_diameter(sights(*seen, counts=(1, 5, 20, 2, 9)), 30) == 39
    assert choose_diameter(sights(*seen, counts=(1, 5, 20, 20, 9)), 30) == 82


def test_large_objects_that_fill_a_window_at_their_own_scale_are_measured_at_a_coarser_one():
    seen = ((0.125, 0, 0), (0.25, 74, 0.136), (0.5, 71, 0.263), (1.0, 0, 0.082), (2.0, 0, 0))
    assert choose_diameter(sights(*seen, counts=(0, 55, 14, 0, 0)), 30) == 71


def test_specks_at_the_finest_scale_only_do_not_count():
    seen = sights((0.125, 0, 0), (0.25, 0, 0), (0.5, 0, 0), (1.0, 30, 0.01), (2.0, 7, 0.03))
    assert choose_diameter(seen, 22) == 30
    seen = sights((0.125, 0, 0), (0.25, 0, 0), (0.5, 0, 0), (1.0, 11.1, 0.02), (2.0, 10.9, 0.03))
    assert choose_diameter(seen, 22) == pytest.approx(10.9)


def test_what_is_plain_at_the_own_scale_is_not_looked_at_again():
    plain = sights((0.125, 0, 0), (0.25, 24, 0.05), (1.0, 26, 0.19))
    assert is_settled(0.5, plain, 24)
    assert is_settled(2.0, plain, 24)
    assert not is_settled(0.25, plain[:1], 24)


@pytest.mark.parametrize(
    ("quarter", "own", "half"),
    [((91, 0.3), (26, 0.02), False), ((60, 0.2), (60, 0.1), False), ((0, 0), (26, 0.02), True)],
    ids=["clumps or large ones", "as large as the network hardly knows", "too small for a quarter"],
)
def test_half_the_scale_is_looked_at_where_a_quarter_leaves_doubt(quarter, own, half):
    seen = sights((0.25, *quarter), (1.0, *own))
    assert is_settled(0.5, seen, 24) is half
    assert is_settled(2.0, seen, 24)


def test_images_of_small_or_few_objects_are_enlarged_to_see_them():
    small = sights((0.25, 0, 0), (1.0, 12, 0.05))
    few = sights((0.25, 0, 0), (1.0, 26, 0.05), counts=(0, 3))
    for seen in (small, few, sights((0.25, 0, 0), (1.0, 0, 0))):
        assert not is_settled(2.0, seen, 24)
        assert not is_settled(0.5, seen, 24)


def test_nothing_convincing_is_none():
    assert (
        choose_diameter(sights((0.125, 190, 0.3), (0.25, 0, 0), (0.5, 0, 0), (1.0, 0, 0), (2.0, 0, 0)), 22)
        is None
    )
