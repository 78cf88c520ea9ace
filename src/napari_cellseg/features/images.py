"""A row for each image: how many objects, how much of it they cover, of which class, and how good it is."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.errors import OptionError
from napari_cellseg.events import Job, Progress, drain
from napari_cellseg.features.aligned import align, resolve_spacing
from napari_cellseg.features.feature import Feature, Quantity
from napari_cellseg.features.joining import INDEX, check_known, classes_of, kinds_of
from napari_cellseg.features.objects import Objects
from napari_cellseg.features.quality import blur, focus, saturation, unevenness
from napari_cellseg.features.registry import unit_of


def _feature(
    name: str,
    quantity: Quantity,
    definition: str,
    formula: str,
    source: str,
    *,
    dtype: Literal["float64", "int64"] = "float64",
    dims: tuple[int, ...] = (2, 3),
    note: str = "",
) -> Feature:
    return Feature(name, "image", quantity, dtype, dims, definition, formula, source, True, note)


IMAGE_FEATURES = (
    _feature("count", "count", "Number of objects.", "N", "Definition", dtype="int64"),
    _feature(
        "confluence",
        "ratio",
        "Share of the image that objects cover.",
        "Σ A / (height · width)",
        "Cell culture: area fraction",
    ),
    _feature("density", "density", "Objects per area of the image.", "N / area of the image", "Definition"),
    _feature(
        "count_of",
        "count",
        "Number of objects of a class.",
        "N_C",
        "Definition",
        dtype="int64",
        note="0 where the class is in other images only.",
    ),
    _feature(
        "fraction_of",
        "ratio",
        "Share of a class among the objects that have one: viability, mitotic index.",
        "N_C / Σ N over classes",
        "Definition",
        note="NaN where no object has a class.",
    ),
    _feature(
        "focus",
        "ratio",
        "Variance of the Laplacian over the variance of the intensities; higher is sharper.",
        "var(∇²I) / var(I)",
        "Pech-Pacheco et al. 2000",
        dims=(2,),
        note="Noise raises it: 20 for nothing but noise. Compare it within one series only.",
    ),
    _feature(
        "blur",
        "ratio",
        "How little is lost by blurring once more: 0 is sharp, 1 is blurred.",
        "max over axes of 1 − Σ lost slopes / Σ slopes",
        "scikit-image `blur_effect`; Crete et al. 2007",
        dims=(2,),
    ),
    _feature(
        "saturation",
        "ratio",
        "Share of pixels at the highest value that the camera can give.",
        "#{I = 2ᵇ − 1} / #pixels",
        "CellProfiler `PercentMaximal`",
        dims=(2,),
        note="b: the fewest bits of 8, 10, 12, 14, 16, 32, 64 that hold the brightest pixel; floats: 1. "
        "CellProfiler counts pixels at the image's own maximum, saturated or not.",
    ),
    _feature(
        "unevenness",
        "ratio",
        "How much the light of the background changes over the image, relative to its mean.",
        "(max − min) / mean of a quadratic surface through medians of the background",
        "Lindblad & Bengtsson 2001",
        dims=(2,),
        note="8 × 8 blocks; NaN where fewer than 12 of them hold background.",
    ),
)
"""The columns of `measure_images`; those of classes and several channels end in ``-CLASS``, ``-CHANNEL``."""


def summarise_image(
    everyone: Objects,
    image: NDArray[Any] | None = None,
    channels: Sequence[str] = ("",),
    *,
    classes: Sequence[str | None] | None = None,
    kinds: Sequence[str] | None = None,
) -> dict[str, float]:
    """Describe one image (or volume) by what `IMAGE_FEATURES` lists.

    Parameters
    ----------
    everyone : Objects
        All its objects.
    image : (Y, X, C) ndarray, optional
        Its intensities, for its quality; of a volume none is measured.
    channels : sequence of str
        A name for each channel.
    classes : sequence of str or None, optional
        Class of each object; None where it has none.
    kinds : sequence of str, optional
        The classes to count. None: those that are there.

    Raises
    ------
    OptionError
        Where there is not a class, or None, for each object.
    """
    size = everyone.labels.size
    found: dict[str, float] = {
        "count": len(everyone),
        "confluence": float(everyone.areas.sum() / size),
        "density": float(len(everyone) / (size * np.prod(everyone.spacing))),
    }
    if classes is not None:
        found |= _class_counts(everyone, classes, kinds)
    if image is not None and everyone.ndim == 2:
        for place, channel in enumerate(channels):
            ending = f"-{channel}" if len(channels) > 1 else ""
            pixels = image[..., place]
            found[f"focus{ending}"] = focus(pixels)
            found[f"blur{ending}"] = blur(pixels)
            found[f"saturation{ending}"] = saturation(pixels)
            found[f"unevenness{ending}"] = unevenness(pixels, everyone.labels)
    return found


def _class_counts(
    everyone: Objects, classes: Sequence[str | None], kinds: Sequence[str] | None
) -> dict[str, float]:
    if len(classes) != len(everyone):
        raise OptionError(f"Each of the {len(everyone)} objects needs a class or None, not {len(classes)}.")
    known = [c for c in classes if c is not None]
    found: dict[str, float] = {}
    for kind in sorted(set(known)) if kinds is None else kinds:
        found[f"count_of-{kind}"] = known.count(kind)
        found[f"fraction_of-{kind}"] = known.count(kind) / len(known) if known else np.nan
    return found


def measuring_images(
    labels: Any,
    image: Any = None,
    *,
    scale: float | Sequence[float] | None = None,
    unit: str = "px",
    axes: str | None = None,
    channels: Sequence[str] | None = None,
    table: pd.DataFrame | None = None,
    volume: bool = False,
) -> Job[pd.DataFrame]:
    """Describe images step by step; `measure_images` does the same in one go and explains the parameters."""
    planes = align(labels, image, axes=axes, channels=channels, volume=volume)
    spacing = resolve_spacing(scale, planes)
    places = tuple(a.lower() for a in planes.outer_axes)
    known = check_known(table, places)
    has_classes = known is not None and "class" in known
    kinds = kinds_of(known)
    rows = []
    for plane in range(len(planes)):
        yield Progress("Measuring images", plane, len(planes))
        everyone = Objects.found_in(planes.read_labels(plane), spacing=spacing)
        place = {axis.lower(): i for axis, i in planes.place(plane).items()}
        ids = pd.DataFrame({INDEX: everyone.ids} | {p: np.full(len(everyone), i) for p, i in place.items()})
        classes = classes_of(ids, known, places) if has_classes else None
        values = summarise_image(
            everyone, planes.read_image(plane), planes.channels, classes=classes, kinds=kinds
        )
        rows.append(place | values)
    yield Progress("Measuring images", len(planes), len(planes))
    result = pd.DataFrame(rows)
    features = {f.name: f for f in IMAGE_FEATURES}
    own = [c for c in result if c not in places]
    result.attrs["units"] = {c: unit_of(features[c.split("-")[0]], unit) for c in own}
    if volume:
        result.attrs["units"]["density"] = f"1/{unit}³"
    result.attrs["definitions"] = {c: _defined(c, features) for c in own}
    return result


def _defined(column: str, features: dict[str, Feature]) -> str:
    """What a column means; of a class or channel, which."""
    name, _, part = column.partition("-")
    definition = features[name].definition
    return f"{definition} Of {part}." if part else definition


def measure_images(
    labels: Any,
    image: Any = None,
    *,
    scale: float | Sequence[float] | None = None,
    unit: str = "px",
    axes: str | None = None,
    channels: Sequence[str] | None = None,
    table: pd.DataFrame | None = None,
    volume: bool = False,
    progress: Callable[[Progress], object] | None = None,
) -> pd.DataFrame:
    """Count and cover, classes and quality: a row for each plane.

    Parameters
    ----------
    labels, image, scale, unit, axes, channels, volume
        As of `measure`. Of volumes the quality of the image is not measured.
    table : DataFrame, optional
        With the columns ``index`` and ``class``, for the classes of the objects.
    progress : callable, optional
        Called with each `Progress`.

    Returns
    -------
    DataFrame
        ``t`` and ``z`` where there are such axes, then the columns of `IMAGE_FEATURES`, as far as there are
        classes and an image. ``attrs["units"]`` and ``attrs["definitions"]``: of each of these.

    Raises
    ------
    LabelsError, AxesError, OptionError
        Where the labels, the image or an argument cannot be used; the text says why.
    """
    job = measuring_images(
        labels,
        image,
        scale=scale,
        unit=unit,
        axes=axes,
        channels=channels,
        table=table,
        volume=volume,
    )
    return drain(job, progress)
