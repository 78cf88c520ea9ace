"""The user's models as the dock lists them, and what is done with them."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from napari_cellseg.events import Job, Progress
from napari_cellseg.models.collection import add_model
from napari_cellseg.models.lineage import lineage
from napari_cellseg.models.package import share_model
from napari_cellseg.models.registry import ModelEntry, list_models

COLUMNS = {
    "name": "What the model is chosen by.",
    "where": "bundled: comes with this plugin; added: one of your own.",
    "from": "The model that it was trained from.",
    "made": "When it was made.",
}
"""Columns of the list, and what they hold."""


def model_table() -> pd.DataFrame:
    """A row per model, as `list_models` orders them."""
    rows = [
        {
            "name": entry.card.name,
            "where": entry.origin,
            "from": _from(entry),
            "made": entry.card.created[:10],
        }
        for entry in list_models()
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table.attrs["definitions"] = COLUMNS
    return table


def fact_rows(facts: pd.DataFrame) -> list[tuple[str, ...]]:
    """What cards say, a row per fact: its name, and a text per model."""
    return [(str(fact), *(_words(value) for value in row)) for fact, row in facts.iterrows()]


def adding_model(path: Path) -> Job[ModelEntry]:
    """Add a model of a file to the user's own, after its checks; errors as in `add_model`."""
    yield Progress("Checking the model", 0, 0, path.name)
    return add_model(path)


def sharing(name: str, path: Path) -> Job[Path]:
    """Write a model as one file, in place of one that is there; errors as in `share_model`."""
    yield Progress("Writing the model", 0, 0, path.name)
    return share_model(name, path, overwrite=True)


def is_own(names: Sequence[str]) -> bool:
    """Whether models are the user's own, which can be renamed and removed."""
    own = {entry.card.name for entry in list_models() if entry.origin == "added"}
    return bool(names) and set(names) <= own


def _from(entry: ModelEntry) -> str:
    ancestors = lineage(entry)
    if not ancestors:
        return "–"
    first = ancestors[0].entry
    return first.card.name if first is not None else "another"


def _words(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
