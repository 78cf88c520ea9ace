"""Moments of objects as shapes: raw, central, normalised, Hu's invariants, the inertia tensor."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_cellseg.features.feature import Columns, Feature
from napari_cellseg.features.masks import masks_of
from napari_cellseg.features.objects import Objects

ORDERS = 4
_HU = "Hu 1962, IRE Trans. Inf. Theory 8:179"


def _feature(name: str, definition: str, formula: str, source: str = "", note: str = "") -> Feature:
    return Feature(
        name=name,
        group="moments",
        quantity="none",
        dtype="float64",
        dims=(2,),
        definition=definition,
        formula=formula,
        source=source or f"scikit-image `{name.split('-')[0]}`",
        default=False,
        note=note,
    )


def _square(name: str, definition: str, formula: str, note: str) -> tuple[Feature, ...]:
    """A feature for each pair of orders along rows' and columns' axis."""
    return tuple(
        _feature(f"{name}-{i}-{j}", definition, formula, note=note)
        for i in range(ORDERS)
        for j in range(ORDERS)
    )


FEATURES: tuple[Feature, ...] = (
    *(
        _feature(
            f"moments_hu-{i}",
            "Invariant of the shape under shift, scale and rotation; the last changes sign in the mirror.",
            "of the normalised central moments η",
            f"scikit-image `moments_hu`; {_HU}",
            "scikit-image takes pixels of size 1 only; here oblong pixels have their place and area.",
        )
        for i in range(7)
    ),
    *_square(
        "moments_central",
        "Sum over the pixels of powers of their distance from the centroid along both axes.",
        "μ_ij = Σ (y - ȳ)^i (x - x̄)^j",
        "In powers of the unit; not times the area of a pixel.",
    ),
    *_square(
        "moments_normalized",
        "Central moments that do not depend on size.",
        "η_ij = μ_ij / (s^(i+j) μ_00^((i+j)/2 + 1)), s the smaller side of a pixel",
        "NaN for orders below 2.",
    ),
    *_square(
        "moments",
        "Sum over the pixels of powers of their place along both axes.",
        "M_ij = Σ y^i x^j",
        "From the first pixel of the box around the object. In powers of the unit.",
    ),
    *(
        _feature(
            f"inertia_tensor-{i}-{j}",
            "Inertia of the shape about its centroid, per pixel.",
            "var(x), -cov(y, x); -cov(y, x), var(y)",
            note="In the square of the unit.",
        )
        for i in range(2)
        for j in range(2)
    ),
    *(
        _feature(
            f"inertia_tensor_eigvals-{i}",
            "Eigenvalue of the inertia tensor, the larger first.",
            "λ1 ≥ λ2",
            note="In the square of the unit.",
        )
        for i in range(2)
    ),
)


def moments(objects: Objects) -> Columns:
    """Measure the moments group of a plane; columns as in `FEATURES`."""
    masks, spacing = masks_of(objects), objects.spacing
    raw = np.zeros((len(objects), ORDERS, ORDERS))
    central = np.zeros_like(raw)
    _measure_moments(masks.pixels, masks.starts, masks.shapes, *spacing, raw, central)
    order = np.add.outer(np.arange(ORDERS), np.arange(ORDERS))
    count = objects.areas[:, None, None]
    eta = central / count ** (order / 2 + 1.0)
    normalized = np.where(order < 2, np.nan, eta / min(spacing) ** order)
    spread = central / count
    yy, yx, xx = spread[:, 2, 0], spread[:, 1, 1], spread[:, 0, 2]
    root = np.hypot((yy - xx) / 2, yx)
    columns = _named("moments_hu", _hu_invariants(eta / float(np.prod(spacing)) ** (order / 2)))
    columns |= _named("moments_central", central) | _named("moments_normalized", normalized)
    columns |= _named("moments", raw)
    columns |= _named("inertia_tensor", np.stack([xx, -yx, -yx, yy], 1).reshape(-1, 2, 2))
    values = np.stack([(yy + xx) / 2 + root, np.maximum((yy + xx) / 2 - root, 0)], 1)
    return columns | _named("inertia_tensor_eigvals", values)


def _named(name: str, values: NDArray[np.float64]) -> Columns:
    """Columns ``name-i`` or ``name-i-j`` of an array (N, …)."""
    return {
        "-".join([name, *map(str, at)]): values[(slice(None), *at)].copy()
        for at in np.ndindex(*values.shape[1:])
    }


def _hu_invariants(eta: NDArray[np.float64]) -> NDArray[np.float64]:
    """Hu's seven invariants (N, 7) of normalised central moments (N, 4, 4)."""
    total, difference = eta[:, 2, 0] + eta[:, 0, 2], eta[:, 2, 0] - eta[:, 0, 2]
    mixed = eta[:, 1, 1]
    p, q = eta[:, 3, 0] - 3 * eta[:, 1, 2], 3 * eta[:, 2, 1] - eta[:, 0, 3]
    r, s = eta[:, 3, 0] + eta[:, 1, 2], eta[:, 2, 1] + eta[:, 0, 3]
    return np.stack(
        [
            total,
            difference**2 + 4 * mixed**2,
            p**2 + q**2,
            r**2 + s**2,
            p * r * (r**2 - 3 * s**2) + q * s * (3 * r**2 - s**2),
            difference * (r**2 - s**2) + 4 * mixed * r * s,
            q * r * (r**2 - 3 * s**2) - p * s * (3 * r**2 - s**2),
        ],
        axis=1,
    )


@njit(cache=True, nogil=True)
def _add_moments(mask: Any, y0: float, x0: float, sy: float, sx: float, sums: Any) -> None:
    """Sums of powers of places from (y0, x0), which is in pixels of the mask."""
    for i in range(mask.shape[0]):
        ones = first = second = third = 0.0
        for j in range(mask.shape[1]):
            if mask[i, j]:
                x = (j - x0) * sx
                ones += 1
                first += x
                second += x * x
                third += x * x * x
        power, y = 1.0, (i - y0) * sy
        for order in range(ORDERS):
            sums[order, 0] += power * ones
            sums[order, 1] += power * first
            sums[order, 2] += power * second
            sums[order, 3] += power * third
            power *= y


@njit(cache=True, nogil=True)
def _measure_moments(
    pixels: Any, starts: Any, shapes: Any, sy: float, sx: float, raw: Any, central: Any
) -> None:
    for i in range(len(starts)):
        height, width = shapes[i]
        mask = pixels[starts[i] : starts[i] + height * width].reshape(height, width)
        _add_moments(mask, 1.0, 1.0, sy, sx, raw[i])
        cy, cx = raw[i, 1, 0] / raw[i, 0, 0] / sy + 1, raw[i, 0, 1] / raw[i, 0, 0] / sx + 1
        _add_moments(mask, cy, cx, sy, sx, central[i])
