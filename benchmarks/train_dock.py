"""How long the Train dock holds up the viewer while a model is trained.

Runs a backend that only tells epochs, with four previews of 512 pixels each, and measures in the viewer's
thread each step that the dock takes and each turn of the event loop, which is a frame at the longest, with
and without a training; in processor time, which other programs don't lengthen.

    QT_QPA_PLATFORM=offscreen python benchmarks/train_dock.py [--epochs 200]
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication

from napari_cellseg.datasets.store import Dataset
from napari_cellseg.images.simulation import simulate_fluorescence
from napari_cellseg.training.families import Family, StartingPoint
from napari_cellseg.training.runs.recipe import JsonRecipe, Preset
from napari_cellseg.viewer.recent_datasets import remember_dataset
from napari_cellseg.widgets.train_dock import TrainDock

BACKEND = """
import time
import numpy as np
from napari_cellseg.events import Progress
from napari_cellseg.images.simulation import simulate_fluorescence
from napari_cellseg.training.runs.previews import Preview, write_previews
from napari_cellseg.training.runs.run import Epoch

def train(recipe, run, report, resume):
    scenes = [simulate_fluorescence((512, 512), objects=120, bits=8, seed=k) for k in range(4)]
    for number in range(1, recipe["epochs"] + 1):
        for batch in range(20):
            report(Progress("Training", batch, 20, f"epoch {number}, batch {batch}"))
            time.sleep(0.01)
        shift = [np.roll(scene.labels, number, 1) for scene in scenes]
        write_previews(run, [
            Preview(f"image {k}", np.asarray(s.image), np.asarray(s.labels), shift[k], number)
            for k, s in enumerate(scenes)
        ])
        metrics = {"AP50": 1 - 1 / number, "F1": 1 - 0.5 / number, "val_total": 2.2 / number}
        losses, score = {"total": 2 / number}, 1 - 1 / number
        epoch = Epoch(number, recipe["epochs"], losses, metrics, score, True, 0.1, 0.3)
        report(Progress("Training", number, recipe["epochs"], "", epoch))
    while True:
        report(Progress("Training", 1, 1, "done"))
        time.sleep(0.05)
"""


class TellingRecipe(JsonRecipe):
    """Epochs that are told."""

    backend: ClassVar[str] = "telling_backend"
    data: str
    model: str
    start: str = ""
    epochs: int = 200


def points(epochs: int) -> list[StartingPoint]:
    """The backend as something to start from."""

    def load() -> tuple[type[JsonRecipe], Mapping[str, Preset]]:
        return TellingRecipe, {"told": Preset("told", "Told", "", {"epochs": epochs})}

    family = Family(
        name="telling", title="Telling", task="Telling", hint="", suffix=".onnx", packages=(), extra="",
        load=load, check_start=lambda recipe: None, default="told",
    )  # fmt: skip
    return [StartingPoint("telling:", "telling", "", family, "")]


def turn(until: Callable[[], bool]) -> list[float]:
    """Turn the event loop until something is so; processor time of the viewer's thread in each turn."""
    turns = []
    while not until():
        begun = time.thread_time()
        QApplication.processEvents()
        turns.append(time.thread_time() - begun)
        time.sleep(0.001)
    return turns


def timed(owner: Any, name: str, spent: list[float]) -> None:
    """Measure each call of a method, in seconds of processor time of the viewer's thread."""
    method = getattr(owner, name)

    def measured(*arguments: Any) -> Any:
        begun = time.thread_time()
        try:
            return method(*arguments)
        finally:
            spent.append(time.thread_time() - begun)

    setattr(owner, name, measured)


def words(name: str, seconds: list[float]) -> str:
    """Median, 99th percentile and maximum, in milliseconds."""
    found = 1000 * np.percentile(seconds, (50, 99, 100))
    return f"{name}: median {found[0]:.1f} ms, 99 % below {found[1]:.1f} ms, longest {found[2]:.1f} ms"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=200)
    epochs = parser.parse_args().epochs
    with tempfile.TemporaryDirectory() as home:
        os.environ["NAPARI_CELLSEG_HOME"] = home
        (Path(home) / "telling_backend.py").write_text(BACKEND, encoding="utf-8")
        os.environ["PYTHONPATH"] = os.pathsep.join([home, *filter(None, sys.path)])
        measure(Path(home), epochs)


def measure(home: Path, epochs: int) -> None:
    """Train in a dock that is shown, with one preview open in the viewer."""
    application = QApplication.instance() or QApplication([])
    dataset = Dataset.create(home / "data")
    scene = simulate_fluorescence((128, 128), objects=9)
    dataset.add(scene.image, scene.labels, name="field", split="train")
    remember_dataset(dataset.folder)
    viewer = ViewerModel()
    dock = TrainDock(viewer, lambda: points(epochs))
    dock.resize(350, 700)
    dock.show()
    panel = dock.panel
    turn(panel.button.isEnabled)
    panel.preflight.stop()
    end = time.monotonic() + 5
    still = turn(lambda: time.monotonic() > end)
    steps: list[float] = []
    drawn: list[float] = []
    timed(panel.session, "take", steps)
    timed(panel._draw, "_action", drawn)
    panel.train()
    turn(lambda: len(panel.session.watch.epochs()) >= 1)
    turn(lambda: bool(panel.previews.buttons))
    panel.previews.buttons[0].click()
    turns = turn(lambda: len(panel.session.watch.epochs()) >= epochs)
    print(f"{len(steps):,} steps, {len(drawn):,} epochs with four previews, one open in the viewer")
    print(words("taking in a step", steps))
    print(words("drawing an epoch", drawn))
    print(words("a turn of the event loop, before", still))
    print(words("a turn of the event loop, training", turns))
    dock.shut_down()
    turn(lambda: not panel.job.running)
    dock.close()
    application.processEvents()


if __name__ == "__main__":
    main()
