"""How well masks fit, pixel by pixel, of patches that are too many to be kept."""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor


def confusion(probability: Tensor, mask: Tensor, counted: Tensor, threshold: float = 0.5) -> Tensor:
    """True positive, false positive, false negative and true negative pixels of each image, (N, 4) float64.

    Parameters
    ----------
    probability, mask, counted : (N, 1, H, W) Tensor
        Of the foreground; 1 in cells; above 0 where a pixel counts.
    threshold : float
        Probability from which on a pixel is found.
    """
    found, true, seen = probability >= threshold, mask > 0.5, counted > 0
    cells = (found & true, found & ~true, ~found & true, ~found & ~true)
    return torch.stack([(cell & seen).sum((1, 2, 3)) for cell in cells], dim=1).double()


@dataclass(slots=True)
class PixelTally:
    """Confusion of the patches of a set; they are added batch by batch, on whatever device they are."""

    rows: list[Tensor] = field(default_factory=list)

    def add(self, rows: Tensor) -> None:
        """Add patches, (N, 4), as `confusion` gives them."""
        self.rows.append(rows)

    def scores(self) -> dict[str, float]:
        """F1, IoU, precision, recall and accuracy of all pixels together, and the mean Dice of the patches.

        F1 and Dice are the same fraction; of a patch without cells in which none is found, Dice is 1. What is
        undefined, since there is nothing to count, is NaN.
        """
        if not self.rows:
            return dict.fromkeys(("F1", "IoU", "precision", "recall", "accuracy", "Dice"), math.nan)
        rows = torch.cat(self.rows).cpu()
        tp, fp, fn, tn = rows.sum(0).tolist()
        sizes = 2 * rows[:, 0] + rows[:, 1] + rows[:, 2]
        dice = torch.where(sizes > 0, 2 * rows[:, 0] / sizes.clamp(min=1), torch.ones_like(sizes))
        return {
            "F1": _share(2 * tp, 2 * tp + fp + fn),
            "IoU": _share(tp, tp + fp + fn),
            "precision": _share(tp, tp + fp),
            "recall": _share(tp, tp + fn),
            "accuracy": _share(tp + tn, tp + fp + fn + tn),
            "Dice": float(dice.mean()),
        }


def _share(part: float, whole: float) -> float:
    return part / whole if whole else math.nan
