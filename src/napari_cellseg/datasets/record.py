"""What a dataset knows of an image: where it comes from, what is in it, and what its files hold."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import pandas as pd

from napari_cellseg.datasets.annotation import OBJECT_COLUMNS
from napari_cellseg.datasets.sample import SPLITS, Origin, Split
from napari_cellseg.errors import DatasetError
from napari_cellseg.review.status import Status
from napari_cellseg.review.table_records import table_from_record, table_record

KINDS = {
    "images": ".png",
    "labels": ".txt",
    "masks": ".tif",
    "covered": ".tif",
    "ignored": ".tif",
    "source": ".tif",
}
"""Folders with a file per image in each split, and the ending of these files."""
RECORDS = "records"
DAMAGED = (OSError, KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)
"""What reading a damaged file of JSON raises."""

Known = TypeVar("Known")


def file_path(kind: str, split: str, name: str) -> str:
    """Path of a file of an image, from the dataset's folder."""
    return f"{kind}/{split}/{name}{KINDS[kind]}"


def record_path(name: str) -> str:
    """Path of the record of an image, from the dataset's folder."""
    return f"{RECORDS}/{name}.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is known of an image without reading its files.

    Attributes
    ----------
    name : str
        Its name.
    split : {"train", "val", "test"}
        Where it is.
    shape : tuple of int
        Of its pixels, (Y, X) or (Y, X, C).
    dtype : str
        Of its pixels, as numpy names it.
    origin : Origin
        Where it comes from.
    objects : int
        How many objects it has.
    statuses, classes : dict of str to int
        Objects of each review status and class.
    reviewed : float
        Share of its pixels that somebody has looked at.
    pixels : str
        Hash of its pixels.
    signature : str
        What near-duplicates are found by; empty where it shows nothing.
    twin_of : str
        Image of another group that it nearly equals; empty where there is none.
    added, updated : str
        When, UTC.
    """

    name: str
    split: Split
    shape: tuple[int, ...]
    dtype: str
    origin: Origin = field(default_factory=Origin)
    objects: int = 0
    statuses: Mapping[str, int] = field(default_factory=dict)
    classes: Mapping[str, int] = field(default_factory=dict)
    reviewed: float = 1.0
    pixels: str = ""
    signature: str = ""
    twin_of: str = ""
    added: str = ""
    updated: str = ""

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Entry":
        """An entry from what JSON holds.

        Raises
        ------
        KeyError, TypeError, ValueError
            Where something is missing or of another kind.
        """
        return Entry(**_entry_values(record))

    def row(self) -> dict[str, Any]:
        """A row of a table of images."""
        return {
            "name": self.name,
            "split": self.split,
            "group": self.origin.group,
            "shape": self.shape,
            "dtype": self.dtype,
            "objects": self.objects,
            "reviewed": self.reviewed,
            **{f"status_{s.value}": self.statuses.get(s.value, 0) for s in Status},
            "source": self.origin.source,
            "twin_of": self.twin_of,
            "added": self.added,
            "updated": self.updated,
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Record(Entry):
    """All that is known of an image.

    Attributes
    ----------
    table : DataFrame
        Its objects, a row each, as in `Annotation.objects`.
    files : dict of str to str
        SHA-256 of each of its files, by the path from the dataset's folder.
    versions : dict of str to str
        Software that wrote it.
    """

    table: pd.DataFrame
    files: Mapping[str, str]
    versions: Mapping[str, str]

    def entry(self) -> Entry:
        """What is known without its table and files."""
        return Entry(**{f.name: getattr(self, f.name) for f in fields(Entry)})

    def to_json(self) -> str:
        """As the text of its file."""
        known = asdict(self.entry())
        content = {
            **known,
            "files": dict(self.files),
            "versions": dict(self.versions),
            "table": _finite(table_record(self.table)),
        }
        return json.dumps(content, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Record":
        """What `to_json` gave; errors as in `Entry.from_record`."""
        record = json.loads(text)
        table = table_from_record(record["table"])
        _check_table(table)
        texts = ({str(k): str(v) for k, v in record[name].items()} for name in ("files", "versions"))
        files, made_with = texts
        return cls(**_entry_values(record), table=table, files=files, versions=made_with)


def read_record(path: Path) -> Record:
    """The record in a file.

    Raises
    ------
    DatasetError
        Where it is missing or damaged.
    """
    return _read(path, Record.from_json)


def read_entry(path: Path) -> Entry:
    """The record in a file without its table and files, ten times as fast; errors as in `read_record`."""
    return _read(path, lambda text: Entry.from_record(json.loads(text)))


def _read(path: Path, parse: Callable[[str], Known]) -> Known:
    try:
        return parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DatasetError(f"There is no record '{path}'.") from None
    except json.JSONDecodeError as error:
        raise DatasetError(f"'{path}', line {error.lineno}: it is not JSON ({error.msg}).") from error
    except DAMAGED as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise DatasetError(f"'{path}' is damaged: {reason}. Add its image again.") from error


def counted(table: pd.DataFrame, column: str) -> dict[str, int]:
    """How often each text is in a column, in alphabetical order."""
    counts = Counter(table[column].tolist())
    return {str(text): counts[text] for text in sorted(counts, key=str)}


def _check_table(table: pd.DataFrame) -> None:
    missing = [name for name in OBJECT_COLUMNS if name not in table]
    if missing:
        raise ValueError(f"its table has no column {', '.join(missing)}")
    labels, confidence = table["index"], table["confidence"]
    if labels.dtype.kind not in "iu" or labels.duplicated().any() or (labels < 1).any():
        raise ValueError("the labels in its table are not distinct whole numbers above 0")
    texts = {name: table[name].tolist() for name in ("class", "status", "origin")}
    wrong = [name for name, values in texts.items() if not all(isinstance(v, str) for v in values)]
    wrong += ["confidence"] if confidence.dtype.kind != "f" else []
    if wrong:
        raise ValueError(f"values of another kind are in its table's column {', '.join(wrong)}")


def _finite(record: dict[str, Any]) -> dict[str, Any]:
    """The same with null for numbers that JSON does not have."""
    values = [[None if isinstance(v, float) and not isfinite(v) else v for v in c] for c in record["values"]]
    return {**record, "values": values}


def _check_kinds(values: Mapping[str, Any], origin: Mapping[str, Any]) -> None:
    texts = ("name", "dtype", "pixels", "signature", "twin_of", "added", "updated")
    wrong = [name for name in texts if not isinstance(values[name], str)]
    wrong += [name for name in ("source", "group", "made_by", "plane") if not isinstance(origin[name], str)]
    wrong += [] if isinstance(origin["pixel_size"], int | float | None) else ["pixel_size"]
    wrong += [] if origin["region"] is None or len(origin["region"]) == 4 else ["region"]
    if wrong:
        raise ValueError(f"its {', '.join(wrong)} is of another kind")
    np.dtype(values["dtype"])


def _entry_values(record: Mapping[str, Any]) -> dict[str, Any]:
    origin = dict(record["origin"])
    region = origin.get("region")
    origin.setdefault("plane", "")
    origin["region"] = None if region is None else tuple(int(v) for v in region)
    origin["position"] = {str(k): int(v) for k, v in origin["position"].items()}
    split = cast(Split, record["split"])
    shape = tuple(int(n) for n in record["shape"])
    if split not in SPLITS or len(shape) not in (2, 3):
        raise ValueError(f"its split is '{split}' and its shape {shape}")
    values = {f.name: record[f.name] for f in fields(Entry)}
    _check_kinds(values, origin)
    numbers = {"objects": int(record["objects"]), "reviewed": float(record["reviewed"])}
    counts = {name: {str(k): int(v) for k, v in record[name].items()} for name in ("statuses", "classes")}
    return values | counts | numbers | {"split": split, "shape": shape, "origin": Origin(**origin)}
