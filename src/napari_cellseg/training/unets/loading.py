"""Batches of patches, prepared ahead in threads; how many there are changes nothing in the batches."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.errors import OptionError
from napari_cellseg.training.unets.patches import PatchSource, PatchTargets, TargetConfig, patch_targets
from napari_cellseg.training.unets.sampling import Sampler
from napari_cellseg.training.unets.warping import Patch

Maps = NDArray[np.float32]
Ready = tuple[Patch, PatchTargets]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Patches with their targets.

    Attributes
    ----------
    images : (N, 3, H, W) ndarray of float32
        0 to 1; grey images have three equal channels.
    masks : (N, 1, H, W) ndarray of float32
        1 inside objects.
    weights : (N, 1, H, W) ndarray of float32
        Weight of each pixel in the loss; 0 where it is ignored.
    distances : (N, 1, H, W) ndarray of float32, optional
        Distance to the border of the object, 1 where it is largest in the object.
    patches : (N,) ndarray of int64
        Number of each patch in its source.
    """

    images: Maps
    masks: Maps
    weights: Maps
    distances: Maps | None
    patches: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.patches)

    def parts(self, size: int) -> Iterator["Batch"]:
        """The same patches, `size` at a time."""
        for start in range(0, len(self), size):
            cut = slice(start, start + size)
            distances = None if self.distances is None else self.distances[cut]
            yield Batch(self.images[cut], self.masks[cut], self.weights[cut], distances, self.patches[cut])


def training_batches(
    sampler: Sampler,
    targets: TargetConfig | None = None,
    *,
    size: int = 16,
    workers: int = 2,
    ahead: int = 2,
    first: int = 0,
) -> Iterator[Batch]:
    """Batches of the sampler's current epoch, augmented.

    Parameters
    ----------
    sampler : Sampler
        What to show.
    targets : TargetConfig
        What is to be learned.
    size : int
        Patches of a batch; the last one may have fewer.
    workers : int
        Threads.
    ahead : int
        Batches prepared ahead.
    first : int
        Batch to start with, to go on in the middle of an epoch.

    Raises
    ------
    OptionError
        Where a number is too small.
    """
    source, wanted, epoch = sampler.source, targets or TargetConfig(), sampler.epoch
    draws = sampler.draws()

    def ready(number: int) -> Ready:
        patch = source.patch(int(draws[number, 0]), epoch, int(draws[number, 1]))
        return patch, patch_targets(patch, wanted)

    return _batches(ready, draws[:, 0], size, workers, ahead, first)


def validation_batches(
    source: PatchSource,
    targets: TargetConfig | None = None,
    *,
    size: int = 16,
    workers: int = 2,
    ahead: int = 2,
) -> Iterator[Batch]:
    """All patches of a source as they are, in their order; parameters and errors as in `training_batches`."""
    wanted = targets or TargetConfig()

    def ready(number: int) -> Ready:
        patch = source.plain(number)
        return patch, patch_targets(patch, wanted)

    return _batches(ready, np.arange(len(source)), size, workers, ahead, 0)


def _batches(
    ready: Callable[[int], Ready],
    patches: NDArray[np.int64],
    size: int,
    workers: int,
    ahead: int,
    first: int,
) -> Iterator[Batch]:
    for name, value, least in (
        ("size", size, 1),
        ("workers", workers, 1),
        ("ahead", ahead, 0),
        ("first", first, 0),
    ):
        if value < least:
            raise OptionError(f"{name} must be at least {least}, not {value}.")
    return _prepared(ready, patches, size, workers, ahead, first)


def _prepared(
    ready: Callable[[int], Ready],
    patches: NDArray[np.int64],
    size: int,
    workers: int,
    ahead: int,
    first: int,
) -> Iterator[Batch]:
    with ThreadPoolExecutor(workers, thread_name_prefix="patches") as pool:
        coming = iter(range(first * size, len(patches)))
        pending: deque[Future[Ready]] = deque()
        try:
            for start in range(first * size, len(patches), size):
                wanted = (1 + ahead) * size - len(pending)
                pending += [pool.submit(ready, number) for number in islice(coming, wanted)]
                shown = patches[start : start + size]
                yield _joined([pending.popleft().result() for _ in shown], shown)
        finally:
            for future in pending:
                future.cancel()


def _joined(ready: Sequence[Ready], patches: NDArray[np.int64]) -> Batch:
    height, width = ready[0][0].labels.shape
    images = np.empty((len(ready), 3, height, width), np.float32)
    for row, (patch, _) in zip(images, ready, strict=True):
        row[:] = patch.image.transpose(2, 0, 1) if patch.is_colour else patch.image
    masks, weights = (np.stack([getattr(t, name) for _, t in ready])[:, None] for name in ("mask", "weight"))
    distances = [t.distance for _, t in ready if t.distance is not None]
    return Batch(images, masks, weights, np.stack(distances)[:, None] if distances else None, patches)
