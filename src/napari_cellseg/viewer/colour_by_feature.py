"""Labels coloured by a feature: its values on a scale of colours, or its words."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.viewer.coalesced import Coalesced, Later
from napari_cellseg.viewer.measured_layer import MeasuredLayer
from napari_cellseg.viewer.palette_colormap import PaletteColormap

MAPS = {
    "viridis": "Viridis (blue to yellow)",
    "cividis": "Cividis (blue to yellow, most even)",
    "inferno": "Inferno (black to yellow)",
    "twilight": "Twilight (for angles)",
}
"""Colour maps that colour-blind eyes read in order."""
WORDS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442")
"""Colours of words, which colour-blind eyes tell apart (Okabe and Ito)."""
OTHERS = "#999999"
"""Words beyond the last colour, and cells without a value."""
FAR = 3.0
"""Interquartile ranges from the quartiles beyond which a value is an outlier, however many there are."""
STEPS = 252
"""Distinct colours of a scale; with those of other cells they fit into a byte, which napari draws fastest."""
INTERVAL = 1.0
"""Seconds between two colourings after edits, each of which draws the whole plane."""


@dataclass(frozen=True)
class ColourScale:
    """What the colours mean.

    Attributes
    ----------
    column, unit : str
        What is shown.
    low, high : float
        Values at the ends of the colour map; values beyond have the colour of the end. NaN for words.
    colours : (C, 4) ndarray of float
        RGBA from low to high, or one for each of `words`.
    words : tuple of str
        Empty for numbers.
    below, above : int
        Rows whose values lie beyond the ends.
    """

    column: str
    unit: str
    low: float
    high: float
    colours: NDArray[np.float64]
    words: tuple[str, ...] = ()
    below: int = 0
    above: int = 0


@dataclass(frozen=True)
class ColourChoices:
    """How cells are to be coloured.

    Attributes
    ----------
    column : str
        A column of `MeasuredLayer.table`.
    colour_map : str
        A key of `MAPS`.
    percentiles : (float, float)
        Which share of the cells lies below the first colour and below the last, percent. Values farther
        than `FAR` interquartile ranges from the quartiles lie beyond the ends too, so that specks with odd
        values don't use up the colours; not at 0 and at 100, which take the whole range.
    """

    column: str
    colour_map: str = "viridis"
    percentiles: tuple[float, float] = (1.0, 99.0)


class FeatureColours:
    """Colours the cells of a layer by a column of its table, as long as that is on.

    Parameters
    ----------
    measured : MeasuredLayer
        Whose cells.
    later : Later, optional
        How to wait without blocking.
    """

    def __init__(self, measured: MeasuredLayer, later: Later | None = None) -> None:
        self._measured = measured
        self.choices: ColourChoices | None = None
        self.scale: ColourScale | None = None
        self.on_change: list[Callable[[], None]] = []
        self._scaled_for: object = None
        self._before: Any = None
        self._own: Any = None
        self._drawn: tuple[NDArray[np.int64], NDArray[np.intp]] | None = None
        self._again = Coalesced(self._follow, INTERVAL, later)
        measured.on_change.append(self._again.request)

    @property
    def shown(self) -> bool:
        """Whether the layer has these colours; somebody else may have changed them."""
        return self._own is not None and self._measured.layer.colormap is self._own

    def show(self, choices: ColourChoices) -> ColourScale:
        """Colour the cells.

        Parameters
        ----------
        choices : ColourChoices
            How.
        """
        if not self.shown:
            self._before = self._measured.layer.colormap
        self.choices, self._scaled_for, self._drawn = choices, self._measured.request, None
        self.scale = colour_scale(self._measured, choices)
        self._apply(self.scale)
        self._tell()
        return self.scale

    def hide(self) -> None:
        """Colour the cells as before."""
        if self.shown:
            self._measured.layer.colormap = self._before
        self._own = self._before = self.scale = self._drawn = None
        self._tell()

    def close(self) -> None:
        """Colour as before, and follow no longer."""
        self._again.cancel()
        if self._again.request in self._measured.on_change:
            self._measured.on_change.remove(self._again.request)
        self.hide()

    def _follow(self) -> None:
        """Values are others; the ends of the scale stay, unless everything was measured anew."""
        if not self.shown or self.scale is None or self.choices is None:
            return
        if self._scaled_for is not self._measured.request or self.scale.words:
            if self.choices.column not in self._measured.table:
                self.hide()
                return
            self.scale, self._scaled_for = colour_scale(self._measured, self.choices), self._measured.request
            self._tell()
        self._apply(self.scale)

    def _apply(self, scale: ColourScale) -> None:
        labels, bins = colour_bins(self._measured, scale)
        drawn = self._drawn
        if drawn is not None and np.array_equal(drawn[0], labels) and np.array_equal(drawn[1], bins):
            return
        self._drawn = labels, bins
        palette = np.vstack([scale.colours, _rgba(OTHERS)]).astype(np.float32)
        self._own = self._measured.layer.colormap = PaletteColormap.of(labels, bins, palette, OTHERS)

    def _tell(self) -> None:
        for callback in list(self.on_change):
            callback()


def colour_scale(measured: MeasuredLayer, choices: ColourChoices) -> ColourScale:
    """The scale of colours for a column.

    Parameters
    ----------
    measured : MeasuredLayer
        Whose cells.
    choices : ColourChoices
        Which column, and how.
    """
    values = measured.table[choices.column]
    unit = measured.units.get(choices.column, "")
    if not is_number(values):
        words = sorted({str(v) for v in values.dropna()})
        colours = [_rgba(WORDS[i] if i < len(WORDS) else OTHERS) for i in range(len(words))]
        table = np.array(colours, np.float64).reshape(-1, 4)
        return ColourScale(choices.column, unit, np.nan, np.nan, table, tuple(words))
    finite = values.to_numpy(np.float64)
    finite = finite[np.isfinite(finite)]
    low, high = _ends(finite, choices.percentiles)
    beyond = {"below": int((finite < low).sum()), "above": int((finite > high).sum())}
    return ColourScale(choices.column, unit, low, high, map_colours(choices.colour_map), **beyond)


def _ends(values: NDArray[np.float64], percentiles: tuple[float, float]) -> tuple[float, float]:
    """Ends of a scale; where a part is left out, far outliers (Tukey 1977) are as well, however many."""
    if not len(values):
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(values, percentiles))
    first, third = np.percentile(values, (25, 75))
    reach = FAR * (third - first)
    if reach > 0 and percentiles[0] > 0:
        low = max(low, float(values[values >= first - reach].min()))
    if reach > 0 and percentiles[1] < 100:
        high = min(high, float(values[values <= third + reach].max()))
    return low, high


def colour_bins(measured: MeasuredLayer, scale: ColourScale) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """Labels (N,) and the row of the scale's colours that each has; one more than the last is no value.

    Of labels in several planes the value in the shown plane counts.
    """
    rows = measured.shown
    labels, values = rows["index"].to_numpy(np.int64), rows[scale.column]
    if scale.words:
        places = pd.Index(scale.words).get_indexer(values.astype(object).where(values.notna()))
        return labels, np.where(places < 0, len(scale.words), places)
    numbers = values.to_numpy(np.float64)
    span = scale.high - scale.low
    share = (numbers - scale.low) / span if span > 0 else np.where(np.isnan(numbers), np.nan, 0.5)
    known = np.isfinite(numbers)
    steps = len(scale.colours)
    bins = np.clip(np.where(known, share, 0) * steps, 0, steps - 1).astype(np.intp)
    return labels, np.where(known, bins, steps)


def is_number(values: "pd.Series") -> bool:
    """Whether a column holds numbers or truths, not words."""
    return isinstance(values.dtype, np.dtype) and values.dtype.kind in "biuf"


def map_colours(name: str, steps: int = STEPS) -> NDArray[np.float64]:
    """Colours (C, 4) of a colour map, from low to high."""
    import matplotlib

    return np.asarray(matplotlib.colormaps[name](np.linspace(0, 1, steps)), np.float64)


def _rgba(colour: str) -> NDArray[np.float64]:
    return np.array([*(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)), 1.0])
