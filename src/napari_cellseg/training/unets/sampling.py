"""Which patches an epoch shows, and how often: rare ones and hard ones more."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field

from napari_cellseg.errors import TrainingError
from napari_cellseg.training.unets.patches import PatchSource

Weights = NDArray[np.float64]

ANY = ""
"""Stands for an object of any class, so that patches with objects count as rare where most are empty."""


class SamplingConfig(BaseModel):
    """How patches are drawn. The paper oversamples and mines for its MODEL-1 and MODEL-2, not for MODEL-3."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    oversampling: bool = Field(
        True, description="Shows patches with rare classes, or with objects, more often."
    )
    common: float = Field(
        0.5, gt=0, le=1, description="A class in at least this share of the patches is not rare."
    )
    mining: bool = Field(True, description="Shows patches with a high loss in the last epoch more often.")
    hardness: float = Field(1.0, gt=0, le=4, description="Power of the loss that patches are shown by.")
    most: float = Field(
        4.0, ge=1, le=100, description="Largest factor by which either shows a patch more often."
    )
    patches: int | None = Field(
        None, ge=1, description="Patches of an epoch; the variants of every patch unless given."
    )


def rarity_weights(classes: Sequence[Iterable[str]], common: float, most: float) -> Weights:
    """How much more often a patch is to be shown for the rarest class in it.

    A class in a share ``f`` of the patches gives ``sqrt(common / f)``, at least 1 and at most `most`.

    Parameters
    ----------
    classes : sequence of iterable of str
        Classes of the objects in each patch.
    common : float
        Share of the patches from which on a class is not rare, 0 to 1.
    most : float
        Largest weight.

    Returns
    -------
    (N,) ndarray of float64

    References
    ----------
    Gupta, Dollár, Girshick: LVIS: A dataset for large vocabulary instance segmentation. CVPR 2019
    (repeat factor sampling).
    """
    present = [set(names) for names in classes]
    seen = Counter(name for names in present for name in names)
    factors = {
        name: float(np.clip(np.sqrt(common * len(present) / count), 1, most)) for name, count in seen.items()
    }
    return np.array([max((factors[name] for name in names), default=1.0) for names in present])


def hardness_weights(losses: ArrayLike, hardness: float, most: float) -> Weights:
    """How much more or less often a patch is to be shown for its loss.

    Parameters
    ----------
    losses : (N,) array-like of float
        Mean loss of each patch, at least 0; NaN where it was not shown, which counts as the mean.
    hardness : float
        Power of the loss over the mean loss.
    most : float
        Largest weight; the smallest is ``1 / most``.

    Returns
    -------
    (N,) ndarray of float64
    """
    values = np.asarray(losses, np.float64)
    known = np.isfinite(values)
    mean = float(values[known].mean()) if known.any() else 0.0
    if mean <= 0:
        return np.ones(len(values))
    relative = np.where(known, values / mean, 1.0)
    return np.asarray(np.clip(np.maximum(relative, 0) ** hardness, 1 / most, most), np.float64)


def systematic_counts(weights: Weights, total: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """How often each of N is drawn, (N,): `total` draws, each count within one of its share by weight."""
    edges = np.concatenate([[0.0], np.cumsum(weights / weights.sum() * total)])
    edges[-1] = total
    places = np.ceil(edges - rng.random() - 1e-9).astype(np.int64)
    return places[1:] - places[:-1]


class Sampler:
    """Patches of each epoch; the same seed and the same losses give the same patches.

    Record the loss of what was shown, and `advance` at the end of an epoch. What `state` gives, kept beside a
    checkpoint, brings a sampler back to where it was, also in the middle of an epoch. The
    seed is that of the source.

    Parameters
    ----------
    source : PatchSource
        Where patches come from.
    config : SamplingConfig
        How they are drawn.

    Attributes
    ----------
    epoch : int
        The current epoch, from 0.

    Raises
    ------
    TrainingError
        Where there is no patch to show.
    """

    def __init__(self, source: PatchSource, config: SamplingConfig | None = None) -> None:
        if not len(source):
            raise TrainingError("There is no reviewed pixel to learn from: add images, or review some.")
        self.source = source
        self.config = config or SamplingConfig()
        self.epoch = 0
        self._rarity = self._rarity_of_patches()
        self._hardness = np.ones(len(source))
        self._sums = np.zeros(len(source))
        self._counts = np.zeros(len(source), np.int64)

    @property
    def weights(self) -> Weights:
        """Weight of each patch in the current epoch, (N,); their mean is 1."""
        weights = self._rarity * self._hardness
        return weights / weights.mean()

    @property
    def size(self) -> int:
        """Patches of an epoch."""
        return self.config.patches or self.source.augmentation.variants * len(self.source)

    def draws(self) -> NDArray[np.int64]:
        """Patch and variant of each draw of the current epoch, (size, 2), in the order of showing."""
        rng = np.random.default_rng((self.source.seed, self.epoch))
        counts = systematic_counts(self.weights, self.size, rng)
        patches = np.repeat(np.arange(len(counts)), counts)
        variants = np.arange(len(patches)) - np.repeat(np.cumsum(counts) - counts, counts)
        return rng.permutation(np.stack([patches, variants], axis=1))

    def record(self, patches: ArrayLike, losses: ArrayLike) -> None:
        """Note losses, (N,), of patches, (N,), that were shown in this epoch."""
        index, values = np.asarray(patches, np.int64), np.asarray(losses, np.float64)
        known = np.isfinite(values)
        np.add.at(self._sums, index[known], values[known])
        np.add.at(self._counts, index[known], 1)

    def advance(self) -> None:
        """Go to the next epoch; what was hard in this one is shown more often in it."""
        if self.config.mining:
            losses = np.full(len(self._sums), np.nan)
            np.divide(self._sums, self._counts, out=losses, where=self._counts > 0)
            self._hardness = hardness_weights(losses, self.config.hardness, self.config.most)
        self._sums[:], self._counts[:] = 0, 0
        self.epoch += 1

    def state(self) -> dict[str, Any]:
        """Where it is, as JSON holds it."""
        return {
            "seed": self.source.seed,
            "epoch": self.epoch,
            "hardness": self._hardness.tolist(),
            "sums": self._sums.tolist(),
            "counts": self._counts.tolist(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to where a sampler of the same images was.

        Raises
        ------
        TrainingError
            Where the state is of other images or another seed, or damaged.
        """
        try:
            hardness, sums = (np.array(state[name], np.float64) for name in ("hardness", "sums"))
            counts = np.array(state["counts"], np.int64)
            seed, epoch = int(state["seed"]), int(state["epoch"])
        except (KeyError, TypeError, ValueError) as error:
            raise TrainingError(f"The state of the sampling is damaged ({error}).") from error
        if seed != self.source.seed:
            raise TrainingError(f"The state of the sampling has the seed {seed}, not {self.source.seed}.")
        if any(array.shape != (len(self.source),) for array in (hardness, sums, counts)):
            raise TrainingError(
                f"The state of the sampling is of {hardness.size} patches, the images give "
                f"{len(self.source)}: resume with the images that the training started with."
            )
        self.epoch = epoch
        self._hardness, self._sums, self._counts = hardness, sums, counts

    def _rarity_of_patches(self) -> Weights:
        if not self.config.oversampling:
            return np.ones(len(self.source))
        return rarity_weights(
            [_classes(self.source, i) for i in range(len(self.source))], self.config.common, self.config.most
        )


def _classes(source: PatchSource, index: int) -> set[str]:
    """Classes of the objects in a patch, `ANY` among them where there is an object."""
    labels = source.visible(index).tolist()
    known = source.images[source.places[index].image].classes
    return {known.get(label, ANY) for label in labels} | ({ANY} if labels else set())
