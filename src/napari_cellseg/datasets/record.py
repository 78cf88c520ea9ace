"""What a dataset knows of an image: where it comes from, what is in it, and what its files hold."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from math import isfinite
from pathlib import Path
from typing import Any, cast

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
        missing = [name for name in OBJECT_COLUMNS if name not in table]
        if missing:
            raise ValueError(f"its table has no column {', '.join(missing)}")
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
    try:
        return Record.from_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DatasetError(f"There is no record '{path}'.") from None
    except json.JSONDecodeError as error:
        raise DatasetError(f"'{path}', line {error.lineno}: it is not JSON ({error.msg}).") from error
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise DatasetError(f"'{path}' is damaged: {reason}. Add its image again.") from error


def counted(table: pd.DataFrame, column: str) -> dict[str, int]:
    """How often each text is in a column, in alphabetical order."""
    counts = Counter(table[column].tolist())
    return {str(text): counts[text] for text in sorted(counts, key=str)}


def _finite(record: dict[str, Any]) -> dict[str, Any]:
    """The same with null for numbers that JSON does not have."""
    values = [[None if isinstance(v, float) and not isfinite(v) else v for v in c] for c in record["values"]]
    return {**record, "values": values}


def _entry_values(record: Mapping[str, Any]) -> dict[str, Any]:
    origin = dict(record["origin"])
    region = origin.get("region")
    origin["region"] = None if region is None else tuple(int(v) for v in region)
    origin["position"] = {str(k): int(v) for k, v in origin["position"].items()}
    split = cast(Split, record["split"])
    shape = tuple(int(n) for n in record["shape"])
    if split not in SPLITS or len(shape) not in (2, 3):
        raise ValueError(f"its split is '{split}' and its shape {shape}")
    values = {f.name: record[f.name] for f in fields(Entry)}
    counts = {name: {str(k): int(v) for k, v in record[name].items()} for name in ("statuses", "classes")}
    return values | counts | {"split": split, "shape": shape, "origin": Origin(**origin)}
