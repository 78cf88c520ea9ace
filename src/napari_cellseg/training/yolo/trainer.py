"""Ultralytics' trainer of segmentation networks, made quiet, safe against interruptions and able to tell.

Import this module only after `napari_cellseg.models.ultralytics_import.import_ultralytics`.
"""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import ultralytics.engine.trainer
from ultralytics.models.yolo.segment import SegmentationTrainer
from ultralytics.utils import SETTINGS, callbacks

from napari_cellseg.errors import CellSegError, TrainingError
from napari_cellseg.events import Progress
from napari_cellseg.models.devices import cpu_threads, first_line
from napari_cellseg.outputs import replacing
from napari_cellseg.training.runs.previews import write_previews
from napari_cellseg.training.runs.run import Epoch, Report, RunFolder
from napari_cellseg.training.yolo.checkpoints import only_known_classes
from napari_cellseg.training.yolo.deforming import insert_deforming
from napari_cellseg.training.yolo.notes import Notes
from napari_cellseg.training.yolo.previewing import Previewer
from napari_cellseg.training.yolo.recipe import YoloRecipe
from napari_cellseg.training.yolo.tiles import Tiles

STAGE = "Training"

HEARTBEAT = 0.2
"""Least seconds between two steps that are told."""

METRICS = {
    "precision": "metrics/precision(M)",
    "recall": "metrics/recall(M)",
    "mAP50": "metrics/mAP50(M)",
    "mAP50-95": "metrics/mAP50-95(M)",
}
"""Names of the masks' scores in ultralytics."""

MOST_WORKERS = 8
"""Processes that prepare pictures for a GPU; training on the CPU needs none."""

WRONG_HALF = ("1660", "1650", "1630", "T400", "T550", "T600", "T1000", "T1200", "T2000", "K40m")
"""In the names of GPUs whose half precision ultralytics found to give wrong numbers."""


def mask_scores(found: Mapping[str, Any]) -> dict[str, float]:
    """Scores of the masks among all that ultralytics found: `METRICS` and F1."""
    scores = {name: float(found[key]) for name, key in METRICS.items()}
    both = scores["precision"] + scores["recall"]
    scores["F1"] = 2 * scores["precision"] * scores["recall"] / both if both > 0 else 0.0
    return scores


def train_options(recipe: YoloRecipe, folder: Path, device: str) -> dict[str, Any]:
    """A recipe in ultralytics' words."""
    named = {"lr0": recipe.rate, "momentum": recipe.momentum, "weight_decay": recipe.weight_decay}
    same = ("epochs", "batch", "imgsz", "seed", "optimizer", "mosaic", "close_mosaic", "flipud", "fliplr")
    return {
        **{name: getattr(recipe, name) for name in (*same, "degrees", "translate")},
        **{name: value for name, value in named.items() if value is not None},
        "model": f"{recipe.start}.yaml" if recipe.from_scratch else recipe.start,
        "nbs": recipe.nominal_batch,
        "patience": recipe.patience or recipe.epochs,
        "freeze": recipe.freeze or None,
        "scale": recipe.scale_jitter,
        "hsv_h": recipe.hue,
        "hsv_s": recipe.saturation,
        "hsv_v": recipe.brightness,
        "device": device,
        "save_dir": str(folder),
        "workers": min(MOST_WORKERS, recipe.threads or cpu_threads() or MOST_WORKERS),
        "plots": False,
        "verbose": False,
    }


def size_notes(recipe: YoloRecipe, tiles: Tiles) -> list[str]:
    """What to tell of objects that are too large for the tiles."""
    largest = tiles.diameters[2]
    if recipe.scale == "fit" or largest <= recipe.imgsz / 2:
        return []
    return [
        f"Many objects, of {largest:.0f} pixels, do not fit into tiles of {recipe.imgsz}: larger tiles "
        f"(imgsz), or scale 'fit', would show them whole."
    ]


@dataclass(frozen=True, slots=True)
class Setting:
    """What a training is done with.

    Attributes
    ----------
    recipe : YoloRecipe
        How.
    tiles : Tiles
        On what.
    run : RunFolder
        Where checkpoints and previews go.
    report : callable
        Told every step.
    device : str
        ``"cpu"`` or the number of a GPU.
    notes : Notes
        Takes what was done differently from the recipe, in words.
    shown : Previewer, optional
        Shows what the network finds, after every epoch.
    """

    recipe: YoloRecipe
    tiles: Tiles
    run: RunFolder
    report: Report
    device: str
    notes: Notes
    shown: Previewer | None = None


class YoloTrainer(SegmentationTrainer):
    """Trains by a recipe, on tiles, in a run's folder.

    Parameters
    ----------
    setting : Setting
        With what.
    resume : bool
        Whether to go on from the run's last checkpoint.
    batch : int, optional
        Pictures at once; those of the checkpoint or the recipe unless given.
    """

    best_fitness: float | None

    def __init__(self, setting: Setting, resume: bool, batch: int | None = None) -> None:
        self.setting, self.recipe, self.tiles = setting, setting.recipe, setting.tiles
        self.notes, run = setting.notes, setting.run
        self._noted = self._batch = 0
        self._told = self._waited = 0.0
        self._began = time.monotonic()
        SETTINGS.update(sync=False)
        last, work = run.checkpoints / "last.pt", run.path / "ultralytics"
        options = train_options(self.recipe, work, setting.device)
        if resume:
            options["resume"] = str(last)
            del options["batch"]
        if batch is not None:
            options["batch"] = batch
        with only_known_classes(resume):
            super().__init__(overrides=options)
        (work / "weights").rmdir()
        self.callbacks = callbacks.get_default_callbacks()
        self.wdir, self.last, self.best = run.checkpoints, last, run.checkpoints / "best.pt"
        self.add_callback("on_train_epoch_start", YoloTrainer._begin_epoch)
        self.add_callback("on_train_batch_end", YoloTrainer._tell_batch)
        self.add_callback("on_val_batch_end", self._tell_validation)
        self.add_callback("on_fit_epoch_end", YoloTrainer._tell_epoch)

    def get_dataset(self) -> dict[str, Any]:
        """What ultralytics wants to know of the tiles."""
        names = dict(enumerate(self.tiles.classes))
        splits = {"train": str(self.tiles.pictures("train")), "val": str(self.tiles.pictures("val"))}
        return {"path": self.tiles.folder, **splits, "names": names, "nc": len(names), "channels": 3}

    def setup_model(self) -> dict[str, Any] | None:
        """Build the network, with the weights to begin with or to go on with."""
        try:
            with only_known_classes(self.resume or self.recipe.from_scratch):
                checkpoint: dict[str, Any] | None = super().setup_model()
        except CellSegError:
            raise
        except Exception as error:  # whatever a foreign file makes other people's code raise
            file = self.args.resume if self.resume else self.recipe.start
            raise TrainingError(
                f"'{file}' cannot be opened as YOLO weights ({first_line(error)})."
            ) from error
        return checkpoint

    def get_model(self, cfg: Any = None, weights: Any = None, verbose: bool = True) -> Any:
        """A network of the recipe's kind, with the classes of the dataset."""
        if weights is not None and not hasattr(weights.model[-1], "proto"):
            raise TrainingError(
                f"'{self.recipe.start}' is a YOLO network for '{weights.task}', not for segmentation. Begin "
                f"with one whose name ends in -seg."
            )
        return super().get_model(cfg, weights, verbose=False)

    def validate(self) -> tuple[dict[str, float], float]:
        """Scores on the validation tiles, and the one that picks the best epoch."""
        found = self.validator(self)
        found.pop("fitness", None)
        score = mask_scores(found)[self.recipe.best_by]
        if self.best_fitness is None or score > self.best_fitness:
            self.best_fitness = score
        return found, score

    def save_model(self) -> bool:
        """Replace the checkpoints as a whole, the best one first."""
        last, best = self.last, self.best
        try:
            with ExitStack() as files:
                self.last = files.enter_context(replacing(last))
                if self.best_fitness == self.fitness:
                    self.best = files.enter_context(replacing(best))
                saved: bool = super().save_model()
        finally:
            self.last, self.best = last, best
        return saved

    def save_metrics(self, metrics: dict[str, float]) -> None:
        """Nothing: the run's own table has them."""

    def read_results_csv(self) -> dict[str, Any]:
        """Nothing: the run's own table has them."""
        return {}

    def final_eval(self) -> None:
        """Only say if it has stopped early: the model is scored on whole images afterwards."""
        if self.epoch + 1 < self.epochs:
            self._note(
                f"Stopped after epoch {self.epoch + 1} of {self.epochs}: {self.recipe.patience} epochs "
                f"without a better {self.recipe.best_by}."
            )
            self._tell("stopped early")

    def build_dataset(self, img_path: str, mode: str = "train", batch: int | None = None) -> Any:
        """Pictures of a split; those for training are distorted where the recipe says so."""
        dataset = super().build_dataset(img_path, mode, batch)
        if mode == "train":
            insert_deforming(dataset.transforms, self.recipe.elastic, self.recipe.grid)
        return dataset

    def _close_dataloader_mosaic(self) -> None:
        super()._close_dataloader_mosaic()
        insert_deforming(self.train_loader.dataset.transforms, self.recipe.elastic, self.recipe.grid)

    def _setup_train(self) -> None:
        theirs = ultralytics.engine.trainer.check_amp
        ultralytics.engine.trainer.check_amp = half_precision_works
        try:
            super()._setup_train()
        finally:
            ultralytics.engine.trainer.check_amp = theirs

    def _build_train_pipeline(self) -> None:
        if self.optimizer is not None:
            self._note(memory_note(self.batch_size))
        super()._build_train_pipeline()

    def _handle_nan_recovery(self, epoch: int) -> bool:
        is_recovered: bool = super()._handle_nan_recovery(epoch)
        if is_recovered:
            self._note(f"Epoch {epoch + 1} went astray and was done again from the last checkpoint.")
        return is_recovered

    def _note(self, text: str) -> None:
        """Keep something that the user should know; it is told until the epoch ends."""
        self.notes.add(text)
        self._noted = self.epoch

    def _begin_epoch(self) -> None:
        self._batch, self._waited, self._began = 0, 0.0, time.monotonic()

    def _tell_batch(self) -> None:
        self._batch += 1
        if not self._is_due():
            return  # a GPU would have to be waited for
        loss = sum(float(value) for value in self.tloss.values())
        self._tell(f"batch {self._batch} of {len(self.train_loader)}, loss {loss:.2f}")

    def _tell_validation(self, validator: Any) -> None:
        self._tell(f"validating, batch {validator.batch_i + 1} of {len(validator.dataloader)}")

    def _tell_epoch(self) -> None:
        losses = {name.removesuffix("_loss"): float(value) for name, value in self.tloss.items()}
        prefix = "val/"
        validated = {
            f"val_{key.removeprefix(prefix).removesuffix('_loss')}": float(value)
            for key, value in self.metrics.items()
            if key.startswith(prefix)
        }
        epoch = Epoch(
            number=self.epoch + 1,
            planned=self.epochs,
            losses={"total": sum(losses.values()), **losses},
            metrics={**mask_scores(self.metrics), **validated},
            score=float(self.fitness),
            is_best=bool(self.fitness == self.best_fitness),
            rate=float(next(iter(self.lr.values()))),
            seconds=time.monotonic() - self._began - self._waited,
        )
        if self.setting.shown is not None:
            shown = self.setting.shown.look(self.ema.ema, str(self.device), epoch.number)
            write_previews(self.setting.run, shown)
        self._tell(f"{self.recipe.best_by} {epoch.score:.3f}", epoch)

    def _is_due(self) -> bool:
        return time.monotonic() - self._told >= HEARTBEAT

    def _tell(self, detail: str, epoch: Epoch | None = None) -> None:
        if epoch is None and not self._is_due():
            return
        self._told = time.monotonic()
        batches = len(self.train_loader)
        text = f"epoch {self.epoch + 1} of {self.epochs}, {detail}"
        if self.notes.texts and self._noted == self.epoch:
            text += f". {self.notes.texts[-1]}"
        done = self.epoch * batches + (batches if epoch else self._batch)
        self.setting.report(Progress(STAGE, done, self.epochs * batches, text, epoch))
        self._waited += time.monotonic() - self._told  # a training that is paused takes no longer


def memory_note(batch: int) -> str:
    """What to tell where memory was too small."""
    return f"The memory was too small: batches of {batch} pictures were used."


def half_precision_works(network: Any) -> bool:
    """Whether the device of a network can be trusted with half precision; asks for no weights to try it."""
    device = next(network.parameters()).device
    if device.type != "cuda":
        return False
    name = torch.cuda.get_device_name(device)
    return not any(part in name for part in WRONG_HALF)
