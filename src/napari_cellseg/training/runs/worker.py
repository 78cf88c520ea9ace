"""The process that trains: ``python -m napari_cellseg.training.runs.worker FOLDER [--resume | --estimate]``.

It tells its steps in the folder's ``events.jsonl``, and ends as soon as its standard input ends, which is
how it is cancelled and why it never outlives whoever started it; lines there let it rest and go on.
Checkpoints are files that are replaced as a whole, so that it may end at any moment.
"""

import importlib
import json
import os
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, TypeAlias

from napari_cellseg.errors import CellSegError, TrainingError
from napari_cellseg.events import Progress
from napari_cellseg.training.runs.run import Epoch, Report, RunFolder, append_metrics, write_event
from napari_cellseg.training.runs.tensorboard import ScalarEvents

PAUSED, GO_ON = b"pause\n", b"go on\n"
"""What the process reads from its standard input."""

Train: TypeAlias = Callable[[dict[str, Any], RunFolder, Report, bool], Path]
"""Trains by a recipe, in a run's folder, telling its steps; the last argument says whether to go on from the
last checkpoint. Gives the file of the model that it made, which has its card beside it."""


def find_backend(name: str, function: str = "train") -> Any:
    """A function of a module that trains, by its dotted name.

    Parameters
    ----------
    name : str
        The module.
    function : str
        ``"train"``, a `Train`; or ``"estimate"``, which takes recipe and report and gives an
        `napari_cellseg.training.runs.estimating.Estimate`.

    Raises
    ------
    TrainingError
        Where there is no such module, or it has no such function.
    """
    try:
        return getattr(importlib.import_module(name), function)
    except (ImportError, AttributeError) as error:
        raise TrainingError(f"'{name}' cannot {function}: {error}.") from error


class Worker:
    """Does what a run's recipe says, and tells it.

    Parameters
    ----------
    folder : RunFolder
        Has the recipe.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._may_go_on = threading.Event()
        self._may_go_on.set()
        self._scalars = ScalarEvents(folder.tensorboard)

    def listen(self, stream: IO[bytes]) -> None:
        """Obey the lines of a stream; ends the process at once when it ends."""
        for line in stream:
            if line == PAUSED:
                self._may_go_on.clear()
            elif line == GO_ON:
                self._may_go_on.set()
        os._exit(0)

    def train(self, resume: bool) -> bool:
        """Train; whether it came to its end."""
        return self._work("train", lambda train, *told: str(train(*told, resume)))

    def estimate(self) -> bool:
        """Estimate time and memory of the training; whether that came to its end."""
        return self._work("estimate", lambda estimate, recipe, _, report: estimate(recipe, report).as_dict())

    def _work(self, function: str, call: Callable[..., Any]) -> bool:
        with self._folder.events.open("w", encoding="utf-8") as stream:
            try:
                name, recipe = self._folder.read_recipe()
                done = call(find_backend(name, function), recipe, self._folder, self._teller(stream))
            except Exception as error:
                told = isinstance(error, CellSegError)
                text = str(error) if told else f"{type(error).__name__}: {' '.join(str(error).split())}"
                _tell(stream, json.dumps({"failed": text, "traceback": traceback.format_exc()}))
                return False
            _tell(stream, json.dumps({"finished": done}))
        return True

    def _teller(self, stream: IO[str]) -> Report:
        def report(progress: Progress) -> None:
            if isinstance(progress.payload, Epoch):
                append_metrics(self._folder.metrics, progress.payload)
                self._scalars.add(progress.payload)
            _tell(stream, write_event(progress))
            if not self._may_go_on.is_set():
                _tell(stream, write_event(replace(progress, stage="Paused", payload=None)))
                self._may_go_on.wait()
                _tell(stream, write_event(replace(progress, payload=None)))

        return report


def _tell(stream: IO[str], line: str) -> None:
    stream.write(line + "\n")
    stream.flush()


def main() -> None:
    """Run the process."""
    worker = Worker(RunFolder(Path(sys.argv[1])))
    threading.Thread(target=worker.listen, args=(sys.stdin.buffer,), daemon=True).start()
    is_done = worker.estimate() if "--estimate" in sys.argv[2:] else worker.train("--resume" in sys.argv[2:])
    sys.stdout.flush()
    os._exit(0 if is_done else 1)


if __name__ == "__main__":
    main()
