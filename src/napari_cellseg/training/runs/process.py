"""Training in a process of its own: started, listened to, cancelled, resumed."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from napari_cellseg.errors import TrainingError
from napari_cellseg.events import Job, Progress
from napari_cellseg.outputs import output_errors
from napari_cellseg.training.runs.run import Recipe, RunFolder, read_event

PAUSE = 0.1
"""Seconds between two looks at what the process told."""

PATIENCE = 2.0
"""Seconds that a cancelled process has to end by itself."""


def training(recipe: Recipe, folder: str | Path) -> Job[Path]:
    """Train in a process of its own.

    The job yields at least every `PAUSE` seconds, the last step again without its payload where there is
    nothing new, so that whoever runs it can close it at any time: closing it ends the process within
    `PATIENCE` seconds, and the last checkpoint stays.

    Parameters
    ----------
    recipe : Recipe
        What to train and how.
    folder : path
        Folder of the run, which must not hold one yet; made if missing.

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
    return (yield from _running(run, resume=False))


def resuming(folder: str | Path) -> Job[Path]:
    """Go on with a run that was cancelled or that failed, from its last checkpoint; otherwise as `training`.

    Raises
    ------
    TrainingError
        As `training` does, and where the folder holds no run.
    """
    run = RunFolder(Path(folder))
    run.read_recipe()
    return (yield from _running(run, resume=True))


def _running(run: RunFolder, resume: bool) -> Job[Path]:
    last = Progress("Starting", 0, 0, "starting the training process")
    yield last
    with output_errors(run.events):
        run.events.write_text("", encoding="utf-8")
    with output_errors(run.log), run.log.open("a", encoding="utf-8") as log:
        process = _start(run, resume, log)
    try:
        with run.events.open(encoding="utf-8") as stream:
            for event in _events(stream, process):
                if event is None:
                    yield last
                elif "failed" in event:
                    raise TrainingError(f"{event['failed']} {_what_is_left(run)}")
                elif "finished" in event:
                    return Path(event["finished"])
                else:
                    step = read_event(event)
                    last = replace(step, payload=None)
                    yield step
    finally:
        _end(process)
    raise TrainingError(f"The training process ended {_how(process.returncode)}. {_what_is_left(run)}")


def _start(run: RunFolder, resume: bool, log: IO[str]) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "napari_cellseg.training.runs.worker", str(run.path)]
    return subprocess.Popen(
        command + ["--resume"] * resume,
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
            time.sleep(PAUSE)
            yield None


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the process, first by closing its input."""
    if process.stdin is not None:
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
