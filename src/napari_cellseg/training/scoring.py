"""Scores of a pixel model on labelled images, pooled per set and kind."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.evaluation.matching import AveragePrecision, average_precision, pool
from napari_cellseg.instances.decoding import Decoded
from napari_cellseg.instances.maps import Decoding, decode_maps
from napari_cellseg.training.samples import Sample

Predict = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""From images (N, 3, H, W), H and W multiples of the stride, to maps (N, K, H, W)."""


@dataclass(frozen=True, slots=True)
class SetScore:
    """Pooled score of one set and kind.

    Attributes
    ----------
    images, objects : int
        What was scored.
    counts : AveragePrecision
        Matches at each threshold.
    """

    images: int
    objects: int
    counts: AveragePrecision

    def as_dict(self) -> dict[str, object]:
        """Values that JSON can hold."""
        at = {
            f"{t:.2f}": round(float(v), 4)
            for t, v in zip(self.counts.thresholds, self.counts.ap, strict=True)
        }
        first = {"tp": int(self.counts.tp[0]), "fp": int(self.counts.fp[0]), "fn": int(self.counts.fn[0])}
        return {
            "images": self.images,
            "objects": self.objects,
            "ap": at,
            "mean_ap": round(self.counts.mean, 4),
            "at_0.50": first,
        }


def predict_maps(predict: Predict, image: NDArray[np.float32], stride: int = 16) -> NDArray[np.float32]:
    """Maps (K, H, W) of one scaled image (H, W, 3), padded by reflection to multiples of the stride."""
    height, width = image.shape[:2]
    padding = ((0, -height % stride), (0, -width % stride), (0, 0))
    padded = np.pad(image, padding, mode="symmetric").transpose(2, 0, 1)[None]
    return np.ascontiguousarray(predict(np.ascontiguousarray(padded))[0, :, :height, :width])


def confident(decoded: Decoded, threshold: float) -> NDArray[np.int32]:
    """Label image of the objects with at least this confidence."""
    lookup = np.zeros(len(decoded.scores) + 1, np.int32)
    kept = np.flatnonzero(decoded.scores >= threshold) + 1
    lookup[kept] = np.arange(1, len(kept) + 1)
    return lookup[decoded.labels]


def group_name(sample: Sample) -> str:
    """Set and kind, for example ``"dsb2018 grey"``; sets of one kind go by their own name."""
    return f"{sample.source} {sample.kind}" if sample.source == "dsb2018" else sample.source


def score_samples(
    predict: Predict, samples: Sequence[Sample], decoding: Decoding, confidence: float
) -> Iterator[tuple[Sample, AveragePrecision]]:
    """Matches of one sample after the other, at native resolution."""
    for sample in samples:
        decoded = decode_maps(predict_maps(predict, sample.scaled()), decoding)
        yield sample, average_precision(confident(decoded, confidence), sample.labels)


def pool_scores(results: Sequence[tuple[Sample, AveragePrecision]]) -> dict[str, SetScore]:
    """Pooled scores by `group_name`."""
    groups: dict[str, list[tuple[Sample, AveragePrecision]]] = defaultdict(list)
    for sample, counts in results:
        groups[group_name(sample)].append((sample, counts))
    return {
        name: SetScore(
            len(members),
            sum(len(np.unique(s.labels[s.labels > 0])) for s, _ in members),
            pool(c for _, c in members),
        )
        for name, members in sorted(groups.items())
    }
