"""Losses of the bright-field U-Nets: every term is a number per image, computed in float32.

Maps are logits (N, 1, H, W), targets 0 or 1 of the same shape. ``counted`` of the same shape says how much a
pixel counts: 0 where it is ignored, such as in regions that nobody has reviewed, 1 as a rule, more where
it matters more; None counts all alike. A term of an image in which nothing counts is 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, logsigmoid, max_pool2d, pad, smooth_l1_loss

from napari_cellseg.training.unets.loss_config import LossConfig


@dataclass(frozen=True, slots=True)
class ImageLosses:
    """Losses of the images of a batch.

    Attributes
    ----------
    total : (N,) Tensor
        What is minimised, per image; its mean is the loss of the batch, its values tell the hard images.
    terms : dict of str to (N,) Tensor
        The terms that it is the weighted sum of, without their weights.
    """

    total: Tensor
    terms: dict[str, Tensor]


def image_losses(
    config: LossConfig,
    maps: Tensor,
    foreground: Tensor,
    *,
    distance: Tensor | None = None,
    counted: Tensor | None = None,
) -> ImageLosses:
    """Losses of a batch, of every image by itself.

    Parameters
    ----------
    config : LossConfig
        Which terms, with which weights.
    maps : (N, K, H, W) Tensor
        Output of a `BrightfieldUNet`, of any float type: logits of the foreground; for K = 2, the distance.
    foreground : (N, 1, H, W) Tensor
        1 in cells, 0 in the background.
    distance : (N, 1, H, W) Tensor, optional
        What the distance head should give; needed for K = 2.
    counted : (N, 1, H, W) Tensor, optional
        How much a pixel counts; 0 where it is ignored.

    Raises
    ------
    ValueError
        Where maps of two channels come without a distance, or the other way round.
    """
    if (maps.shape[1] == 2) != (distance is not None):
        raise ValueError(f"{maps.shape[1]} maps do not go with distance={type(distance).__name__}")
    logits = maps[:, :1]
    terms: dict[str, Tensor] = {}
    weights: dict[str, float] = {}
    if config.cross_entropy:
        weights["cross_entropy"] = config.cross_entropy
        terms["cross_entropy"] = weighted_cross_entropy(logits, foreground, counted, config.foreground_weight)
    if config.focal:
        weights["focal"] = config.focal
        terms["focal"] = focal_loss(logits, foreground, counted, config.alpha, config.gamma)
    if config.dice:
        weights["dice"] = config.dice
        terms["dice"] = dice_loss(logits, foreground, counted, config.smooth)
    if config.boundary:
        weights["boundary"] = config.boundary
        terms["boundary"] = boundary_loss(logits, foreground, counted)
    if distance is not None and config.distance:
        weights["distance"] = config.distance
        terms["distance"] = distance_loss(maps[:, 1:], distance, foreground, counted)
    total = torch.stack([weights[name] * value for name, value in terms.items()]).sum(0)
    return ImageLosses(total, terms)


def joined_losses(found: Sequence[ImageLosses]) -> ImageLosses:
    """Losses of the images of several batches, as of one."""
    terms = {name: torch.cat([losses.terms[name] for losses in found]) for name in found[0].terms}
    return ImageLosses(torch.cat([losses.total for losses in found]), terms)


def mean_losses(found: Sequence[ImageLosses]) -> dict[str, float]:
    """Means over the images of several batches: the total, and its terms."""
    losses = joined_losses(found)
    means = {name: float(values.mean()) for name, values in losses.terms.items()}
    return {"total": float(losses.total.mean()), **means}


def weighted_cross_entropy(
    logits: Tensor, target: Tensor, counted: Tensor | None = None, foreground_weight: float = 10.0
) -> Tensor:
    """Mean over the pixels of the cross-entropy, in which cells weigh more, (N,)."""
    logits, target = logits.float(), target.float()
    loss = -foreground_weight * target * logsigmoid(logits) - (1 - target) * logsigmoid(-logits)
    return _mean(loss, counted)


def focal_loss(
    logits: Tensor, target: Tensor, counted: Tensor | None = None, alpha: float = 0.25, gamma: float = 2.0
) -> Tensor:
    """Mean over the pixels of the focal loss, (N,).

    -α(1-p)^γ log p in cells and -(1-α)p^γ log(1-p) in the background (Lin et al. 2017, Focal loss for dense
    object detection, arXiv:1708.02002).
    """
    logits, target = logits.float(), target.float()
    right = logits * (2 * target - 1)
    share = alpha * target + (1 - alpha) * (1 - target)
    loss = -share * torch.exp(gamma * logsigmoid(-right)) * logsigmoid(right)
    return _mean(loss, counted)


def dice_loss(logits: Tensor, target: Tensor, counted: Tensor | None = None, smooth: float = 1.0) -> Tensor:
    """1 - (2Σpy + s) / (Σp + Σy + s) over the pixels of each image, (N,).

    p is the probability, y the target; an empty target that is found empty has a loss of 0.
    """
    probability, target = torch.sigmoid(logits.float()), target.float()
    counted = torch.ones_like(target) if counted is None else counted.float()
    overlap = (counted * probability * target).sum((1, 2, 3))
    sizes = (counted * (probability + target)).sum((1, 2, 3))
    return 1 - (2 * overlap + smooth) / (sizes + smooth)


def boundary_loss(logits: Tensor, target: Tensor, counted: Tensor | None = None) -> Tensor:
    """Mean absolute difference between the edges of the probability and of the target, (N,).

    Edges are the Laplacian over the eight neighbours, divided by eight, of the image continued by its
    outermost pixels. A pixel counts as little as the least of its neighbours in the image.
    """
    loss = (laplacian(torch.sigmoid(logits.float())) - laplacian(target.float())).abs()
    if counted is not None:
        counted = -max_pool2d(-counted.float(), 3, stride=1, padding=1)
    return _mean(loss, counted)


def laplacian(x: Tensor) -> Tensor:
    """Mean of the eight neighbours minus the pixel, (N, C, H, W); edges are continued."""
    around = avg_pool2d(pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return (around - x) * (9 / 8)


def distance_loss(
    found: Tensor, wanted: Tensor, foreground: Tensor, counted: Tensor | None = None, beta: float = 0.05
) -> Tensor:
    """Mean smooth L1 loss over the pixels of cells, (N,); 0 for an image without cells.

    Parameters
    ----------
    found, wanted : (N, 1, H, W) Tensor
        Distance to the cell's border as a share of the cell's largest.
    foreground : (N, 1, H, W) Tensor
        1 in cells; elsewhere the distance means nothing.
    counted : (N, 1, H, W) Tensor, optional
        How much a pixel counts.
    beta : float
        Difference up to which the loss is a square.
    """
    loss = smooth_l1_loss(found.float(), wanted.float(), reduction="none", beta=beta)
    inside = foreground.float()
    return _mean(loss, inside if counted is None else inside * counted)


def _mean(values: Tensor, counted: Tensor | None) -> Tensor:
    """Weighted mean over the pixels of each image, (N,); 0 where none counts."""
    if counted is None:
        return values.mean((1, 2, 3))
    counted = counted.float()
    total = counted.sum((1, 2, 3))
    return (values * counted).sum((1, 2, 3)) / torch.where(total > 0, total, 1)
