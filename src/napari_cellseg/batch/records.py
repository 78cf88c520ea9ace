"""Whether the results of a file are there already: what they were made from and how."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_cellseg.batch.files import Outputs
from napari_cellseg.errors import ImageError, OutputError
from napari_cellseg.models.card import ModelCard, card_text, file_hash
from napari_cellseg.provenance import plain


@dataclass(frozen=True, slots=True)
class Request:
    """All that decides what is written for a file, besides the file."""

    card: ModelCard
    format: str
    options: dict[str, Any]

    def record(self) -> dict[str, Any]:
        """The request as JSON holds it."""
        card = hashlib.sha256(card_text(self.card).encode()).hexdigest()
        return {"sha256": self.card.sha256, "card": card, "format": self.format, **plain(self.options)}


def finished_record(outputs: Outputs, source: dict[str, Any], request: Request) -> dict[str, Any] | None:
    """Record of the results that are there and that doing it again would repeat; None if nothing is there.

    Raises
    ------
    OutputError
        Where other results, or other files, are in the way.
    """
    there = [path for path in outputs.paths if path.exists()]
    if not there:
        return None
    record = _read_record(outputs.provenance)
    if record is not None and outputs.labels.exists() and outputs.features.exists():
        if not _same_source(record["source"], source):
            raise OutputError(
                f"'{outputs.labels}' exists already, made from another image or an older version of it. "
                f"Allow overwriting, or choose another folder."
            )
        if record["request"] != request.record():
            raise OutputError(
                f"'{outputs.labels}' exists already, made with other parameters or another model. "
                f"Allow overwriting, or choose another folder."
            )
        if len(there) == len(outputs.paths):
            return record
    raise OutputError(f"'{there[0]}' is in the way. Allow overwriting, or choose another folder.")


def _read_record(path: Path) -> dict[str, Any] | None:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        complete = isinstance(record["source"], dict) and isinstance(record["request"], dict)
        int(record["counts"]["objects"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return record if complete else None


def fingerprint(path: Path) -> dict[str, Any]:
    """What tells a file from another one, and from an earlier version of itself."""
    if not path.exists():
        raise ImageError(f"There is no file '{path}'.")
    parts = [p.stat() for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path.stat()]
    modified = max((part.st_mtime_ns for part in parts), default=0)
    size = sum(part.st_size for part in parts)
    return {"path": str(path.absolute()), "bytes": size, "modified": modified}


def _same_source(before: dict[str, Any], now: dict[str, Any]) -> bool:
    if before.get("bytes") != now["bytes"]:
        return False
    if (before.get("path"), before.get("modified")) == (now["path"], now["modified"]):
        return True
    path = Path(now["path"])
    return path.is_file() and before.get("sha256") == file_hash(path)
