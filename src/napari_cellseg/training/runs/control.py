"""A hand on a running training: it is paused, and goes on."""

from threading import Event


class Control:
    """Pauses a training that runs in another thread's job; safe to use from any thread.

    The training stops where it next tells how far it is, which it does at every batch, and keeps its memory.
    """

    def __init__(self) -> None:
        self._is_paused = Event()

    @property
    def paused(self) -> bool:
        """Whether the training is to rest."""
        return self._is_paused.is_set()

    def pause(self) -> None:
        """Let the training rest after the batch it is at."""
        self._is_paused.set()

    def go_on(self) -> None:
        """Let it go on."""
        self._is_paused.clear()
