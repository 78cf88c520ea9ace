"""How long a YOLO network will take to train and how much memory it needs: a few real steps, measured."""

import time
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from napari_cellseg.datasets.encoding import write_png
from napari_cellseg.datasets.sample import Split
from napari_cellseg.datasets.store import Dataset
from napari_cellseg.errors import OutOfMemoryError
from napari_cellseg.events import Progress
from napari_cellseg.outputs import make_folder, output_errors
from napari_cellseg.training.measuring import device_words, peak_bytes, saved_bytes, wait_for
from napari_cellseg.training.memory import is_out_of_memory
from napari_cellseg.training.runs.estimating import Estimate
from napari_cellseg.training.runs.run import Report, RunFolder
from napari_cellseg.training.yolo.notes import Notes
from napari_cellseg.training.yolo.recipe import YoloRecipe
from napari_cellseg.training.yolo.tiles import LEARNT, Tiles, check_splits, tile_starts

MEASURED = 2
"""Steps that are measured, after one that is not: the first takes longer."""

FEW = 2 * 640**2
"""Pixels at once on a processor, where a whole batch of large pictures would take long."""

OBJECTS = 300
"""Objects in a random picture, at most."""

BESIDE = 20.0
"""Seconds for all else: loading, cutting pictures, writing the model."""


@dataclass(frozen=True, slots=True)
class Work:
    """Pictures to learn from, to validate with, and to score at last; and objects in one."""

    learnt: int
    validated: int
    scored: int
    objects: int

    @classmethod
    def of(cls, dataset: Dataset, recipe: YoloRecipe) -> "Work":
        """What a dataset gives to do.

        Raises
        ------
        TrainingError
            Where there is nothing to learn from or to validate with.
        """
        check_splits(dataset)
        counts, objects = {"train": 0, "val": 0, "test": 0}, 0
        for entry in dataset.entries():
            counts[entry.split] += count_tiles(entry.shape, recipe)
            objects += entry.objects
        each = min(OBJECTS, max(1, round(objects / sum(counts.values()))))
        return cls(counts["train"], counts["val"], counts["val"] + counts["test"], each)


def count_tiles(shape: tuple[int, ...], recipe: YoloRecipe) -> int:
    """Pictures that are cut from an image, (Y, X) or (Y, X, C)."""
    if recipe.scale == "fit":
        return 1
    height, width = (len(tile_starts(length, recipe.imgsz, recipe.imgsz // 8)) for length in shape[:2])
    return height * width


def estimating_steps(recipe: YoloRecipe, run: RunFolder, device: str, report: Report) -> Estimate:
    """Train an epoch of a few batches of random pictures, and work out what all of them will need.

    Parameters
    ----------
    recipe : YoloRecipe
        What is to be trained; ultralytics is loaded.
    run : RunFolder
        Takes files for a while.
    device : str
        ``"cpu"`` or ``"cuda:N"``.
    report : callable
        Told every step.

    Raises
    ------
    TrainingError
        Where there is nothing to learn from or to validate with.
    OutOfMemoryError
        Where the device has too little memory for these steps.
    """
    work = Work.of(Dataset.open(recipe.data), recipe)
    at_once = recipe.batch
    if device == "cpu":
        at_once = min(at_once, max(1, FEW // recipe.imgsz**2))
    few = recipe.model_copy(update={"batch": at_once, "epochs": 1, "close_mosaic": 0})
    tiles = random_tiles(few, work.objects, make_folder(run.path / "tiles"))
    make_folder(run.checkpoints)
    trainer = _timed_trainer(few, tiles, run, device, report)
    try:
        trainer.train()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise OutOfMemoryError(
            f"The device '{device}' has too little memory for {at_once} pictures of {recipe.imgsz} pixels at "
            f"once. Training would take half as many, and be slower; or choose fewer, or smaller ones."
        ) from error
    learning, looking = trainer.learning / at_once, trainer.looking / tiles.tiles["val"]
    epoch = work.learnt * learning + work.validated * looking
    memory = peak_bytes(device)
    if at_once < recipe.batch:
        import torch

        picture = torch.rand(1, 3, recipe.imgsz, recipe.imgsz)
        memory += saved_bytes(trainer.model.train(), picture) * (recipe.batch - at_once)
    words = (
        f"{MEASURED} steps of {at_once} pictures; a batch of {recipe.batch} takes "
        f"{recipe.batch * learning:.2g} s"
    )
    seconds = recipe.epochs * epoch + work.scored * looking + BESIDE
    return Estimate(seconds, memory, device_words(device), words)


def random_tiles(recipe: YoloRecipe, objects: int, folder: Path) -> Tiles:
    """Random pictures with square objects: as many as `MEASURED` batches and one more take, and to validate.

    Parameters
    ----------
    recipe : YoloRecipe
        Its `batch` and `imgsz` matter.
    objects : int
        Objects in a picture.
    folder : Path
        Where to write.
    """
    rng, edge = np.random.default_rng(0), recipe.imgsz
    counts: dict[Split, int] = {"train": (1 + MEASURED) * recipe.batch, "val": 4 * recipe.batch}
    for split in LEARNT:
        pictures, labels = (make_folder(folder / kind / split) for kind in ("images", "labels"))
        for number in range(counts[split]):
            corners = rng.uniform(0, 0.9, (objects, 2))
            lines = "".join(_square(float(x), float(y), 0.05) for x, y in corners)
            with output_errors(folder):
                write_png(pictures / f"{number:06d}.png", rng.integers(0, 256, (edge, edge), np.uint8))
                (labels / f"{number:06d}.txt").write_text(lines, encoding="utf-8")
    known = {str(split): count for split, count in counts.items()}
    return Tiles(folder, ("cell",), {}, known, known, (edge / 20,) * 3, 1.0, "")


def _square(x: float, y: float, edge: float) -> str:
    corners = (x, y, x + edge, y, x + edge, y + edge, x, y + edge)
    return " ".join(["0", *(f"{place:.4f}" for place in corners)]) + "\n"


def _timed_trainer(recipe: YoloRecipe, tiles: Tiles, run: RunFolder, device: str, report: Report) -> Any:
    """A trainer with the seconds of a step, ``learning``, and of its validation, ``looking``."""
    from napari_cellseg.training.yolo.trainer import Setting, YoloTrainer

    class TimedTrainer(YoloTrainer):
        learning = looking = 0.0

        def __init__(self, setting: Setting) -> None:
            super().__init__(setting, resume=False)
            self._ends: list[float] = []
            self.add_callback("on_train_batch_end", TimedTrainer._note_end)

        def _note_end(self) -> None:
            wait_for(device)
            self._ends.append(time.perf_counter())
            if len(self._ends) > 1:
                self.learning = median(np.diff(self._ends))

        def validate(self) -> tuple[dict[str, float], float]:
            began = time.perf_counter()
            found = super().validate()
            wait_for(device)
            self.looking = time.perf_counter() - began
            return found

    def tell(step: Progress) -> None:
        report(replace(step, stage="Estimating", payload=None))

    number = device.removeprefix("cuda:")
    return TimedTrainer(Setting(recipe, tiles, run, tell, number, Notes(run.path / "notes.json")))
