"""Model cards side by side."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_cellseg.errors import OptionError
from napari_cellseg.models.card import ModelCard, Score
from napari_cellseg.models.lineage import lineage, lineage_words
from napari_cellseg.models.registry import ModelEntry, find_model

if TYPE_CHECKING:
    import pandas as pd


def compare_models(models: Sequence[str | Path]) -> "pd.DataFrame":
    """What the cards of models say, side by side.

    Parameters
    ----------
    models : sequence of str or Path
        What `find_model` takes; at least one.

    Returns
    -------
    DataFrame
        A column for each model and a row for each fact, its name being the index ``fact``: what the model is,
        who made it when, what it was trained from and on, its scores, its recipe. Texts, and floats for
        scores; None where a card does not say. Scores stand in one row only if data, number of images and
        of objects agree. Rows that no card has are left out.

    Raises
    ------
    ModelError
        Where there is no such model.
    OptionError
        Where no model is given.
    """
    import pandas as pd

    if not models:
        raise OptionError("Name at least one model to compare.")
    entries = [find_model(model) for model in models]
    facts = [[_about(entry), _scores(entry.card), _recipe(entry.card)] for entry in entries]
    rows = [
        row
        for part in zip(*facts, strict=True)
        for row in dict.fromkeys(row for told in part for row in told)
    ]
    columns = {}
    for entry, parts in zip(entries, facts, strict=True):
        told = {row: value for part in parts for row, value in part.items()}
        name = entry.card.name if entry.card.name not in columns else str(entry.path)
        columns[name] = [told.get(row) for row in rows]
    table = pd.DataFrame(columns, index=pd.Index(rows, name="fact", dtype=object), dtype=object)
    return table[[any(value is not None for value in row) for row in table.to_numpy()]]


def learnt_from(card: ModelCard) -> str | None:
    """How many images a model learnt from, and of how many its card holds hashes; None if it doesn't say."""
    images, known = sum(source.train_images for source in card.data), len(card.trained_on)
    if not known:
        return f"{images:,} images; the card holds no hashes of them" if images else None
    if images <= known:
        return f"{known:,} images, whose hashes are in the card"
    return f"{images:,} images; the card holds the hashes of {known:,}"


def further(entry: ModelEntry) -> str:
    """Whether training can go on from a model, and from which file."""
    start = entry.path if entry.path.suffix == ".pt" else entry.trainable
    return f"yes, from {start.name}" if start else "no"


def _about(entry: ModelEntry) -> dict[str, Any]:
    card = entry.card
    smallest, largest = card.diameter_range
    return {
        "title": card.title,
        "version": card.version,
        "created": card.created,
        "author": card.author,
        "licence": card.licence,
        "kind": f"{card.kind} model, run by {card.backend}",
        "weights": f"{card.parameters:,}" if card.parameters else None,
        "can be trained further": further(entry),
        "trained from": lineage_words(lineage(entry)),
        "learnt from": learnt_from(card),
        "data": ", ".join(source.name for source in card.data) or None,
        "classes": ", ".join(card.classes),
        "object size": f"{card.diameter:g} px, {smallest:g} to {largest:g} px",
        "confidence": f"{card.confidence:g}",
        "SHA-256": card.sha256,
    }


def _scores(card: ModelCard) -> dict[str, Any]:
    return {_score_name(score): score.value for score in card.scores}


def _score_name(score: Score) -> str:
    return f"{score.metric}, {score.data} ({score.images:,} images, {score.objects:,} objects)"


def _recipe(card: ModelCard) -> dict[str, Any]:
    return {f"recipe: {key}": str(value) for key, value in card.recipe.items() if value is not None}
