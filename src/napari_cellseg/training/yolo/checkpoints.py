"""Checkpoints of a training and the weights that come of them, read without running code that may be in them.

Import this module only after `napari_cellseg.models.ultralytics_import.import_ultralytics`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import ultralytics.nn.tasks
from ultralytics.nn.tasks import torch_safe_load

from napari_cellseg.errors import TrainingError
from napari_cellseg.models.devices import first_line
from napari_cellseg.outputs import replacing
from napari_cellseg.training.runs.run import RunFolder

PRIVATE = ("model", "data", "project", "name", "save_dir", "resume", "pretrained")
"""Arguments of ultralytics that hold somebody's paths."""


@contextmanager
def only_known_classes(is_on: bool) -> Iterator[None]:
    """While it lasts, checkpoints are read without running code in them: a folder may be a stranger's."""
    before = ultralytics.nn.tasks.SAFE_LOAD
    ultralytics.nn.tasks.SAFE_LOAD = before or is_on
    try:
        yield
    finally:
        ultralytics.nn.tasks.SAFE_LOAD = before


def finished_epochs(checkpoint: Path) -> int:
    """Epochs after which a checkpoint was written; errors as in `read_checkpoint`."""
    return int(read_checkpoint(checkpoint)["epoch"]) + 1


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint of a run, read without running code that may be in it.

    Raises
    ------
    TrainingError
        Where it is damaged or holds something else.
    """
    try:
        with only_known_classes(True):
            content: dict[str, Any] = torch_safe_load(str(path))[0]
    except Exception as error:  # whatever a damaged file makes other people's code raise
        raise TrainingError(
            f"The checkpoint '{path}' cannot be read ({first_line(error)}). Begin the training anew."
        ) from error
    return content


def write_weights(run: RunFolder, path: Path) -> dict[str, Any]:
    """Write the weights of a run's best epoch without what only training needs, nor anybody's paths.

    Returns
    -------
    dict
        ``parameters``, ``best_epoch``, ``epochs_trained``, ``batch_used`` (what fitted into memory),
        ``ultralytics`` and ``torch`` (their versions).
    """
    best = read_checkpoint(run.checkpoints / "best.pt")
    network = best["ema"].half()
    network.args = {key: value for key, value in dict(network.args).items() if key not in PRIVATE}
    for parameter in network.parameters():
        parameter.requires_grad = False
    content = {
        "epoch": -1,
        "model": network,
        "train_args": {key: value for key, value in best["train_args"].items() if key not in PRIVATE},
        "train_metrics": best["train_metrics"],
        **{key: best[key] for key in ("date", "version", "license", "docs")},
        **dict.fromkeys(("optimizer", "best_fitness", "ema", "updates", "scaler")),
    }
    with replacing(path) as temporary:
        torch.save(content, temporary)
    return {
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "best_epoch": int(best["epoch"]) + 1,
        "epochs_trained": finished_epochs(run.checkpoints / "last.pt"),
        "batch_used": int(best["train_args"]["batch"]),
        "ultralytics": str(best["version"]),
        "torch": torch.__version__,
    }
