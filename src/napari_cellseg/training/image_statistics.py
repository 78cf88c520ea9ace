"""What an image looks like in a few numbers, to tell how unlike others it is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_cellseg.images.scaling import intensity_range, scale_intensity

Values = NDArray[np.float64]

WIDTHS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Widths in pixels of the Gaussians between which texture is measured."""


@dataclass(frozen=True, slots=True)
class Statistic:
    """A number that describes an image.

    Attributes
    ----------
    name : str
        What it is.
    least : float
        Difference that is nothing special, whatever the images.
    more, less : str
        What is said of an image that has more or less of it than others.
    """

    name: str
    least: float
    more: str
    less: str


STATISTICS = (
    Statistic("brightness", 0.08, "a brighter background", "a darker background"),
    Statistic("contrast", 0.06, "larger contrast", "smaller contrast"),
    Statistic("skewness", 0.7, "fewer bright parts", "more bright parts"),
    Statistic("colour", 0.04, "more colour", "less colour"),
    *(
        Statistic(f"texture_{w:g}", 0.35, *words)
        for w, words in zip(
            WIDTHS[:-1],
            [("more noise or fine detail", "less fine detail")] * 2
            + [("more texture", "less texture")] * 2
            + [("more coarse structure", "less coarse structure")],
            strict=True,
        )
    ),
    Statistic("diameter", 0.25, "larger objects", "smaller objects"),
    Statistic("coverage", 0.12, "more of it covered by objects", "less of it covered by objects"),
)
"""What images are described by, in the order of `describe_image`."""

_LEAST = np.array([statistic.least for statistic in STATISTICS])

CLOSE = 0.5
"""Distance up to which images are alike, whatever the others."""

UNLIKE = 1.5
"""Steps of `Statistic.least` outside the range of others from which a difference is named."""


def describe_image(pixels: NDArray[np.generic], diameters: Values, covered: float) -> Values:
    """Numbers that describe an image.

    Parameters
    ----------
    pixels : (Y, X) or (Y, X, C) ndarray
        Any bool, integer or float type.
    diameters : (N,) ndarray of float64
        Diameters of its objects, pixels.
    covered : float
        Share of the pixels that lie on objects.

    Returns
    -------
    (len(STATISTICS),) ndarray of float64
        Of intensities between the 1st and 99.8th percentile: median, standard deviation, skewness; mean
        difference between the strongest and weakest channel; logarithm of the standard deviation between
        Gaussians of neighbouring `WIDTHS`, by that of the whole; logarithm of the median diameter (NaN
        without objects); the share that is covered.
    """
    scaled = scale_intensity(pixels if pixels.ndim == 3 else pixels[..., None], intensity_range(pixels))
    scaled = np.nan_to_num(scaled).clip(0, 1).astype(np.float32)
    grey = scaled.mean(axis=2)
    spread = max(float(grey.std()), 1e-3)
    blurred = [gaussian_filter(grey, w) for w in WIDTHS]
    bands = [float((a - b).std()) for a, b in zip(blurred, blurred[1:], strict=False)]
    return np.array(
        [
            np.median(grey),
            spread,
            float((((grey - grey.mean()) / spread) ** 3).mean()),
            float((scaled.max(axis=2) - scaled.min(axis=2)).mean()),
            *(np.log(max(band, 1e-4) / spread) for band in bands),
            np.log(np.median(diameters)) if len(diameters) else np.nan,
            covered,
        ]
    )


def distances(descriptions: Values, references: Values | None) -> Values:
    """Distance of images from the nearest of others.

    Parameters
    ----------
    descriptions : (N, K) ndarray of float64
        Of the images, from `describe_image`.
    references : (R, K) ndarray of float64, optional
        Of the others.

    Returns
    -------
    (N,) ndarray of float64
        Up to about 1 an image is as like the others as they are like each other; NaN without others.
    """
    if references is None or not len(references):
        return np.full(len(descriptions), np.nan)
    between = pair_distances(references, references)
    np.fill_diagonal(between, np.inf)
    nearest = between.min(axis=1)
    usual = float(np.median(nearest)) if len(references) > 1 else 0.0
    return np.asarray(pair_distances(descriptions, references).min(axis=1) / max(usual, CLOSE))


def pair_distances(one: Values, other: Values) -> Values:
    """Distances (N, R) of descriptions (N, K) from others (R, K).

    Root mean square over the statistics that both have, each by its `Statistic.least`.
    """
    gaps = ((one[:, None] - other[None]) / _LEAST) ** 2
    return np.asarray(np.sqrt(np.nan_to_num(gaps).sum(axis=2) / np.maximum(np.isfinite(gaps).sum(axis=2), 1)))


def unlike_words(description: Values, references: Values | None, most: int = 2) -> list[str]:
    """How an image differs from others, in words; the most unlike first.

    Parameters
    ----------
    description : (K,) ndarray of float64
        Of the image.
    references : (R, K) ndarray of float64, optional
        Of the others.
    most : int
        How many differences are named at most.
    """
    if references is None or not len(references):
        return []
    known = np.isfinite(description) & np.isfinite(references).any(axis=0)
    low, high = np.zeros(len(description)), np.zeros(len(description))
    low[known], high[known] = np.nanmin(references[:, known], axis=0), np.nanmax(references[:, known], axis=0)
    above, below = (np.where(known, gap, 0.0) / _LEAST for gap in (description - high, low - description))
    order = np.argsort(-np.maximum(above, below))
    told = [k for k in order if max(above[k], below[k]) > UNLIKE]
    words = [STATISTICS[k].more if above[k] > 0 else STATISTICS[k].less for k in told]
    return list(dict.fromkeys(words))[:most]
