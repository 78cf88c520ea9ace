"""Which model a model was trained from, and that one, and so on."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from napari_cellseg.models.card import ModelCard, file_hash
from napari_cellseg.models.registry import ModelEntry, find_model, list_models

_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Ancestor:
    """A model that another one was trained from.

    Attributes
    ----------
    told : str
        What the other one's card says of it: a name, a hash, or both.
    entry : ModelEntry or None
        The model, where it is among those that can be used by name.
    """

    told: str
    entry: ModelEntry | None

    @property
    def words(self) -> str:
        """Its name and the beginning of its hash, and whether it is here."""
        if self.entry is not None:
            return f"{self.entry.card.name} ({self.entry.card.sha256[:12]}…)"
        return f"{_HASH.sub(lambda found: found[0][:12] + '…', self.told)}, not among your models"


def lineage(model: str | Path | ModelEntry) -> tuple[Ancestor, ...]:
    """The models that a model comes from: its parent, the parent's parent, and so on.

    Parents are recognised by the SHA-256 of their weights, whatever they are called by now; by name only
    where a card gives no hash.

    Parameters
    ----------
    model : str, Path or ModelEntry
        What `find_model` takes, or its entry.

    Returns
    -------
    tuple of Ancestor
        The closest first; empty where it was trained from scratch. It ends with a model that is not here.

    Raises
    ------
    ModelError
        Where there is no such model.
    """
    entry = model if isinstance(model, ModelEntry) else find_model(model)
    known = list_models()
    found: list[Ancestor] = []
    seen = {entry.card.sha256}
    while (ancestor := _parent(entry.card, known)) is not None:
        found.append(ancestor)
        if ancestor.entry is None or ancestor.entry.card.sha256 in seen:
            break
        entry = ancestor.entry
        seen.add(entry.card.sha256)
    return tuple(found)


def lineage_words(ancestors: Iterable[Ancestor]) -> str:
    """Ancestors in a line, the closest first; ``"scratch"`` where there are none."""
    return ", from ".join(ancestor.words for ancestor in ancestors) or "scratch"


def _parent(card: ModelCard, known: list[ModelEntry]) -> Ancestor | None:
    if card.parent is None:
        return None
    hash_ = _HASH.search(card.parent)
    if hash_ is None:
        same = [entry for entry in known if entry.card.name.casefold() == card.parent.casefold()]
    else:
        same = [entry for entry in known if hash_[0] in _hashes(entry.card)] or [
            entry for entry in known if entry.trainable and file_hash(entry.trainable) == hash_[0]
        ]
        same.sort(key=lambda entry: entry.card.name not in card.parent)  # type: ignore[operator]
    return Ancestor(card.parent, same[0] if same else None)


def _hashes(card: ModelCard) -> set[str]:
    """Hashes of a model's weights, and of those that it was exported from."""
    return {card.sha256, *([card.export.source_sha256] if card.export else [])}
