"""What a user sees in a terminal: progress with time left, warnings and errors, each in a line."""

import logging
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Protocol

from napari_cellseg.errors import CellSegError, CellSegWarning
from napari_cellseg.events import Job, Progress, Result, duration

FAILURE = 2
"""Exit code of an error."""

CANCELLED = 130
"""Exit code after Ctrl+C."""

WITHIN = ("Segmenting", "Measuring", "Measuring images", "Shuffling classes")
"""Stages of one file whose progress counts among that of many."""

QUIET_SECONDS = 10.0
"""At least this long between two lines of progress where there is no terminal to draw a bar in."""

_interrupted = threading.Event()


class ProgressView(Protocol):
    """Shows how far a job is."""

    def __enter__(self) -> "ProgressView":
        """Begin to show."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop showing."""

    def show(self, progress: Progress) -> None:
        """Show a step."""

    def say(self, text: str) -> None:
        """Print a line that stays, on stderr."""


class ProgressLines:
    """Progress as lines of text, few and far between; for log files and pipes.

    Parameters
    ----------
    clock : callable
        Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._start = self._last = clock()
        self._shown = ("", 0, "")
        self._stage, self._first = "", 0.0

    def __enter__(self) -> "ProgressLines":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def show(self, progress: Progress) -> None:
        """Print a line, unless it says the same as the last one or that is less than `QUIET_SECONDS` old."""
        now, step, done = self._clock(), (progress.stage, progress.done, progress.detail), overall(progress)
        if progress.stage != self._stage:
            self._stage, self._start, self._first = progress.stage, now, done
        if now - self._last < QUIET_SECONDS or step == self._shown:
            return
        self._last, self._shown = now, step
        gained = done - self._first
        left = f", about {duration((now - self._start) * (1 - done) / gained)} left" if gained > 0 else ""
        self.say(f"{done:.0%} {progress.detail}{left}")

    def say(self, text: str) -> None:
        """Print a line on stderr."""
        print_error(text)


class ProgressBar:
    """Progress as a bar with the time left, on stderr."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = (BarColumn(), TaskProgressColumn(), TimeRemainingColumn(compact=True))
        name = TextColumn("{task.description}", markup=False)
        self._bar = Bar(*columns, name, console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task("", total=1.0)

    def __enter__(self) -> "ProgressBar":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def show(self, progress: Progress) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=overall(progress), description=progress.detail)

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)


def progress_view() -> ProgressView:
    """A bar where stderr is a terminal, else lines."""
    return ProgressBar() if sys.stderr.isatty() else ProgressLines()


def overall(progress: Progress) -> float:
    """Finished share, 0 to 1; where the payload is the progress of one step of many, it counts as well."""
    inner = progress.payload
    if isinstance(inner, Progress) and progress.total > 0:
        within = inner.fraction if inner.stage in WITHIN else 0.0
        return min(1.0, (progress.done + within) / progress.total)
    return progress.fraction


def run_job(job: Job[Result], react: Callable[[Progress, ProgressView], None] | None = None) -> Result:
    """Run a job to its end, showing its progress and the warnings of this package.

    Parameters
    ----------
    job : generator of Progress
        The job.
    react : callable, optional
        Called with every step and with what shows it.
    """
    with progress_view() as view, _warnings_in(view.say):
        try:
            while True:
                step = next(job)
                if _interrupted.is_set():
                    raise KeyboardInterrupt
                view.show(step)
                if react is not None:
                    react(step, view)
        except StopIteration as stop:
            result: Result = stop.value
            return result
        finally:
            job.close()


@contextmanager
def guarded(debug: bool) -> Iterator[None]:
    """Errors in one sentence on stderr instead of tracebacks; warnings of this package as lines, no others.

    Parameters
    ----------
    debug : bool
        Show tracebacks and all warnings.

    Raises
    ------
    SystemExit
        With code `FAILURE` after an error, `CANCELLED` after Ctrl+C.
    """
    logging.getLogger().addHandler(logging.NullHandler())
    try:
        with _noticing_ctrl_c(), _warnings_in(print_error, debug):
            yield
    except KeyboardInterrupt:
        print_error("Cancelled")
        raise SystemExit(CANCELLED) from None
    except BrokenPipeError:
        raise SystemExit(1) from None
    except Exception as error:
        if _interrupted.is_set():
            print_error("Cancelled")
            raise SystemExit(CANCELLED) from None
        if debug:
            traceback.print_exc()
        print_error(_sentence(error, debug))
        raise SystemExit(FAILURE) from None


@contextmanager
def _noticing_ctrl_c() -> Iterator[None]:
    """Remember Ctrl+C, because compiled modules turn its KeyboardInterrupt into errors of their own."""
    _interrupted.clear()
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        _interrupted.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def print_error(text: str) -> None:
    """Print a line on stderr."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _sentence(error: Exception, debug: bool) -> str:
    if isinstance(error, CellSegError):
        return f"Error: {error}"
    if isinstance(error, MemoryError):
        return "Error: There is too little memory for this."
    if isinstance(error, UnicodeEncodeError) and "surrogates" in error.reason:
        return (
            "Error: A file's name is not valid UTF-8, so it cannot be written into a file: rename it first."
        )
    if isinstance(error, ImportError):
        return f"Error: {str(error).rstrip('.')}. napari-cellseg doctor says what is missing."
    if hasattr(error, "format_message"):  # what typer raises for wrong arguments
        context = getattr(error, "ctx", None)
        command = context.command_path if context is not None else "napari-cellseg"
        return f"Error: {error.format_message().rstrip('.')}. See: {command} --help"
    hint = "" if debug else " Run napari-cellseg --debug … to see where."
    return f"Error: {type(error).__name__}: {' '.join(str(error).split())}.{hint}"


@contextmanager
def _warnings_in(say: Callable[[str], None], debug: bool = False) -> Iterator[None]:
    with warnings.catch_warnings():
        if not debug:
            warnings.simplefilter("ignore")
        warnings.filterwarnings("always", category=CellSegWarning)
        shown = warnings.showwarning

        def show(message: Any, category: type[Warning], *rest: Any, **more: Any) -> None:
            if issubclass(category, CellSegWarning):
                say(f"Warning: {message}")
            else:
                shown(message, category, *rest, **more)

        warnings.showwarning = show
        yield


def one_or_two(text: str) -> tuple[float, ...]:
    """One number, or two with a comma between them; none where the text is neither."""
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        return ()
    return numbers if len(numbers) <= 2 else ()
