"""Which epochs vote, and which weights may be removed before all are trained."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cellseg.training.unets.selection import candidates, kept_epochs, pick, ranked

SCORES = st.lists(st.floats(0, 1, width=16), min_size=1, max_size=12)


def test_merit_is_the_score_less_what_it_varies_by_around_the_epoch() -> None:
    found = candidates("a", [0.5, 0.7, 0.9, 0.7, 0.7, 0.7])
    assert found[2].spread == pytest.approx(0.126491, abs=1e-6)  # of all but the last
    assert found[0].spread == pytest.approx(0.163299, abs=1e-6)  # of the first three
    assert found[2].merit == pytest.approx(0.9 - 0.126491, abs=1e-6)
    assert [c.epoch for c in ranked(found)][:2] == [3, 6]


def test_a_lucky_epoch_stands_behind_a_stable_one() -> None:
    lucky = candidates("lucky", [0.2, 0.85, 0.2])
    stable = candidates("stable", [0.8, 0.8, 0.8])
    assert [c.member for c in pick([*lucky, *stable], 1, 1)] == ["stable"]


@given(st.lists(SCORES, min_size=1, max_size=5), st.integers(1, 14), st.integers(1, 5))
@settings(deadline=None)
def test_of_each_network_not_too_many_vote(runs: list[list[float]], count: int, most: int) -> None:
    every = [c for i, scores in enumerate(runs) for c in candidates(f"{i}", scores)]
    chosen = pick(every, count, most)
    best = max(c.score for c in every)
    able = [sum(2 * score >= best for score in scores) for scores in runs]
    assert len(chosen) == min(count, sum(min(most, n) for n in able))
    assert all(2 * c.score >= best for c in chosen)
    assert len(set(chosen)) == len(chosen)
    for i in range(len(runs)):
        own = [c for c in chosen if c.member == f"{i}"]
        learnt = [c for c in ranked(candidates(f"{i}", runs[i])) if 2 * c.score >= best]
        assert own == learnt[: len(own)]
        assert len(own) <= most


@given(SCORES, st.integers(1, 5))
@settings(deadline=None)
def test_no_epoch_is_removed_that_is_picked_at_last(scores: list[float], most: int) -> None:
    picked = {c.epoch for c in ranked(candidates("a", scores))[:most]}
    for count in range(1, len(scores) + 1):
        kept = kept_epochs(scores[:count], most, finished=False)
        assert {epoch for epoch in picked if epoch <= count} <= kept
        assert len(kept) <= most + 2
    assert kept_epochs(scores, most, finished=True) == picked
