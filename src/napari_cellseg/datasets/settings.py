"""What holds for all of a dataset: its classes, its splits and how its pictures are scaled."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any

from napari_cellseg.datasets.formats.yolo_yaml import yaml_text
from napari_cellseg.datasets.transaction import Transaction
from napari_cellseg.errors import DatasetError
from napari_cellseg.outputs import output_errors
from napari_cellseg.provenance import now, versions

LAYOUT = 1
"""Version of the folder's layout."""
SETTINGS = "dataset.json"
YAML = "dataset.yaml"
PERCENTILES = (1.0, 99.8)
"""Percentiles that become black and white in the pictures, as the models' cards have them."""

Fractions = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Settings:
    """What `dataset.json` holds.

    Attributes
    ----------
    classes : tuple of str
        Names; the position of a name is the class's number, from 0.
    seed : int
        Decides between splits that are as far below their share.
    fractions : tuple of float
        Shares of train, val and test; they add up to 1.
    scaling : tuple of float
        Percentiles of a plane that become 0 and 255 in its picture.
    created : str
        When, UTC.
    versions : dict of str to str
        Software that made it.
    """

    classes: tuple[str, ...]
    seed: int
    fractions: Fractions
    scaling: tuple[float, float]
    created: str
    versions: dict[str, str]

    @classmethod
    def new(
        cls,
        classes: Sequence[str],
        seed: int,
        fractions: Sequence[float],
        scaling: Sequence[float] | None,
    ) -> "Settings":
        """Settings of a new dataset.

        Raises
        ------
        DatasetError
            Where a class is empty or named twice, the fractions are not three shares, or the percentiles no
            range.
        """
        low, high = checked_scaling(PERCENTILES if scaling is None else scaling)
        return cls(
            checked_classes(classes), int(seed), checked_fractions(fractions), (low, high), now(), versions()
        )

    def with_classes(self, classes: Sequence[str]) -> "Settings":
        """The same with other classes; errors as in `new`."""
        return replace(self, classes=checked_classes(classes))

    def to_json(self) -> str:
        """As the text of `dataset.json`."""
        return json.dumps({"layout": LAYOUT, **asdict(self)}, indent=2, ensure_ascii=False) + "\n"


def read_settings(folder: Path) -> Settings:
    """Settings of a dataset.

    Raises
    ------
    DatasetError
        Where there is no dataset, or its settings are damaged or of a newer version.
    """
    path = folder / SETTINGS
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DatasetError(
            f"'{folder}' is not a dataset: it has no '{SETTINGS}'. Create one there, or import the folder."
        ) from None
    except (OSError, UnicodeError) as error:
        raise DatasetError(f"'{path}' cannot be read: {error}.") from error
    try:
        return _from_record(json.loads(text))
    except json.JSONDecodeError as error:
        raise DatasetError(f"'{path}', line {error.lineno}: it is not JSON ({error.msg}).") from error
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise DatasetError(f"'{path}' is damaged: {_reason(error)}") from error


def write_settings(transaction: Transaction, settings: Settings) -> None:
    """Prepare the files of the settings.

    Raises
    ------
    OutputError
        Where they cannot be written.
    """
    with output_errors(transaction.folder):
        transaction.put(SETTINGS).write_text(settings.to_json(), encoding="utf-8")
        transaction.put(YAML).write_text(yaml_text(settings.classes), encoding="utf-8")


def checked_classes(classes: Sequence[str]) -> tuple[str, ...]:
    """Names of classes, each once.

    Raises
    ------
    DatasetError
        Where there is none, one is empty, or one is named twice.
    """
    names = (classes,) if isinstance(classes, str) else tuple(classes)
    wrong = [name for name in names if not isinstance(name, str) or not name.strip() or "\n" in name]
    if wrong or not names or len(set(names)) < len(names):
        raise DatasetError(f"Classes must be distinct names in one line each, got {list(names)!r}.")
    return names


def checked_fractions(fractions: Sequence[float]) -> Fractions:
    """Shares of train, val and test.

    Raises
    ------
    DatasetError
        Where they are not three, negative, or do not add up to 1.
    """
    values = [float(f) for f in fractions]
    if len(values) != 3 or any(not isfinite(f) or f < 0 for f in values) or abs(sum(values) - 1) > 1e-6:
        raise DatasetError(
            f"fractions must be three shares for train, val and test that add up to 1, got {values}."
        )
    return values[0], values[1], values[2]


def checked_scaling(scaling: Sequence[float]) -> tuple[float, float]:
    """Two percentiles, ascending.

    Raises
    ------
    DatasetError
        Where they are not.
    """
    values = [float(p) for p in scaling]
    if len(values) != 2 or not 0 <= values[0] < values[1] <= 100:
        raise DatasetError(f"scaling must be two percentiles between 0 and 100, ascending, got {values}.")
    return values[0], values[1]


def _from_record(record: dict[str, Any]) -> Settings:
    if int(record["layout"]) > LAYOUT:
        raise DatasetError(
            f"it has layout {record['layout']}, which a newer version of napari-cellseg made; "
            f"this one knows layout {LAYOUT}. Update napari-cellseg."
        )
    made_with = {str(k): str(v) for k, v in record["versions"].items()}
    return Settings(
        checked_classes(record["classes"]),
        int(record["seed"]),
        checked_fractions(record["fractions"]),
        checked_scaling(record["scaling"]),
        str(record["created"]),
        made_with,
    )


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"it has no {error}."
    return str(error)
