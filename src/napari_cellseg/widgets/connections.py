"""Connections to napari's events that end with the widget that made them."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

Wrapped = TypeVar("Wrapped")


def unwrapped(viewer: Wrapped) -> Wrapped:
    """The viewer itself: napari hands plugins a proxy, whose layers are proxies of another type."""
    return getattr(viewer, "__wrapped__", viewer)


class Connections:
    """Remembers what was connected, so that nothing calls a widget that is gone."""

    def __init__(self) -> None:
        self._made: list[tuple[Any, Callable[..., Any]]] = []
        self._at_end: list[Callable[[], Any]] = []

    def connect(self, emitter: Any, callback: Callable[..., Any]) -> None:
        """Connect a napari event."""
        emitter.connect(callback)
        self._made.append((emitter, callback))

    def at_end(self, action: Callable[[], Any]) -> None:
        """Do something when the widget closes."""
        self._at_end.append(action)

    def disconnect(self, emitter: Any, callback: Callable[..., Any]) -> None:
        """End one connection, if it is there."""
        if (emitter, callback) in self._made:
            self._made.remove((emitter, callback))
            _disconnect(emitter, callback)

    def close(self, *_: object) -> None:
        """End all connections."""
        made, self._made = self._made, []
        for emitter, callback in made:
            _disconnect(emitter, callback)
        actions, self._at_end = self._at_end, []
        for action in actions:
            action()


def _disconnect(emitter: Any, callback: Callable[..., Any]) -> None:
    """napari drops callbacks of dead objects by itself, and raises for those that are not there."""
    with suppress(ValueError):
        emitter.disconnect(callback)
