"""Training a U-Net further: epochs, looks at validation images, the best state, and one to go on from."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from napari_cellseg.errors import OutOfMemoryError, TrainingError
from napari_cellseg.events import Job, Progress
from napari_cellseg.models.card import ModelCard
from napari_cellseg.models.networks.unet import Deployed, UNet
from napari_cellseg.outputs import replacing
from napari_cellseg.training.finetuning.crops import ReviewedCrops
from napari_cellseg.training.finetuning.learner import NAMES, Learner
from napari_cellseg.training.finetuning.validation import Found, Patch, look, score
from napari_cellseg.training.memory import is_out_of_memory
from napari_cellseg.training.pixel import batches
from napari_cellseg.training.runs.run import Epoch
from napari_cellseg.training.unets.torch_maps import TorchMaps

STAGE = "Training"
BEST_BY = "AP50_95"
"""Score that picks the best epoch: it changes with every outline, so that few objects tell much."""

Show = Callable[[Sequence[Found], int], object]
"""Takes what was found in the patches after an epoch."""


class Tuning:
    """Training of a network further.

    Parameters
    ----------
    learner : Learner
        What learns.
    card : ModelCard
        How its maps are read.
    crops : ReviewedCrops
        What it learns from.
    patches : sequence of Patch
        What is looked at after each epoch.
    is_validated : bool
        Whether these pick the best epoch; else they are some of those that it learns from, and the last epoch
        is the best.
    state : Path
        File for the state after each epoch.
    show : callable
        Told what was found after each epoch.

    Attributes
    ----------
    epochs : list of Epoch
        What each epoch brought.
    before : dict of str to float
        Scores before the first epoch.
    notes : list of str
        What did not go as the recipe says, in sentences.
    """

    def __init__(
        self,
        learner: Learner,
        card: ModelCard,
        crops: ReviewedCrops,
        patches: Sequence[Patch],
        is_validated: bool,
        state: Path,
        show: Show,
    ) -> None:
        self.learner, self.recipe, self.card, self.crops = learner, learner.recipe, card, crops
        self.patches, self.is_validated, self.state, self.show = patches, is_validated, state, show
        self.epochs: list[Epoch] = []
        self.before: dict[str, float] = {}
        self.best: dict[str, Tensor] = {}
        self.notes: list[str] = []

    @property
    def is_done(self) -> bool:
        """Whether all epochs are trained, or the score has not risen for long enough."""
        patience, scores = self.recipe.patience, [epoch.score for epoch in self.epochs]
        if len(scores) >= self.recipe.epochs:
            return True
        if not patience or not scores or not self.is_validated:
            return False
        return len(scores) - (1 + scores.index(max(scores))) >= patience

    def running(self, resume: bool = False) -> Job[UNet]:
        """Train until it is done; every epoch's `Progress` has an `Epoch` as its payload.

        Parameters
        ----------
        resume : bool
            Go on from the last whole epoch.

        Returns
        -------
        UNet
            The averaged network of the best epoch, on the CPU.

        Raises
        ------
        TrainingError
            Where the loss is no longer a number.
        OutOfMemoryError
            Where even a single picture needs too much memory.
        """
        if resume and self.state.exists():
            self._restore()
        else:
            self.before = yield from self._look(0)
            self._save()
        while not self.is_done:
            yield from self._epoch_in_memory()
        if len(self.epochs) < self.recipe.epochs:
            self.notes.append(
                f"Stopped after epoch {len(self.epochs)} of {self.recipe.epochs}: {self.recipe.patience} "
                f"epochs without a better score."
            )
        if self.is_validated and max(epoch.score for epoch in self.epochs) <= self.before[BEST_BY]:
            self.notes.append(
                "No epoch was better on the validation images than what it began with: keep that model."
            )
        best = UNet(self.learner.network.shape)
        best.load_state_dict(self.best)
        return best.eval()

    def _epoch_in_memory(self) -> Job[None]:
        """An epoch; where memory runs out, it is undone, and begins again with half as many at once."""
        ran_out, learner = False, self.learner
        try:
            yield from self._epoch()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if learner.at_once == 1:
                raise OutOfMemoryError(
                    f"The device '{learner.device}' has too little memory for a single picture of "
                    f"{self.recipe.edge} pixels. Use smaller pictures, or the CPU."
                ) from error
            ran_out = True
        if ran_out:  # outside the handler, whose traceback holds on to the memory
            fewer = learner.at_once // 2
            self._restore()
            learner.at_once = fewer
            self.notes.append(
                f"The memory was too small: from epoch {len(self.epochs) + 1} on, {fewer} pictures at once, "
                f"whose effects are added up."
            )
            self._save()
            yield self._progress(f"the memory was too small, now {fewer} pictures at once")

    def _epoch(self) -> Job[None]:
        began, number = time.monotonic(), len(self.epochs) + 1
        losses = yield from self._learn()
        if not all(math.isfinite(value) for value in losses.values()):
            raise TrainingError(
                f"The loss is no longer a number in epoch {number}: the rate of {self.recipe.rate:g} is too "
                f"high. Begin anew with a lower one."
            )
        metrics = yield from self._look(number)
        value = metrics.get(BEST_BY, math.nan)
        is_best = not self.is_validated or all(value > epoch.score for epoch in self.epochs)
        if is_best:
            averaged = self.learner.average.network.state_dict()
            self.best = {name: tensor.cpu().clone() for name, tensor in averaged.items()}
        rate, seconds = self.learner.rate, time.monotonic() - began
        self.epochs.append(Epoch(number, self.recipe.epochs, losses, metrics, value, is_best, rate, seconds))
        self._save()
        said = f"AP50 {metrics['AP50']:.3f}" if self.is_validated else f"loss {losses['total']:.3f}"
        yield self._progress(said, self.epochs[-1])

    def _learn(self) -> Job[dict[str, float]]:
        """All steps of an epoch; mean losses."""
        sums = torch.zeros(len(NAMES))
        steps = self.recipe.steps
        with closing(batches(self.crops, self.learner.schedule, self.learner.step)) as drawn:
            for number in range(1, steps + 1):
                sums += self.learner.advance(*next(drawn))
                yield self._progress(f"step {number} of {steps}")
        names = NAMES if self.learner.memories is not None else NAMES[:-1]
        return dict(zip(names, (sums / steps).tolist(), strict=False))

    def _look(self, epoch: int) -> Job[dict[str, float]]:
        """Scores of what is found in the patches; ``train_NAME`` where these are learnt from."""
        learner = self.learner
        model = TorchMaps(self.card, Deployed(learner.average.network).eval(), str(learner.device))
        found = []
        for done, patch in enumerate(self.patches, 1):
            yield self._progress(f"looking at image {done} of {len(self.patches)}")
            found.append(look(model, patch))
        self.show(found, epoch)
        prefix = "" if self.is_validated else "train_"
        return {f"{prefix}{name}": value for name, value in score(found).items()}

    def _progress(self, detail: str, epoch: Epoch | None = None) -> Progress:
        number, done = len(self.epochs) + (epoch is None), self.learner.step
        told = f"epoch {number} of {self.recipe.epochs}, {detail}"
        return Progress(STAGE, done, self.recipe.epochs * self.recipe.steps, told, epoch)

    def _save(self) -> None:
        state = {
            **self.learner.state(),
            "best": self.best,
            "before": self.before,
            "epochs": [asdict(epoch) for epoch in self.epochs],
            "notes": self.notes,
        }
        with replacing(self.state) as temporary, temporary.open("wb") as file:
            torch.save(state, file)

    def _restore(self) -> None:
        state: dict[str, Any] = torch.load(self.state, map_location="cpu", weights_only=True)
        self.learner.restore(state)
        self.best, self.before, self.notes = state["best"], state["before"], state["notes"]
        self.epochs = [Epoch(**epoch) for epoch in state["epochs"]]
