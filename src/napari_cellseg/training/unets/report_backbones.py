"""Table 1 of the bright-field paper: how networks converge, generalise and settle, from their epochs."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_cellseg.errors import TrainingError
from napari_cellseg.evaluation.plots import COLOURS, MARKERS
from napari_cellseg.training.runs.run import RunFolder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SETTLED = 10
"""Last epochs of a network whose spread tells how stable it is."""

NEEDED = ("loss_total", "val_total", "F1")
"""Columns of a run's epochs without which there is nothing to tell."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A row of the paper's Table 1.

    Attributes
    ----------
    name : str
        Column of `backbone_table`.
    symbol : str
        What the paper calls it; empty where it has no such row.
    meaning : str
        What it is, and whose definition it is where the paper gives none.
    """

    name: str
    symbol: str
    meaning: str


QUANTITIES = (
    Quantity("L_final", "L_final", "training loss of the last epoch"),
    Quantity("gradient", "Gradient", "(1 − L_final) / E; below 0 where the loss is still above 1"),
    Quantity("L_train", "L_train", "training loss of the last epoch, patches as they were augmented"),
    Quantity("L_val", "L_val", "validation loss of the last epoch"),
    Quantity("dL", "ΔL", "L_val − L_train"),
    Quantity("epochs", "E", "epochs that were trained"),
    Quantity("CR", "CR", "ln(L_1 / L_final) / (E − 1); ours, the paper has no definition"),
    Quantity("F1_train", "F1_train", "pixel F1 of the last epoch's training patches, as they were augmented"),
    Quantity("F1_val", "F1_val", "pixel F1 of the validation patches after the last epoch"),
    Quantity("dF1", "ΔF1", "F1_train − F1_val"),
    Quantity("ORI", "ORI", "ΔL / (1 + |ΔF1|)"),
    Quantity("sd_F1_val", "σ_F1-val", f"standard deviation (n − 1) of F1_val, last {SETTLED} epochs at most"),
    Quantity("sd_L_val", "σ_Loss-val", f"standard deviation (n − 1) of L_val, last {SETTLED} epochs at most"),
    Quantity("S_F1", "S_F1", "1 / σ_F1-val"),
    Quantity("S_L", "S_Loss", "1 / σ_Loss-val"),
    Quantity("O", "O(m)", "(L_val − L_train) / L_val; ours, the paper has no definition"),
    Quantity("trainable_M", "Trainable", "parameters that learn, millions"),
    Quantity("total_M", "Total", "all parameters, millions"),
    Quantity("best_epoch", "", "epoch with the highest F1_val"),
    Quantity("best_F1_val", "", "F1_val of that epoch"),
    Quantity("seconds", "", "median wall time of an epoch with its validation"),
    Quantity("GPU_GB", "", "peak GPU memory of the training, torch.cuda.max_memory_allocated; none on a CPU"),
)
"""Columns of `backbone_table`, in the order of the paper, then ours."""


def loss_gap(train: float, validation: float) -> float:
    """ΔL = L_val − L_train: above 0 where a network does worse on what it has not seen (paper, Table 1)."""
    return validation - train


def loss_gradient(final: float, epochs: int) -> float:
    """(1 − L_final) / E: fall of the loss per epoch from 1 (Table 1, row "Gradient").

    The paper takes 1 for the loss before the first epoch. Its combined losses can begin higher.
    """
    return (1 - final) / epochs


def stability(spread: float) -> float:
    """S = 1 / σ, the paper's stability index; infinite without any spread, NaN where it is not known."""
    return math.inf if spread == 0 else 1 / spread


def overfitting_risk(loss_gap: float, f1_gap: float) -> float:
    """ORI ≈ ΔL / (1 + |ΔF1|) with ΔF1 = F1_train − F1_val.

    The formula is read off the paper's Table 1, which names ORI without defining it. It gives the printed
    numbers to ±0.0001.
    """
    return loss_gap / (1 + abs(f1_gap))


def convergence_rate(losses: Sequence[float]) -> float:
    """CR = ln(L_1 / L_E) / (E − 1): the share by which the loss falls per epoch, on the average.

    Parameters
    ----------
    losses : sequence of float
        Training loss of every epoch, above 0.

    Notes
    -----
    The definition is ours: the paper's Table 1 has a "convergence rate" without one, and its numbers follow
    from none of its other rows. A loss that falls exponentially, L_e = L_1 · exp(−CR · (e − 1)), has this CR.
    NaN for a single epoch, and where there is no loss left.
    """
    if len(losses) < 2 or losses[-1] <= 0:
        return math.nan
    return math.log(losses[0] / losses[-1]) / (len(losses) - 1)


def overfitting_coefficient(train: float, validation: float) -> float:
    """O = (L_val − L_train) / L_val: the share of the validation loss that was not there in training.

    The definition is ours: the paper's Table 1 has an "overfitting coefficient" without one. Like its numbers
    it is negative where the training loss, with dropout and augmentation, is the higher one.
    """
    return (validation - train) / validation if validation else math.nan


def backbone_table(runs: Iterable[RunFolder | str | Path]) -> pd.DataFrame:
    """Table 1 of the paper from runs of U-Nets, finished or not.

    Parameters
    ----------
    runs : iterable of RunFolder or path
        Runs of one network each or of several; those of ``--preset brightfield-backbones`` train all six.

    Returns
    -------
    DataFrame
        A row per network and the columns ``network`` and `QUANTITIES`; NaN where a number is not known.

    Raises
    ------
    TrainingError
        Where a folder holds no epochs of U-Nets, or its files are damaged.
    """
    rows = []
    for run in map(as_run, runs):
        for name, epochs in read_epochs(run).items():
            rows.append(network_values(epochs) | _parameters(run, name) | {"network": name})
    columns = ["network", *(quantity.name for quantity in QUANTITIES)]
    return pd.DataFrame(rows, columns=columns)


def as_run(run: RunFolder | str | Path) -> RunFolder:
    """The run of a folder."""
    return run if isinstance(run, RunFolder) else RunFolder(Path(run))


def read_epochs(run: RunFolder) -> dict[str, pd.DataFrame]:
    """Epochs of each network of a run, in their order; ``epoch`` counts those of the network, from 1.

    Raises
    ------
    TrainingError
        Where there are none, they are not those of U-Nets, or the file is damaged.
    """
    try:
        table = pd.read_csv(run.metrics)
    except FileNotFoundError as error:
        raise TrainingError(f"There are no epochs of a training in '{run.path}'.") from error
    except (OSError, ValueError) as error:
        raise TrainingError(f"The epochs in '{run.metrics}' cannot be read ({error}).") from error
    missing = [name for name in NEEDED if name not in table]
    if missing:
        raise TrainingError(
            f"'{run.path}' is no training of bright-field U-Nets: '{run.metrics.name}' has no column "
            f"'{missing[0]}'."
        )
    names = table["network"] if "network" in table else pd.Series(run.path.name, table.index)
    parts = {str(name): part.reset_index(drop=True) for name, part in table.groupby(names, sort=False)}
    return {name: part.assign(epoch=np.arange(1, len(part) + 1)) for name, part in parts.items()}


def network_values(epochs: pd.DataFrame) -> dict[str, Any]:
    """Row of Table 1 of one network, without its parameters.

    Parameters
    ----------
    epochs : DataFrame
        A row per epoch, as `read_epochs` gives them.
    """
    last, best = epochs.iloc[-1], epochs["F1"].idxmax()
    train, validation = float(last["loss_total"]), float(last["val_total"])
    f1_train, f1_val = float(last.get("train_F1", math.nan)), float(last["F1"])
    spreads = {n: float(epochs[n].tail(SETTLED).std(ddof=1)) for n in ("F1", "val_total")}
    gap, f1_gap = loss_gap(train, validation), f1_train - f1_val
    return {
        "L_final": train,
        "gradient": loss_gradient(train, len(epochs)),
        "L_train": train,
        "L_val": validation,
        "dL": gap,
        "epochs": len(epochs),
        "CR": convergence_rate(epochs["loss_total"].tolist()),
        "F1_train": f1_train,
        "F1_val": f1_val,
        "dF1": f1_gap,
        "ORI": overfitting_risk(gap, f1_gap),
        "sd_F1_val": spreads["F1"],
        "sd_L_val": spreads["val_total"],
        "S_F1": stability(spreads["F1"]),
        "S_L": stability(spreads["val_total"]),
        "O": overfitting_coefficient(train, validation),
        "best_epoch": int(epochs["epoch"][best]),
        "best_F1_val": float(epochs["F1"][best]),
        "seconds": float(epochs["seconds"].median()) if "seconds" in epochs else math.nan,
        "GPU_GB": float(epochs["GPU_GB"].max()) if "GPU_GB" in epochs else math.nan,
    }


def _parameters(run: RunFolder, network: str) -> dict[str, float]:
    """Parameters of a network, millions; nothing where the run does not say."""
    path = run.checkpoints / network / "history.json"
    if not path.exists():
        return {}
    try:
        known: Mapping[str, int] = json.loads(path.read_text(encoding="utf-8"))["parameters"]
        return {"trainable_M": known["trainable"] / 1e6, "total_M": known["total"] / 1e6}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"The history of a training, '{path}', is damaged ({error}).") from error


def plot_epochs(histories: Mapping[str, pd.DataFrame]) -> "Figure":
    """Validation F1 and losses over the epochs, a colour per network; the paper's figure 4.

    Parameters
    ----------
    histories : mapping of str to DataFrame
        Epochs by the name of the network, see `read_epochs`.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for k, (name, epochs) in enumerate(histories.items()):
        style: dict[str, Any] = {"color": COLOURS[k % len(COLOURS)], "marker": MARKERS[k % len(MARKERS)]}
        style |= {"linewidth": 1.4, "markersize": 3}
        left.plot(epochs["epoch"], epochs["F1"], label=name, **style)
        right.plot(epochs["epoch"], epochs["val_total"], **style)
        right.plot(epochs["epoch"], epochs["loss_total"], **{**style, "marker": ""}, linestyle=":")
    for axes, title in (
        (left, "F1 of the validation patches"),
        (right, "loss: validation (—), training (···)"),
    ):
        axes.set_xlabel("epoch")
        axes.set_ylabel(title)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.25, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    return figure
