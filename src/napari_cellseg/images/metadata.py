"""What a file says about its image: axes, pixel size, channel names, time between frames."""

from dataclasses import dataclass
from math import isfinite
from typing import Any

from napari_cellseg.images.axes import AXES

_MICROMETRES = {
    "m": 1e6, "meter": 1e6, "metre": 1e6,
    "dm": 1e5, "decimeter": 1e5,
    "cm": 1e4, "centimeter": 1e4, "centimetre": 1e4,
    "mm": 1e3, "millimeter": 1e3, "millimetre": 1e3,
    "µm": 1.0, "um": 1.0, "micron": 1.0, "micrometer": 1.0, "micrometre": 1.0,
    "nm": 1e-3, "nanometer": 1e-3, "nanometre": 1e-3,
    "å": 1e-4, "angstrom": 1e-4, "ångström": 1e-4,
    "pm": 1e-6, "picometer": 1e-6, "picometre": 1e-6,
    "in": 25400.0, "inch": 25400.0, "inches": 25400.0,
}  # fmt: skip
_SECONDS = {
    "s": 1.0, "sec": 1.0, "second": 1.0,
    "ms": 1e-3, "msec": 1e-3, "millisecond": 1e-3,
    "µs": 1e-6, "us": 1e-6, "microsecond": 1e-6,
    "min": 60.0, "minute": 60.0,
    "h": 3600.0, "hour": 3600.0, "d": 86400.0, "day": 86400.0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class PixelSize:
    """Size of a pixel in micrometres.

    Attributes
    ----------
    y, x : float
        Height and width of a pixel, µm.
    z : float or None
        Distance of two planes, µm.
    """

    y: float
    x: float
    z: float | None = None


@dataclass(frozen=True, slots=True)
class ImageMetadata:
    """What a file says about its image; None and empty where it says nothing.

    Attributes
    ----------
    axes : str or None
        One letter of ``"TZCYXS"`` per dimension.
    pixel_size : PixelSize or None
        In µm.
    channel_names : tuple of str
        One per channel, or empty.
    time_interval : float or None
        Seconds between two frames.
    notes : tuple of str
        Sentences for the user on what was assumed or left out.
    equal_colours : bool
        Whether red, green and blue are the same everywhere, so that the picture was read as grey.
    assumed_axes : str
        Those of the axes that the file does not name.
    """

    axes: str | None = None
    pixel_size: PixelSize | None = None
    channel_names: tuple[str, ...] = ()
    time_interval: float | None = None
    notes: tuple[str, ...] = ()
    equal_colours: bool = False
    assumed_axes: str = ""


def micrometres(value: Any, unit: str | None) -> float | None:
    """A length in µm; None where the unit is unknown or the value is not a finite number above 0."""
    return _converted(value, unit, _MICROMETRES)


def seconds(value: Any, unit: str | None) -> float | None:
    """A duration in seconds; None where the unit is unknown or the value is not a finite number above 0."""
    return _converted(value, unit, _SECONDS)


def pixel_size(y: float | None, x: float | None, z: float | None = None) -> PixelSize | None:
    """Pixel size from what is known: square pixels where one edge is missing, None where both are."""
    if y is None and x is None:
        return None
    return PixelSize(y=float(y or x or 0), x=float(x or y or 0), z=z)


def name_axes(letters: str, shape: tuple[int, ...]) -> tuple[str, tuple[int, ...], str, tuple[str, ...]]:
    """Axes of a file in this package's letters.

    An axis of another letter is dropped where its length is 1; otherwise it numbers the planes.

    Parameters
    ----------
    letters : str
        One letter per dimension, as the file names them.
    shape : tuple of int
        Lengths of the dimensions.

    Returns
    -------
    axes : str
        The letters that remain; empty where there are more unknown axes than T and Z can take.
    dropped : tuple of int
        Dimensions of length 1 to leave out.
    assumed : str
        Those of the letters that the file does not name.
    notes : tuple of str
        The same in words.
    """
    letters = letters.upper()
    free = [a for a in "TZ" if a not in letters]
    axes, dropped, assumed, notes = "", [], "", []
    for dimension, (letter, length) in enumerate(zip(letters, shape, strict=True)):
        if letter in AXES and letter not in axes:
            axes += letter
        elif length == 1:
            dropped.append(dimension)
        elif free:
            axes += free[0]
            assumed += free.pop(0)
            notes.append(
                f"The file doesn't say what its {length} planes are; they are read as axis {axes[-1]}."
            )
        else:
            return "", (), "", ()
    return axes, tuple(dropped), assumed, tuple(notes)


def _converted(value: Any, unit: str | None, factors: dict[str, float]) -> float | None:
    name = (unit or "").strip().strip("\x00").replace("\\u00B5", "µ").replace("\\u00b5", "µ")
    name = name.replace("μ", "µ").replace("Â", "").lower()
    factor = factors.get(name) or factors.get(name.removesuffix("s"))
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    if factor is None or not isfinite(number) or number <= 0:
        return None
    return number * factor
