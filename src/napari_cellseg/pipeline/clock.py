"""Seconds per stage of a job."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """Adds up the time that is spent in each stage."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._start = time.perf_counter()

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Count the time spent inside for a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[stage] += time.perf_counter() - start

    def seconds(self) -> dict[str, float]:
        """Seconds of each stage so far, and in total."""
        spent = {stage: round(s, 4) for stage, s in self._seconds.items()}
        return {**spent, "total": round(time.perf_counter() - self._start, 4)}
