"""What a job tells: warnings while it runs, and its provenance at the end."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from napari_cellseg.errors import CellSegWarning, ImageError
from napari_cellseg.pipeline.results import Candidates
from napari_cellseg.pipeline.view import Intensities


@dataclass
class Report:
    """Collects what a user should know about a job.

    Attributes
    ----------
    warnings : list of str
        What was warned about.
    intensities : dict of int to Intensities
        What each plane is like.
    cut_off : int
        Objects that were larger than the model's largest.
    split_tiles : int
        Tiles with more objects than the model can give at once, which were seen in parts.
    """

    warnings: list[str] = field(default_factory=list)
    intensities: dict[int, Intensities] = field(default_factory=dict)
    cut_off: int = 0
    split_tiles: int = 0

    def warn(self, text: str) -> None:
        """Warn the user, and keep the text for the provenance."""
        self.warnings.append(text)
        warnings.warn(text, CellSegWarning, stacklevel=4)

    def judge(
        self, plane_count: int, found: int, candidates: Candidates, confidence: float, size: float
    ) -> None:
        """Say at the end what was odd about the planes and, where nothing was found, why.

        Parameters
        ----------
        plane_count : int
            Planes of the image.
        found : int
            Objects that were kept.
        candidates : Candidates
            Weaker ones.
        confidence : float
            Threshold.
        size : float
            Diameter that was assumed, pixels.

        Raises
        ------
        ImageError
            Where no plane holds a number.
        """
        void = [p for p, i in self.intensities.items() if i.is_void]
        constant = [p for p, i in self.intensities.items() if i.is_constant and not i.is_void]
        if void and len(void) == len(self.intensities):
            raise ImageError(
                "No pixel of the image is a number: all are NaN or infinite. Check how it was made."
            )
        several = plane_count > 1
        if void:
            self.warn(f"{_planes(void)} only NaN or infinite pixels: nothing is found there.")
        if constant:
            which = _planes(constant) if several else "The image has"
            self.warn(f"{which} one intensity only, without any contrast: nothing is found there.")
        bad = sum(i.nonfinite for i in self.intensities.values() if not i.is_void)
        if bad:
            self.warn(f"{bad:,} pixel values are NaN or infinite; NaN was read as background.")
        if self.cut_off:
            self.warn(
                f"{self.cut_off:,} objects are larger than the model can see whole at this scale and may be "
                f"cut. Give a larger object diameter than {size:.0f} px."
            )
        if self.split_tiles:
            self.warn(
                f"{self.split_tiles:,} tiles held more objects than the model can give at once; they were "
                f"seen in smaller parts, which takes longer. An export without such a limit is quicker."
            )
        if not found and len(void) + len(constant) < len(self.intensities):
            self.warn(_why_nothing(candidates, confidence, size))


def _planes(numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"Plane {numbers[0]} has"
    shown = ", ".join(map(str, sorted(numbers)[:8])) + (", …" if len(numbers) > 8 else "")
    return f"{len(numbers)} planes ({shown}) have"


def _why_nothing(candidates: Candidates, confidence: float, size: float) -> str:
    if len(candidates):
        strongest = float(candidates.instances.scores.max())
        return (
            f"No object reaches the confidence {confidence:.2f}; {len(candidates):,} weaker ones were found, "
            f"the strongest with {strongest:.2f}. Lower the confidence to see them."
        )
    return (
        f"No objects were found, not even weak ones. Check that the channel and the model fit the image, and "
        f"that its objects are about {size:.0f} px in diameter."
    )


def intensity_records(report: Report) -> list[dict[str, Any]]:
    """Intensity range of each plane, for the provenance."""
    return [
        {"plane": plane, "low": i.range.low, "high": i.range.high, "nonfinite": i.nonfinite}
        | ({} if i.range.clipped else {"clipped": False})
        for plane, i in report.intensities.items()
    ]
