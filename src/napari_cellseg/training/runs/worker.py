"""The process that trains: ``python -m napari_cellseg.training.runs.worker FOLDER [--resume]``.

It tells its steps in the folder's ``events.jsonl``, and ends as soon as its standard input ends, which is
how it is cancelled and why it never outlives whoever started it. Checkpoints are files that are replaced as a
whole, so that it may end at any moment.
"""

import importlib
import json
import os
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, TypeAlias

from napari_cellseg.errors import CellSegError, TrainingError
from napari_cellseg.events import Progress
from napari_cellseg.training.runs.run import Epoch, Report, RunFolder, append_metrics, write_event

Train: TypeAlias = Callable[[dict[str, Any], RunFolder, Report, bool], Path]
"""Trains by a recipe, in a run's folder, telling its steps; the last argument says whether to go on from the
last checkpoint. Gives the file of the model that it made, which has its card beside it."""


def find_backend(name: str) -> Train:
    """The function ``train`` of a module that trains, by its dotted name.

    Raises
    ------
    TrainingError
        Where there is no such module, or it does not train.
    """
    try:
        train: Train = importlib.import_module(name).train
    except (ImportError, AttributeError) as error:
        raise TrainingError(f"'{name}' cannot train: {error}.") from error
    return train


def work(folder: RunFolder, resume: bool) -> bool:
    """Train as the folder's recipe says, and tell it; whether it came to its end."""
    with folder.events.open("w", encoding="utf-8") as stream:
        try:
            name, recipe = folder.read_recipe()
            model = find_backend(name)(recipe, folder, _teller(folder, stream), resume)
        except Exception as error:
            told = isinstance(error, CellSegError)
            text = str(error) if told else f"{type(error).__name__}: {' '.join(str(error).split())}"
            _tell(stream, json.dumps({"failed": text, "traceback": traceback.format_exc()}))
            return False
        _tell(stream, json.dumps({"finished": str(model)}))
    return True


def _teller(folder: RunFolder, stream: IO[str]) -> Report:
    def report(progress: Progress) -> None:
        if isinstance(progress.payload, Epoch):
            append_metrics(folder.metrics, progress.payload)
        _tell(stream, write_event(progress))

    return report


def _tell(stream: IO[str], line: str) -> None:
    stream.write(line + "\n")
    stream.flush()


def _end_with_input() -> None:
    """End this process at once when its standard input ends."""
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    """Run the process."""
    threading.Thread(target=_end_with_input, daemon=True).start()
    is_done = work(RunFolder(Path(sys.argv[1])), "--resume" in sys.argv[2:])
    sys.stdout.flush()
    os._exit(0 if is_done else 1)


if __name__ == "__main__":
    main()
