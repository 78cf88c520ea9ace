"""Reports as JSON and CSV files."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from napari_cellseg.evaluation.results import Report
from napari_cellseg.outputs import replacing

FORMAT = 1
"""Version of the JSON layout."""


def report_values(report: Report) -> dict[str, Any]:
    """Everything that a report says, as JSON can hold it: what is undefined or infinite is None.

    Returns
    -------
    dict
        ``format``, ``settings``, ``summary``, ``table`` (by metric), ``by_iou``, ``groups`` (by column, then
        a list of rows), ``classes``, ``confusion`` (by true, then predicted class), ``reliability``,
        ``images`` and ``errors`` (lists of rows).
    """
    calibration = report.reliability
    groups = {name: _rows(report.by_group(name)) for name in report.group_columns}
    confusion = None
    if report.confusion is not None:
        confusion = {str(true): row.to_dict() for true, row in report.confusion.iterrows()}
    values = {
        "format": FORMAT,
        "settings": report.settings,
        "summary": report.summary,
        "table": {str(name): row.to_dict() for name, row in report.table.iterrows()},
        "by_iou": _rows(report.by_iou),
        "groups": groups,
        "classes": None if report.classes is None else _rows(report.classes),
        "confusion": confusion,
        "reliability": None
        if calibration is None
        else {
            "counts": calibration.counts.tolist(),
            "confidence": calibration.confidence.tolist(),
            "correct": calibration.correct.tolist(),
            "ece": calibration.ece,
        },
        "images": _rows(report.images),
        "errors": _rows(report.errors),
    }
    held: dict[str, Any] = plain(values)
    return held


def write_json(report: Report, path: str | Path) -> None:
    """Write everything that a report says.

    Parameters
    ----------
    report : Report
        What `evaluate` gave.
    path : str or Path
        The file; its folder must exist.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    text = json.dumps(report_values(report), indent=1, ensure_ascii=False, allow_nan=False)
    with replacing(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def write_images(report: Report, path: str | Path) -> None:
    """Write the metrics of each image as CSV; empty is undefined, ``inf`` infinite.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    write_table(report.images, path)


def write_errors(report: Report, path: str | Path) -> None:
    """Write the list of errors as CSV; several labels in one cell are separated by spaces.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    write_table(report.errors, path)


def write_table(table: pd.DataFrame, path: str | Path) -> None:
    """Write any table of a report as CSV, without its index.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    cells = table.copy()
    for column in cells.columns:
        if cells[column].map(lambda cell: isinstance(cell, tuple)).any():
            cells[column] = cells[column].map(lambda ids: " ".join(str(i) for i in ids))
    text = cells.to_csv(index=False, lineterminator="\n")
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.to_dict(orient="records")
    return rows


def plain(value: Any) -> Any:
    """A value in types of JSON; what is undefined or infinite is None, what JSON does not know is text."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
