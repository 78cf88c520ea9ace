"""Simulated bright-field images that one thing spoils more and more, to see what a model stands."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from napari_cellseg.errors import OptionError
from napari_cellseg.images.simulation.brightfield import simulate_brightfield
from napari_cellseg.images.simulation.scene import SimulatedImage, check_dials

DEGRADATIONS: Mapping[str, tuple[float, float]] = {
    "contrast": (0.8, 0.05),
    "uneven_light": (0.0, 1.0),
    "bubbles": (0.0, 1.0),
    "debris": (0.0, 1.0),
    "motion_blur": (0.0, 1.0),
    "defocus": (0.0, 1.0),
}
"""Dials of `simulate_brightfield` that spoil an image, with their values at severity 0 and 1."""

SEVERITIES = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class DegradedImage:
    """A simulated image and what spoils it.

    Attributes
    ----------
    degradation : str
        One of `DEGRADATIONS`.
    severity : float
        0 (not at all) to 1.
    value : float
        Value of the dial.
    seed : int
        Of the image: all severities of all degradations of a seed show the same cells.
    field : SimulatedImage
        The image and its truth.
    """

    degradation: str
    severity: float
    value: float
    seed: int
    field: SimulatedImage


def degraded_images(
    degradations: Sequence[str] = tuple(DEGRADATIONS),
    severities: Sequence[float] = SEVERITIES,
    seeds: Sequence[int] = (0, 1, 2, 3),
    *,
    shape: tuple[int, int] = (520, 704),
    diameter: tuple[float, float] = (36.0, 64.0),
    **dials: float,
) -> Iterator[DegradedImage]:
    """Simulate images that are spoilt in one way at a time.

    Parameters
    ----------
    degradations : sequence of str
        Of `DEGRADATIONS`.
    severities : sequence of float
        0 to 1; the dial's value lies that far between its two values in `DEGRADATIONS`.
    seeds : sequence of int
        An image each.
    shape, diameter, **dials
        Passed to `simulate_brightfield`; the dials of the other degradations stay as given here, or at
        their defaults.

    Yields
    ------
    DegradedImage
        By degradation, severity and seed, one image in memory at a time.

    Raises
    ------
    OptionError
        Where a degradation is unknown or a number out of its range, before anything is simulated.
    """
    unknown = [name for name in degradations if name not in DEGRADATIONS]
    if unknown:
        raise OptionError(f"degradation must be one of {', '.join(DEGRADATIONS)}, not '{unknown[0]}'.")
    for severity in severities:
        check_dials(severity=severity)
    return _spoilt(degradations, severities, seeds, shape, diameter, dials)


def _spoilt(
    degradations: Sequence[str],
    severities: Sequence[float],
    seeds: Sequence[int],
    shape: tuple[int, int],
    diameter: tuple[float, float],
    dials: Mapping[str, float],
) -> Iterator[DegradedImage]:
    for name in degradations:
        low, high = DEGRADATIONS[name]
        for severity in severities:
            value = (1 - severity) * low + severity * high
            for seed in seeds:
                settings = {**dials, name: value}
                field = simulate_brightfield(shape, diameter=diameter, seed=seed, **settings)  # type: ignore[arg-type]
                yield DegradedImage(name, severity, value, seed, field)
