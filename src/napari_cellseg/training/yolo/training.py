"""Training of a YOLO network in the process of a run: prepare, train, score, write."""

import os
from pathlib import Path
from typing import Any

from napari_cellseg.datasets.store import Dataset
from napari_cellseg.errors import TrainingError
from napari_cellseg.events import Progress, drain
from napari_cellseg.models.devices import resolve_device
from napari_cellseg.models.trust import check_trusted, trust_file
from napari_cellseg.models.ultralytics_import import import_ultralytics
from napari_cellseg.outputs import make_folder, replacing
from napari_cellseg.training.runs.run import Report, RunFolder
from napari_cellseg.training.yolo.recipe import YoloRecipe
from napari_cellseg.training.yolo.tiles import Tiles, making_tiles


def train(recipe: dict[str, Any], run: RunFolder, report: Report, resume: bool) -> Path:
    """Train a YOLO network; the function that `napari_cellseg.training.runs.worker` looks for."""
    values = YoloRecipe.from_dict(recipe)
    check_start(values)
    make_folder(Path(values.model).parent)
    tiles = drain(making_tiles(Dataset.open(values.data), values, run.path / "tiles"), report)
    fit(values, tiles, run, report, resume)
    return write_model(values, run)


def fit(recipe: YoloRecipe, tiles: Tiles, run: RunFolder, report: Report, resume: bool) -> None:
    """Train until the last epoch, or until it does not get better; checkpoints are in the run's folder."""
    resume = resume and (run.checkpoints / "last.pt").exists()
    if resume or recipe.from_scratch:
        os.environ["ULTRALYTICS_SAFE_LOAD"] = "1"
    os.environ["YOLO_CONFIG_DIR"] = str(make_folder(run.path / "ultralytics"))
    report(Progress("Training", 0, 0, "loading PyTorch and ultralytics"))
    import_ultralytics()
    from napari_cellseg.training.yolo.trainer import YoloTrainer

    device = resolve_device(recipe.device).name
    YoloTrainer(recipe, tiles, run, report, device.removeprefix("cuda:"), resume).train()


def check_start(recipe: YoloRecipe) -> None:
    """Make sure that the weights to start from are there and trusted.

    Raises
    ------
    TrainingError
        Where there is no such file.
    UntrustedFileError
        Where the user has not said that it may be opened.
    """
    if recipe.from_scratch:
        return
    path = Path(recipe.start)
    if not path.is_file():
        raise TrainingError(
            f"There are no weights '{path}', and nothing is downloaded here. Get '{path.name}' on a computer "
            f"with internet access and put it there, or start from '{path.stem}', which learns from scratch."
        )
    check_trusted(path)


def write_model(recipe: YoloRecipe, run: RunFolder) -> Path:
    """Write the best epoch's weights, without what only training needs, and trust them: they are our own."""
    from ultralytics.utils.torch_utils import strip_optimizer

    path = Path(recipe.model)
    with replacing(path) as temporary:
        strip_optimizer(run.checkpoints / "best.pt", str(temporary))
    trust_file(path)
    return path
