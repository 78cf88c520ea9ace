"""Actions that are asked for often and done seldom."""

import time
from collections.abc import Callable
from typing import TypeAlias

Later: TypeAlias = Callable[[float, Callable[[], None]], None]
"""Calls a function once, so many seconds from now, in the thread that touches layers."""

FEATURES_INTERVAL = 0.3
"""Seconds between two updates of a features table, which an open table answers with a full redraw."""


class Coalesced:
    """Does an action at most once per interval, and never forgets the last request.

    Parameters
    ----------
    action : callable
        What to do; called without arguments.
    interval : float
        Seconds between two calls, at least.
    later : Later, optional
        How to wait without blocking; None does every request at once.
    clock : callable
        Seconds, rising.
    """

    def __init__(
        self,
        action: Callable[[], None],
        interval: float,
        later: Later | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._action = action
        self._interval = interval
        self._later = later
        self._clock = clock
        self._last = -float("inf")
        self._waiting = False

    def request(self) -> None:
        """Do the action now, or as soon as the interval is over."""
        if self._waiting:
            return
        wait = self._interval - (self._clock() - self._last)
        if self._later is None or wait <= 0:
            self._run()
            return
        self._waiting = True
        self._later(wait, self.flush)

    def defer(self) -> None:
        """Do the action when the interval is over, not before the caller is done."""
        if self._later is None:
            self._run()
        elif not self._waiting:
            self._waiting = True
            self._later(self._interval, self.flush)

    def flush(self) -> None:
        """Do what waits, if anything."""
        if self._waiting:
            self._run()

    def cancel(self) -> None:
        """Forget what waits."""
        self._waiting = False

    def _run(self) -> None:
        self._waiting = False
        self._action()
        self._last = self._clock()
