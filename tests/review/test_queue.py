"""The queue keeps its order and its place while objects come, go and change."""

import json

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cellseg.review.queue import ReviewQueue, merge_states


def rows(labels: list[int], status: str = "predicted", **columns: list[object]) -> pd.DataFrame:
    return pd.DataFrame({"index": labels, "status": [status] * len(labels), **columns})


@pytest.fixture
def queue() -> ReviewQueue:
    table = rows(
        [0, 1, 2, 3, 4, 5],
        doubt=[0, 0.1, 0.9, 0.5, 0.7, 0.3],
        **{"class": ["", "a", "b", "a", "a", "b"]},
    )
    table["status"] = ["", *["predicted"] * 5]
    return ReviewQueue(table)


def test_objects_come_by_falling_doubt_and_once(queue: ReviewQueue) -> None:
    seen = []
    while queue.next() is not None:
        seen += queue.accept()
    assert seen == [2, 4, 3, 5, 1]
    assert queue.progress == "5 of 5"
    assert queue.current == 1


def test_progress_has_thousands_separators() -> None:
    queue = ReviewQueue(rows(list(range(1, 1041))))
    queue.accept(range(1, 313))
    assert queue.progress == "312 of 1,040"


def test_skipped_objects_come_last(queue: ReviewQueue) -> None:
    queue.next()
    assert queue.skip() == 4
    assert queue.waiting == [4, 3, 5, 1, 2]
    for _ in range(4):
        queue.accept()
        queue.next()
    assert queue.current == 2


def test_back_leads_the_way_that_was_come(queue: ReviewQueue) -> None:
    for _ in range(3):
        queue.next()
        queue.accept()
    queue.go_to(1)
    assert [queue.previous() for _ in range(4)] == [3, 4, 2, None]


def test_a_deleted_object_is_followed_by_the_next_and_returns_to_its_place(queue: ReviewQueue) -> None:
    queue.next()
    queue.next()
    queue.update(rows([4], ""))
    assert queue.current == 3
    assert queue.order == (2, 3, 5, 1)
    assert queue.progress == "0 of 4"
    queue.update(rows([4]))
    assert queue.order == (2, 4, 3, 5, 1)


def test_pieces_come_right_after_the_current_object(queue: ReviewQueue) -> None:
    queue.filter(statuses=["predicted", "edited"])
    queue.next()
    queue.update(rows([2, 6, 7], "edited"))
    assert queue.order == (2, 6, 7, 4, 3, 5, 1)
    assert [queue.next(), queue.next()] == [6, 7]
    assert queue.progress == "3 of 7"


def test_filtered_objects_have_no_place(queue: ReviewQueue) -> None:
    queue.update(rows([5, 3], "filtered"))
    assert queue.order == (2, 4, 1)


def test_what_a_person_touched_is_seen(queue: ReviewQueue) -> None:
    queue.update(rows([2], "edited"))
    queue.update(rows([9], "added"))
    assert queue.next() == 4
    assert queue.progress == "2 of 6"


def test_filters(queue: ReviewQueue) -> None:
    assert queue.known_classes() == ["a", "b"]
    queue.filter(classes=["a"])
    assert queue.classes == {"a"}
    assert not queue.fits(2)
    assert queue.waiting == [4, 3, 1]
    assert queue.progress == "0 of 3"
    queue.accept([4])
    queue.filter(statuses=["accepted"])
    assert queue.waiting == [4]
    queue.filter()
    assert queue.waiting == [2, 3, 5, 1]


def test_accepting_a_field_of_view_names_what_changes(queue: ReviewQueue) -> None:
    queue.accept([3])
    assert queue.accept([3, 4, 99]) == [4]
    queue.update(rows([3]))
    assert queue.progress == "1 of 5"


def test_nothing_left(queue: ReviewQueue) -> None:
    queue.accept(queue.order)
    assert queue.next() is None
    assert queue.current is None
    assert ReviewQueue(rows([])).next() is None


def test_the_current_object_vanishes_and_nothing_is_left() -> None:
    queue = ReviewQueue(rows([1]))
    queue.next()
    queue.update(rows([1], ""))
    assert queue.current is None
    assert queue.progress == "0 of 0"


events = st.lists(
    st.one_of(
        st.sampled_from(["next", "skip", "accept", "done", "filter"]),
        st.tuples(st.integers(1, 12), st.sampled_from(["predicted", "edited", "added", "", "filtered"])),
    ),
    max_size=25,
)


@settings(deadline=None)
@given(events)
def test_the_changes_of_a_review_add_up_to_its_state(steps: list[str | tuple[int, str]]) -> None:
    queue = ReviewQueue(rows([3, 1, 2], doubt=[0.1, 0.2, 0.3]))
    state = queue.state()
    known = {1: "predicted", 2: "predicted", 3: "predicted"}
    for step in steps:
        match step:
            case "done":
                queue.mark_done()
            case "filter":
                queue.filter(statuses=["edited"])
            case "accept":
                known |= dict.fromkeys(queue.accept(), "accepted")
            case str():
                getattr(queue, step)()
            case label, status:
                queue.update(rows([label], status))
                known[label] = status
        state = merge_states(state, json.loads(json.dumps(queue.change())))
    again = ReviewQueue(pd.DataFrame({"index": list(known), "status": list(known.values())}))
    again.restore(state)
    assert again.order == queue.order
    assert again.current == queue.current
    assert again.waiting == queue.waiting
    assert again.progress == queue.progress
    assert again.is_done == queue.is_done
    assert again.next() == queue.next()


def test_renumbered_objects_keep_their_place(queue: ReviewQueue) -> None:
    queue.next()
    queue.skip()
    queue.accept()
    queue.update(rows([1], ""))
    order, waiting, current = queue.order, queue.waiting, queue.current
    mapping = {2: 1, 3: 2, 4: 3, 5: 4}
    queue.rename(mapping)
    queue.update(rows([5], ""))
    assert queue.order == tuple(mapping[i] for i in order)
    assert queue.waiting == [mapping[i] for i in waiting]
    assert queue.current == mapping[current]
    assert queue.status(3) == "accepted"
    assert queue.previous() == 1
    queue.rename({new: old for old, new in mapping.items()})
    assert queue.order == order
