"""Training of one network of an ensemble: steps, validation, candidates, and a state to go on from."""

import json
import math
import os
import time
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_cellseg.errors import CellSegWarning, OutOfMemoryError, TrainingError
from napari_cellseg.events import Job, Progress
from napari_cellseg.models.networks.brightfield.network import (
    BrightfieldUNet,
    count_parameters,
    create_network,
)
from napari_cellseg.outputs import make_folder, replacing
from napari_cellseg.training.memory import is_out_of_memory
from napari_cellseg.training.runs.run import Epoch
from napari_cellseg.training.unets.images import TrainingImage
from napari_cellseg.training.unets.learner import Learner
from napari_cellseg.training.unets.loading import Batch, training_batches, validation_batches
from napari_cellseg.training.unets.losses import ImageLosses, mean_losses
from napari_cellseg.training.unets.patches import PatchSource
from napari_cellseg.training.unets.pixel_scores import PixelTally
from napari_cellseg.training.unets.recipe import MemberRecipe, UnetRecipe
from napari_cellseg.training.unets.sampling import Sampler
from napari_cellseg.training.unets.selection import kept_epochs
from napari_cellseg.training.unets.weights import MemberFiles

STAGE = "Training"


class MemberRun:
    """Training of one network.

    Weights after every epoch are candidates for the ensemble; those that can no longer be picked are removed
    again, unless the recipe keeps all. After every epoch the whole state is written, from
    which a resumed training goes on as if it had never stopped: bit by bit on the CPU.

    Parameters
    ----------
    recipe : UnetRecipe
        How everything is trained.
    member : MemberRecipe
        Which network, with which loss.
    images, validation : sequence of TrainingImage
        To learn from, and to validate with.
    folder : Path
        Takes the files; made if missing.
    imagenet : str, optional
        File of the encoder's ImageNet weights, or ``"download"``.
    device : str
        ``"cpu"`` or ``"cuda:N"``.

    Attributes
    ----------
    epochs : list of Epoch
        What each epoch brought.
    notes : list of str
        What did not go as the recipe says, in sentences.
    at_once : int
        Patches that the device computes at once. Where memory is too small for the recipe's batch they are
        fewer, and their gradients are added up to those of the batch: rates and steps stay as they are.
    files : MemberFiles
        Its files.
    """

    def __init__(
        self,
        recipe: UnetRecipe,
        member: MemberRecipe,
        images: Sequence[TrainingImage],
        validation: Sequence[TrainingImage],
        folder: Path,
        *,
        imagenet: str | None = None,
        device: str = "cpu",
    ) -> None:
        self.recipe, self.member = recipe, member
        self.seed = member_seed(recipe.seed, member.name)
        self.files = MemberFiles(folder)
        self.device = torch.device(device)
        source = PatchSource(images, edge=recipe.edge, augmentation=recipe.augmentation, seed=self.seed)
        self.sampler = Sampler(source, recipe.sampling(member))
        self.validation = PatchSource(validation, edge=recipe.edge)
        self.at_once, self.step = recipe.batch, 0
        self.epochs: list[Epoch] = []
        self.notes: list[str] = []
        self._imagenet = imagenet
        self._waited = 0.0

    @property
    def network(self) -> BrightfieldUNet:
        """The network as it is now."""
        return self.learner.network

    @property
    def is_done(self) -> bool:
        """Whether all epochs are trained, or the score has not risen for long enough."""
        patience, scores = self.recipe.patience, [epoch.score for epoch in self.epochs]
        if len(scores) >= self.recipe.epochs:
            return True
        return bool(patience and scores) and len(scores) - (1 + scores.index(max(scores))) >= patience

    def running(self, resume: bool = False) -> Job[None]:
        """Train until it is done; every epoch's `Progress` has an `Epoch` of this network as its payload.

        Parameters
        ----------
        resume : bool
            Go on from the last whole epoch; one that was done is left as it is.

        Raises
        ------
        TrainingError
            Where the loss is no longer a number, or the state belongs to other images.
        OutOfMemoryError
            Where even a single patch needs too much memory.
        ModelError
            Where the ImageNet weights cannot be used.
        OutputError
            Where the folder cannot be written.
        """
        make_folder(self.files.folder)
        self.files.remove_halves()
        if resume and self.files.is_finished:
            history = self.files.read_history()
            self.epochs, self.notes = [Epoch(**e) for e in history["epochs"]], history["notes"]
            self.files.state.unlink(missing_ok=True)  # there where it was ended just before this
            return
        with _deterministic(self.device):
            yield self._progress(0, "building the network")
            with self._least_memory():
                self._restore() if resume and self.files.state.exists() else self._begin()
            while not self.is_done:
                yield from self._timed(self._epoch_in_memory())
        self._finish()

    def _begin(self) -> None:
        torch.manual_seed(self.seed)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always", CellSegWarning)
            network = create_network(self.recipe.config(self.member), self._imagenet)
        self.notes += [str(w.message) for w in told if issubclass(w.category, CellSegWarning)]
        if self.member.mixed and self.device.type != "cuda":
            self.notes.append("Mixed precision needs a graphics card: all is computed in float32.")
        self.files.write_frozen(network)
        self._place(network)
        self._save()

    def _place(self, network: BrightfieldUNet) -> None:
        self.learner = Learner(self.recipe, self.member, network, self.device)

    def _timed(self, job: Job[None]) -> Job[None]:
        """A job; how long whoever runs it keeps it waiting, as while it is paused, is no time of training."""
        for step in job:
            told = time.monotonic()
            yield step
            self._waited += time.monotonic() - told

    def _epoch_in_memory(self) -> Job[None]:
        """An epoch; where memory runs out, it is undone, and begins again with half as many at once."""
        ran_out = False
        try:
            yield from self._epoch()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            ran_out = True
        if not ran_out:  # what follows is outside of the handler, whose traceback holds on to the memory
            return
        if self.at_once == 1:
            raise OutOfMemoryError(self._too_small)
        at_once = self.at_once // 2
        self._restore()
        self.at_once = at_once
        self.notes.append(
            f"The memory was too small: from epoch {len(self.epochs) + 1} on, {at_once} patches at once; "
            f"their gradients were added up to those of {self.recipe.batch}."
        )
        self._save()
        yield self._progress(0, f"the memory was too small, now {at_once} patches at once")

    @contextmanager
    def _least_memory(self) -> Iterator[None]:
        """Say in words that there is too little memory for the network itself."""
        try:
            yield
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise OutOfMemoryError(self._too_small) from error

    @property
    def _too_small(self) -> str:
        return (
            f"The device '{self.device}' has too little memory for '{self.member.name}' and a single patch "
            f"of {self.recipe.edge} pixels. Use smaller patches, a smaller network, or the CPU."
        )

    def _epoch(self) -> Job[None]:
        began, number = time.monotonic() - self._waited, len(self.epochs) + 1
        losses, train_f1 = yield from self._learn()
        if not all(math.isfinite(value) for value in losses.values()):
            raise TrainingError(
                f"The loss of '{self.member.name}' is no longer a number in epoch {number}: the rate of "
                f"{self.recipe.rate:g} is too high. Begin anew with a lower one."
            )
        metrics = {**(yield from self._validate()), "train_F1": train_f1, **self._memory()}
        self.sampler.advance()
        self.epochs.append(
            Epoch(
                number,
                self.recipe.epochs,
                losses,
                {name: value for name, value in metrics.items() if math.isfinite(value)},
                metrics["F1"],
                all(metrics["F1"] > epoch.score for epoch in self.epochs),
                self.learner.rate,
                time.monotonic() - self._waited - began,
            )
        )
        self.files.write_weights(self.network, number)
        self._save()
        self._write_history(finished=False)
        yield self._progress(0, f"F1 {metrics['F1']:.3f}", self.epochs[-1])

    def _learn(self) -> Job[tuple[dict[str, float], float]]:
        """All batches of an epoch; mean losses, and F1 of the patches as they were shown."""
        self.network.train()
        steps = self.steps
        found: list[ImageLosses] = []
        shown: list[Any] = []
        tally = PixelTally()
        batches = self._batches(training_batches, self.sampler, self.recipe.batch)
        for number, batch in enumerate(batches, 1):
            yield self._progress(number - 1, f"batch {number} of {steps}")
            losses, rows = self._advance(batch)
            found.append(losses)
            shown.append(batch.patches)
            tally.add(rows)
        totals = torch.cat([losses.total for losses in found]).cpu()
        self.sampler.record(np.concatenate(shown), totals.numpy())
        return mean_losses(found), tally.scores()["F1"]

    def _advance(self, batch: Batch) -> tuple[ImageLosses, Tensor]:
        """Change the weights by a batch; its losses, and what was right in each patch."""
        rate = self.recipe.rate * self.recipe.decay ** (self.step // self.recipe.decay_steps)
        self.step += 1
        return self.learner.advance(batch, rate, self.at_once)

    def _validate(self) -> Job[dict[str, float]]:
        self.network.eval()
        found: list[ImageLosses] = []
        tally = PixelTally()
        total = -(-len(self.validation) // self.at_once)
        batches = self._batches(validation_batches, self.validation, self.at_once)
        for number, batch in enumerate(batches, 1):
            yield self._progress(self.steps, f"validating, batch {number} of {total}")
            with torch.no_grad():
                losses, rows = self.learner.judge(batch)
            found.append(losses)
            tally.add(rows)
        return tally.scores() | {f"val_{name}": value for name, value in mean_losses(found).items()}

    def _memory(self) -> dict[str, float]:
        """The most GPU memory that was in use, GB, since this was last asked."""
        if self.device.type != "cuda":
            return {}
        most = torch.cuda.max_memory_allocated(self.device)
        torch.cuda.reset_peak_memory_stats(self.device)
        return {"GPU_GB": most / 1e9}

    def _batches(self, make: Callable[..., Iterator[Batch]], source: object, size: int) -> Iterator[Batch]:
        workers = preparing_threads(self.recipe)
        return make(source, self.recipe.targets, size=size, workers=workers)

    @property
    def steps(self) -> int:
        """Batches of an epoch."""
        return -(-self.sampler.size // self.recipe.batch)

    def _progress(self, batch: int, detail: str, epoch: Epoch | None = None) -> Progress:
        done, steps = len(self.epochs) * self.steps + batch, self.recipe.epochs * self.steps
        number = len(self.epochs) + (epoch is None)
        return Progress(STAGE, done, steps, f"epoch {number} of {self.recipe.epochs}, {detail}", epoch)

    def _save(self) -> None:
        state = {
            "network": self.files.learnt(self.network),
            "optimiser": self.learner.optimiser.state_dict(),
            "scaler": self.learner.scaler.state_dict(),
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None,
            "sampler": self.sampler.state(),
            "batch": self.at_once,
            "step": self.step,
            "epochs": [asdict(epoch) for epoch in self.epochs],
            "notes": self.notes,
            "config": self.network.config.model_dump(mode="json"),
        }
        with replacing(self.files.state) as temporary, temporary.open("wb") as file:
            torch.save(state, file)

    def _restore(self) -> None:
        state = torch.load(self.files.state, map_location="cpu", weights_only=True)
        self._place(self.files.build(state["config"], state["network"]))
        self.learner.optimiser.load_state_dict(state["optimiser"])
        self.learner.scaler.load_state_dict(state["scaler"])
        torch.set_rng_state(state["random"])
        if state["random_cuda"] is not None and self.device.type == "cuda":
            torch.cuda.set_rng_state(state["random_cuda"], self.device)
        self.sampler.restore(state["sampler"])
        self.at_once, self.step, self.notes = state["batch"], state["step"], state["notes"]
        self.epochs = [Epoch(**epoch) for epoch in state["epochs"]]

    def _write_history(self, finished: bool) -> None:
        """Write what all epochs brought, and remove weights that can no longer be picked."""
        scores, most = [epoch.score for epoch in self.epochs], self.recipe.most_of_each
        kept = set(range(1, len(scores) + 1))
        if not self.recipe.keep_all:
            kept = kept_epochs(scores, most, finished=finished)
        self.files.write_history(
            {
                "member": self.member.model_dump(mode="json"),
                "config": self.network.config.model_dump(mode="json"),
                "parameters": asdict(count_parameters(self.network)),
                "finished": finished,
                "batch": self.at_once,
                "steps": self.step,
                "epochs": [asdict(epoch) for epoch in self.epochs],
                "kept": sorted(kept),
                "notes": self.notes,
            }
        )
        self.files.remove_weights(except_for=kept)

    def _finish(self) -> None:
        if len(self.epochs) < self.recipe.epochs:
            self.notes.append(
                f"Stopped after epoch {len(self.epochs)} of {self.recipe.epochs}: {self.recipe.patience} "
                f"epochs without a better F1."
            )
        self._write_history(finished=True)
        self.files.state.unlink(missing_ok=True)


def preparing_threads(recipe: UnetRecipe) -> int:
    """Threads that prepare patches."""
    return min(8, max(2, recipe.threads or os.cpu_count() or 2))


def member_seed(seed: int, name: str) -> int:
    """Seed of a network: its own, and the same whichever others are trained with it."""
    return zlib.crc32(json.dumps([seed, name]).encode())


@contextmanager
def _deterministic(device: torch.device) -> Iterator[None]:
    """The same numbers every time on a GPU, where PyTorch can; on the CPU they are anyway."""
    if device.type != "cuda":
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it, sums come in any order
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
