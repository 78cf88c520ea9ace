"""Where a table or a figure is saved, and as what."""

from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QWidget

TABLES = {
    "CSV (*.csv)": (".csv", False),
    "CSV for Excel (*.csv)": (".csv", True),
    "Parquet (*.parquet)": (".parquet", False),
}
"""What a table can be saved as: the suffix where the user typed none, and whether it is for Excel."""
FIGURES = {"SVG (*.svg)": ".svg", "PNG (*.png)": ".png", "PDF (*.pdf)": ".pdf"}
"""What a figure can be saved as."""


def ask_table(parent: QWidget, title: str, name: str) -> tuple[Path, bool] | None:
    """A path for a table, and whether it is for Excel; None where the user wants none."""
    path, chosen = QFileDialog.getSaveFileName(parent, title, name, ";;".join(TABLES))
    if not path:
        return None
    suffix, excel = TABLES.get(chosen, (".csv", False))
    return _with_suffix(path, suffix), excel


def ask_figure(parent: QWidget, title: str, name: str) -> Path | None:
    """A path for a figure; None where the user wants none."""
    path, chosen = QFileDialog.getSaveFileName(parent, title, name, ";;".join(FIGURES))
    return _with_suffix(path, FIGURES.get(chosen, ".svg")) if path else None


def _with_suffix(path: str, suffix: str) -> Path:
    return Path(path) if Path(path).suffix else Path(path + suffix)
