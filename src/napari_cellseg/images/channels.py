"""Which channels of an image a model sees: one, or several combined."""

import operator
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.errors import AxesError, CellSegWarning

Channel: TypeAlias = int | Sequence[int] | Literal["mean", "max"] | None
"""One channel, the mean of some, the mean or the maximum of all, or None for the image's own way."""


@dataclass(frozen=True, slots=True)
class ChannelChoice:
    """Channels to read and how they become one.

    Attributes
    ----------
    axis : str
        ``"C"`` or ``"S"``, the axis chosen from; empty where there is no choice to make.
    members : tuple of int
        Positions along that axis.
    combine : {"mean", "max"} or None
        How several members become one channel.
    """

    axis: str = ""
    members: tuple[int, ...] = ()
    combine: Literal["mean", "max"] | None = None

    @property
    def selector(self) -> int | slice:
        """Index along the axis that covers all members."""
        if self.combine is None:
            return self.members[0]
        return slice(min(self.members), max(self.members) + 1)

    def dtype(self, dtype: np.dtype[Any]) -> np.dtype[Any]:
        """Type of the pixels once combined: a mean of integers is a float wide enough to hold it."""
        if self.combine != "mean" or dtype.kind == "f":
            return dtype
        return np.dtype(np.float32 if dtype.itemsize <= 2 else np.float64)

    def apply(self, pixels: NDArray[Any], position: int) -> NDArray[Any]:
        """Combine the members, read through `selector`, along dimension `position`, which disappears."""
        chosen = np.take(pixels, [m - min(self.members) for m in self.members], axis=position)
        if self.combine == "max":
            combined: NDArray[Any] = chosen.max(axis=position)
            return combined
        precise = np.float32 if chosen.dtype.itemsize <= 2 else np.float64
        mean: NDArray[Any] = chosen.mean(axis=position, dtype=precise)
        return mean.astype(self.dtype(pixels.dtype), copy=False)


def choose_channels(axes: str, sizes: dict[str, int], channel: Channel, stacklevel: int = 2) -> ChannelChoice:
    """Channels meant by `channel`, for an image with these axes.

    Raises
    ------
    AxesError
        If the image has no such channel, or no channel axis.
    """
    many = sizes.get("C", 1) > 1
    if channel is None:
        if many:
            warnings.warn(
                f"The image has {sizes['C']} channels and none was chosen: channel 0 is used. "
                "Choose one with channel=…, or combine them with channel='mean' or 'max'.",
                CellSegWarning,
                stacklevel=stacklevel + 1,
            )
        return ChannelChoice("C", (0,)) if "C" in sizes else ChannelChoice()
    samples = min(sizes.get("S", 1), 3) if sizes.get("S", 1) != 2 else 1
    axis = "S" if "S" in sizes and not many else "C"
    if axis not in sizes:
        named = (
            f"Name the channel axis with the letter C, for example axes='{axes.replace('Z', 'C', 1)}', or "
        )
        raise AxesError(
            f"channel={channel!r} was given, but the image has no channel axis: its axes are '{axes}'. "
            + (f"{named}leave channel out." if "Z" in axes else "Leave channel out.")
        )
    available = sizes["C"] if axis == "C" else samples
    return _choice(axis, available, channel)


def _choice(axis: str, available: int, channel: Any) -> ChannelChoice:
    if isinstance(channel, str):
        if channel not in ("mean", "max"):
            raise AxesError(f"channel must be a number, several numbers, 'mean' or 'max', not {channel!r}.")
        return ChannelChoice(axis, tuple(range(available)), channel)  # type: ignore[arg-type]
    several = isinstance(channel, Sequence | np.ndarray) and not isinstance(channel, bytes)
    numbers = list(channel) if several else [channel]
    try:
        members = tuple(operator.index(n) for n in numbers if not isinstance(n, bool | np.bool_))
    except TypeError:
        members = ()
    if not members or len(members) < len(numbers):
        raise AxesError(f"channel must be a number, several numbers, 'mean' or 'max', not {channel!r}.")
    wrong = [m for m in members if not 0 <= m < available]
    if wrong:
        raise AxesError(
            f"channel must be between 0 and {available - 1}, as the image has {available} "
            f"channel{'s' if available > 1 else ''}, but {wrong[0]} was given."
        )
    return ChannelChoice(axis, members, "mean" if several and len(members) > 1 else None)
