"""The model that a training begins with."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

from napari_cellseg.errors import TrainingError
from napari_cellseg.instances.decoding import VoteDecoding
from napari_cellseg.models.card import IntensityScaling, ModelCard
from napari_cellseg.models.registry import TRAINABLE_SUFFIX, ModelEntry, find_model

OUTPUTS = ("foreground", "distance", "offset_y", "offset_x")
"""Maps of the networks that can be trained further here."""


@dataclass(frozen=True, slots=True)
class Start:
    """A model whose training goes on.

    Attributes
    ----------
    card : ModelCard
        Its card.
    onnx, weights : Path
        Its network, and the same as trainable weights.
    decoder : VoteDecoding
        How its maps become objects.
    """

    card: ModelCard
    onnx: Path
    weights: Path
    decoder: VoteDecoding


def find_start(start: str) -> Start:
    """The model of a name or a file, with all that is needed to train it further.

    Parameters
    ----------
    start : str
        A name in the registry, or a file: the network, its card, or its trainable weights.

    Raises
    ------
    ModelError
        Where there is no such model.
    TrainingError
        Where it cannot be trained further here.
    """
    entry = find_trainable(start)
    reason = why_not(entry)
    if reason:
        raise TrainingError(reason)
    weights, decoder = cast(Path, entry.trainable), cast(VoteDecoding, entry.card.decoder)
    return Start(entry.card, entry.path, weights, decoder)


def find_trainable(start: str) -> ModelEntry:
    """The model of a name or a file, which may be that of its trainable weights.

    Raises
    ------
    ModelError
        Where there is no such model.
    """
    path = Path(start).expanduser()
    return find_model(path.with_suffix(".onnx") if path.suffix.lower() == TRAINABLE_SUFFIX else start)


def why_not(entry: ModelEntry) -> str:
    """Why a model cannot be trained further here; empty where it can."""
    card = entry.card
    if entry.trainable is None:
        return (
            f"Model '{card.name}' cannot be trained further: its trainable weights, "
            f"'{entry.path.with_suffix(TRAINABLE_SUFFIX)}', are not there."
        )
    if not isinstance(card.decoder, VoteDecoding) or card.maps != OUTPUTS or card.channels != 3:
        return (
            f"Model '{card.name}' cannot be trained further here: it is no U-Net of this package, whose maps "
            f"are {', '.join(OUTPUTS)}. Begin with 'nuclei' or 'phase', or with a model made from these."
        )
    if card.scaling != IntensityScaling():
        return (
            f"Model '{card.name}' cannot be trained further here: it scales intensities in another way than "
            f"by the percentiles {IntensityScaling().low_percentile:g} and "
            f"{IntensityScaling().high_percentile:g}."
        )
    return ""
