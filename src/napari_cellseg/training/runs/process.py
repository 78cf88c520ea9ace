"""Training in a process of its own: started, listened to, cancelled, resumed."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import IO, Any

from napari_cellseg.errors import TrainingError
from napari_cellseg.events import Job, Progress
from napari_cellseg.outputs import output_errors
from napari_cellseg.training.runs.control import Control
from napari_cellseg.training.runs.run import Recipe, RunFolder, read_event
from napari_cellseg.training.runs.worker import GO_ON, PAUSED

BEAT = 0.1
"""Seconds between two looks at what the process told."""

PATIENCE = 2.0
"""Seconds that a cancelled process has to end by itself."""


def training(recipe: Recipe, folder: str | Path, control: Control | None = None) -> Job[Path]:
    """Train in a process of its own.

    The job yields at least every `BEAT` seconds, the last step again without its payload where there is
    nothing new, so that whoever runs it can close it at any time: closing it ends the process within
    `PATIENCE` seconds, and the last checkpoint stays.

    Parameters
    ----------
    recipe : Recipe
        What to train and how.
    folder : path
        Folder of the run, which must not hold one yet; made if missing.
    control : Control, optional
        Pauses it.

    Returns
    -------
    Path
        The trained model's file; its card is beside it.

    Raises
    ------
    TrainingError
        Where the training fails, or its process is ended from outside.
    OutputError
        Where the folder cannot be written.
    """
    run = RunFolder(Path(folder))
    run.begin(recipe)
    return Path((yield from child_result(run, control=control)))


def resuming(folder: str | Path, control: Control | None = None) -> Job[Path]:
    """Go on with a run that was cancelled or that failed, from its last checkpoint; otherwise as `training`.

    Raises
    ------
    TrainingError
        As `training` does, and where the folder holds no run.
    """
    run = RunFolder(Path(folder))
    run.read_recipe()
    return Path((yield from child_result(run, "--resume", control=control)))


def child_result(
    run: RunFolder, *options: str, control: Control | None = None, is_kept: bool = True
) -> Job[Any]:
    """What the process of a run gives in the end; its steps meanwhile. Otherwise as `training`.

    Parameters
    ----------
    run : RunFolder
        Has the recipe.
    *options : str
        For `napari_cellseg.training.runs.worker`.
    control : Control, optional
        Pauses the process.
    is_kept : bool
        Whether the folder stays, so that an error may name what is left in it.
    """
    left = partial(_what_is_left, run) if is_kept else str
    last = Progress("Starting", 0, 0, "starting the training process")
    yield last
    with output_errors(run.events):
        run.events.write_text("", encoding="utf-8")
    with output_errors(run.log), run.log.open("a", encoding="utf-8") as log:
        process = _start(run, options, log)
    hand = _Hand(process, control or Control())
    try:
        with run.events.open(encoding="utf-8") as stream:
            for event in _events(stream, process):
                hand.obey()
                if event is None:
                    yield last
                elif "failed" in event:
                    raise TrainingError(f"{event['failed']} {left()}".strip())
                elif "finished" in event:
                    return event["finished"]
                else:
                    step = read_event(event)
                    last = replace(step, payload=None)
                    yield step
    finally:
        _end(process)
    raise TrainingError(f"The training process ended {_how(process.returncode)}. {left()}".strip())


class _Hand:
    """Tells a process to rest and to go on as a control says."""

    def __init__(self, process: "subprocess.Popen[bytes]", control: Control) -> None:
        self._process, self._control = process, control
        self._is_resting = False

    def obey(self) -> None:
        """Tell the process what has changed."""
        if self._control.paused == self._is_resting or self._process.stdin is None:
            return
        self._is_resting = self._control.paused
        with suppress(BrokenPipeError):  # it has just ended, which is told elsewhere
            self._process.stdin.write(PAUSED if self._is_resting else GO_ON)
            self._process.stdin.flush()


def _start(run: RunFolder, options: tuple[str, ...], log: IO[str]) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "napari_cellseg.training.runs.worker", str(run.path)]
    return subprocess.Popen(
        [*command, *options],
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"},
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )


def _events(stream: IO[str], process: "subprocess.Popen[bytes]") -> Iterator[dict[str, Any] | None]:
    """What the process tells, None where it has told nothing for a while; ends with the process."""
    partial = ""
    while True:
        has_ended = process.poll() is not None
        line = stream.readline()
        if line.endswith("\n"):
            yield json.loads(partial + line)
            partial = ""
            continue
        partial += line
        if has_ended and not line:
            return
        if not line:
            time.sleep(BEAT)
            yield None


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the process, first by closing its input."""
    if process.stdin is not None:
        with suppress(BrokenPipeError):  # it has ended before it read the last word
            process.stdin.close()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _how(code: int) -> str:
    return f"by signal {-code}" if code < 0 else f"with exit code {code} before it was done"


def _what_is_left(run: RunFolder) -> str:
    where = f"All that it printed is in '{run.log}'."
    has_checkpoint = run.checkpoints.is_dir() and any(run.checkpoints.iterdir())
    return f"Its last checkpoint is kept: resume it. {where}" if has_checkpoint else where
