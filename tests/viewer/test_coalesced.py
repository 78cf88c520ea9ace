"""Actions that are asked for often and done seldom."""

from collections.abc import Callable

from napari_cellseg.viewer.coalesced import Coalesced


def test_what_is_deferred_is_done_once_and_not_at_once() -> None:
    done: list[int] = []
    waiting: list[tuple[float, Callable[[], None]]] = []
    action = Coalesced(lambda: done.append(1), 0.2, lambda seconds, then: waiting.append((seconds, then)))
    action.defer()
    action.defer()
    action.request()
    assert not done
    assert [seconds for seconds, _ in waiting] == [0.2]
    waiting[0][1]()
    assert done == [1]
    action.flush()
    assert done == [1]
