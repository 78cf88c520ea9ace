"""What is known of a training that goes on: its epochs as curves, the best one, the time that is left."""

import csv
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from napari_cellseg.errors import TrainingError
from napari_cellseg.events import Progress
from napari_cellseg.training.runs.run import Epoch

RECENT = 5
"""Epochs whose mean duration tells how long the next ones take; the very first warms up."""
PAUSED = "Paused"
"""Stage that a paused training tells."""
MEMORY = "memory was too small"
"""What a training tells before it goes on with fewer pictures at once."""
SHARES = ("AP50", "mAP50", "mAP50-95", "F1", "precision", "recall", "IoU", "Dice")
"""Scores from 0 to 1 that are drawn beside the one that picks the best epoch, the first that there are."""
MOST_SCORES = 3


@dataclass(frozen=True)
class Series:
    """A line of a plot.

    Attributes
    ----------
    name : str
        What it shows.
    epochs : list of int
        From 1.
    values : list of float
        One for each, finite.
    """

    name: str
    epochs: list[int]
    values: list[float]


class TrainingWatch:
    """Keeps the epochs of a training in order; those done again replace the first ones.

    Attributes
    ----------
    network : str
        The one that is in training.
    is_resting : bool
        Whether it is paused.
    notices : list of str
        What somebody who looks later must know, such as that memory was too small.

    Parameters
    ----------
    clock : callable
        Seconds, rising.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._epochs: dict[tuple[str, int], Epoch] = {}
        self._told = clock()
        self.network = ""
        self.is_resting = False
        self.notices: list[str] = []

    def take(self, progress: Progress) -> bool:
        """Take in a step; whether it brought an epoch."""
        if self.is_resting != (progress.stage == PAUSED):
            self.is_resting = not self.is_resting
            self._told = self._clock()
        if MEMORY in progress.detail and progress.detail not in self.notices:
            self.notices.append(progress.detail)
        if not isinstance(progress.payload, Epoch):
            return False
        self.add(progress.payload)
        return True

    def add(self, epoch: Epoch) -> None:
        """Take in an epoch."""
        self.network, self._told = epoch.network, self._clock()
        self._epochs[epoch.network, epoch.number] = epoch

    @property
    def networks(self) -> list[str]:
        """Networks that were trained so far; one without a name where there is only one."""
        return list(dict.fromkeys(network for network, _ in self._epochs))

    def epochs(self, network: str | None = None) -> list[Epoch]:
        """Epochs of a network, in order; of the one that is in training unless given."""
        wanted = self.network if network is None else network
        own = [epoch for (name, _), epoch in self._epochs.items() if name == wanted]
        return sorted(own, key=lambda epoch: epoch.number)

    def best(self, network: str | None = None) -> Epoch | None:
        """The epoch with the highest score, the first one where several have it."""
        scored = [epoch for epoch in self.epochs(network) if math.isfinite(epoch.score)]
        return max(scored, key=lambda epoch: epoch.score) if scored else None

    def losses(self, network: str | None = None) -> list[Series]:
        """The loss in training, and in validation where it was measured."""
        epochs = self.epochs(network)
        found = [_series("training", epochs, lambda epoch: epoch.losses.get("total", math.nan))]
        found.append(_series("validation", epochs, lambda epoch: _validation_loss(epoch)))
        return [series for series in found if series.epochs]

    def scores(self, network: str | None = None) -> list[Series]:
        """The score that picks the best epoch, and a few others."""
        epochs = self.epochs(network)
        main = self.score_name(network)
        found = [_series(main, epochs, lambda epoch: epoch.score)]
        names = {name for epoch in epochs for name in epoch.metrics}
        others = [name for name in SHARES if name in names and name != main][: MOST_SCORES - 1]
        found += [
            _series(name, epochs, lambda epoch, name=name: epoch.metrics.get(name, math.nan))
            for name in others
        ]
        return [series for series in found if series.epochs]

    def score_name(self, network: str | None = None) -> str:
        """What the score is: the metric that has its value in every epoch."""
        scored = [epoch for epoch in self.epochs(network) if math.isfinite(epoch.score)]
        if not scored:
            return "score"
        same = [
            name
            for name in scored[0].metrics
            if all(epoch.metrics.get(name) == epoch.score for epoch in scored)
        ]
        return same[0] if same else "score"

    def table(self, network: str | None = None) -> pd.DataFrame:
        """A row per epoch: losses and scores that the curves show."""
        series = [*self.losses(network), *self.scores(network)]
        numbers = [epoch.number for epoch in self.epochs(network)]
        columns = {one.name: dict(zip(one.epochs, one.values, strict=True)) for one in series}
        rows = {name: [known.get(n, math.nan) for n in numbers] for name, known in columns.items()}
        return pd.DataFrame({"epoch": numbers, **rows})

    def seconds_left(self) -> float | None:
        """Seconds until the last planned epoch of the network in training; None where nobody knows yet."""
        epochs = self.epochs()
        if not epochs or self.is_resting:
            return None
        recent = [epoch.seconds for epoch in epochs[-RECENT:]]
        mean = sum(recent) / len(recent)
        spent = min(mean, self._clock() - self._told)
        return max(0.0, (epochs[-1].planned - epochs[-1].number) * mean - spent)

    def line(self) -> str:
        """The last epoch and the best one, in a sentence; empty before the first."""
        epochs, best = self.epochs(), self.best()
        if not epochs:
            return ""
        last = epochs[-1]
        parts = [f"Epoch {last.number} of {last.planned}", f"loss {last.losses.get('total', math.nan):.3g}"]
        if math.isfinite(last.score):
            parts.append(f"{self.score_name()} {last.score:.3f}")
        if best is not None and best.number != last.number:
            parts.append(f"best {best.score:.3f} at epoch {best.number}")
        name = f"{last.network}: " if last.network else ""
        return f"{name}{', '.join(parts)}."


def read_metrics(path: Path, planned: int = 0) -> list[Epoch]:
    """Epochs of a run's table, as far as it holds them; none where there is no table.

    Parameters
    ----------
    path : Path
        ``metrics.csv`` of a run.
    planned : int
        Planned epochs, which the table does not hold.

    Raises
    ------
    TrainingError
        Where the table is damaged.
    """
    if not path.is_file():
        return []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [_epoch(row, planned) for row in csv.DictReader(file)]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(f"The table of epochs '{path}' cannot be read: {error}.") from error


def _epoch(row: dict[str, str], planned: int) -> Epoch:
    own = {"epoch", "network", "seconds", "rate", "score"}
    values = {name: float(text) for name, text in row.items() if name not in own and text}
    losses = {n.removeprefix("loss_"): v for n, v in values.items() if n.startswith("loss_")}
    metrics = {n: v for n, v in values.items() if not n.startswith("loss_")}
    return Epoch(
        int(row["epoch"]),
        planned,
        losses,
        metrics,
        float(row["score"] or "nan"),
        rate=float(row["rate"] or "nan"),
        seconds=float(row["seconds"] or 0),
        network=row.get("network") or "",
    )


def _validation_loss(epoch: Epoch) -> float:
    known = [epoch.metrics[name] for name in ("val_total", "val_loss") if name in epoch.metrics]
    return known[0] if known else math.nan


def _series(name: str, epochs: list[Epoch], value: Callable[[Epoch], float]) -> Series:
    points = [(epoch.number, value(epoch)) for epoch in epochs]
    finite = [(number, found) for number, found in points if math.isfinite(found)]
    return Series(name, [number for number, _ in finite], [found for _, found in finite])
