"""What a long job yields: one kind of event, `Progress`, and the way to drain it."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

Result = TypeVar("Result")
Told = TypeVar("Told")
Retold = TypeVar("Retold")


@dataclass(frozen=True, slots=True)
class Progress:
    """A step of a long job.

    Attributes
    ----------
    stage : str
        What is being done, in words a user reads, for example ``"Segmenting"``.
    done, total : int
        Finished and expected steps of this stage; ``total`` is 0 where it is unknown.
    detail : str
        One short line about this step, for example a file name.
    payload : object, optional
        A typed value that the step produced: a finished region, an epoch's metrics, a preview.
    """

    stage: str
    done: int
    total: int
    detail: str = ""
    payload: object | None = None

    @property
    def fraction(self) -> float:
        """Finished share of the stage, 0 to 1; 0 where the total is unknown."""
        return min(1.0, self.done / self.total) if self.total > 0 else 0.0


Job: TypeAlias = Generator[Progress, None, Result]
"""A long job: a generator that yields `Progress` and returns its result."""


def drain(job: "Job[Result]", progress: Callable[[Progress], object] | None = None) -> Result:
    """Run a job to its end and return its result.

    Parameters
    ----------
    job : generator of Progress
        The job to run.
    progress : callable, optional
        Called with every `Progress` on the way.
    """
    while True:
        try:
            step = next(job)
        except StopIteration as stop:
            result: Result = stop.value
            return result
        if progress is not None:
            progress(step)


def relay(
    job: Generator[Told, None, Result], change: Callable[[Told], Retold]
) -> Generator[Retold, None, Result]:
    """A job whose steps are changed on their way, as those of a part of a longer job; returns its result."""
    while True:
        try:
            step = next(job)
        except StopIteration as stop:
            result: Result = stop.value
            return result
        yield change(step)


def duration(seconds: float) -> str:
    """A duration that a person reads: ``"40 s"``, ``"12 min"``, ``"3 h 20 min"``."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
