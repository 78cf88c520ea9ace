"""Tables and figures of a report as files: CSV each, one Markdown page, one JSON file."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_cellseg.evaluation.writing import plain, write_table
from napari_cellseg.outputs import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LISTED = 30
"""Rows of a table on the page; its CSV has all."""


@dataclass(frozen=True, eq=False)
class Section:
    """A part of the report: a table, its page's form, a figure, and what there is to know.

    Attributes
    ----------
    name : str
        Stem of its files.
    title : str
        Its heading.
    text : str
        Markdown below the heading.
    table : DataFrame, optional
        Goes into the CSV and the JSON file.
    shown : DataFrame, optional
        Stands on the page in place of the table.
    figure : Figure, optional
        Goes into a PNG file.
    """

    name: str
    title: str
    text: str = ""
    table: pd.DataFrame | None = None
    shown: pd.DataFrame | None = None
    figure: "Figure | None" = None


def write_sections(
    sections: Sequence[Section], folder: Path, title: str, about: Mapping[str, Any]
) -> list[Path]:
    """Write ``report.md``, ``report.json``, a CSV per table and a PNG per figure.

    Parameters
    ----------
    sections : sequence of Section
        In the order of the page.
    folder : Path
        Where to; it must exist.
    title : str
        Heading of the page.
    about : mapping
        What was reported on and how, as JSON holds it.

    Returns
    -------
    list of Path
        The files, the page first.

    Raises
    ------
    OutputError
        Where one cannot be written.
    """
    page, values, files = [f"# {title}", _about_lines(about)], {"about": dict(about)}, []
    for section in sections:
        page.append(f"## {section.title}")
        page += [section.text] * bool(section.text)
        if section.table is not None:
            files.append(folder / f"{section.name}.csv")
            write_table(section.table, files[-1])
            values[section.name] = section.table.to_dict(orient="records")
            shown = section.table if section.shown is None else section.shown
            page.append(markdown_table(shown.head(LISTED)))
            more = f"The first {LISTED} of {len(shown)} rows. " if len(shown) > LISTED else ""
            page.append(f"{more}[{section.name}.csv]({section.name}.csv)")
        if section.figure is not None:
            files.append(folder / f"{section.name}.png")
            with replacing(files[-1]) as temporary:
                section.figure.savefig(temporary, dpi=130)
            page.append(f"![{section.title}]({section.name}.png)")
    text = json.dumps(plain(values), indent=1, ensure_ascii=False, allow_nan=False)
    written = {"report.md": "\n\n".join(page) + "\n", "report.json": text + "\n"}
    for name, content in written.items():
        with replacing(folder / name) as temporary:
            temporary.write_text(content, encoding="utf-8")
    return [*(folder / name for name in written), *files]


def markdown_table(table: pd.DataFrame) -> str:
    """A table in Markdown: numbers with three digits, an en dash where there is none, columns as they are."""
    if table.empty:
        return "(no rows)"
    rows = [[_escaped(str(c)) for c in table.columns], ["---"] * len(table.columns)]
    rows += [[_escaped(number(v)) for v in row] for row in table.itertuples(index=False, name=None)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def number(value: Any) -> str:
    """A cell as text; undefined is an en dash."""
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return f"{value:,}"
    if not isinstance(value, float | np.floating):
        return "–" if value is pd.NA or value is None else str(value)
    plain = float(value)
    if math.isnan(plain):
        return "–"
    if math.isinf(plain) or (plain.is_integer() and abs(plain) < 1e6):
        return f"{plain:g}"
    return f"{plain:.3g}" if abs(plain) < 0.01 or abs(plain) >= 10 else f"{plain:.3f}"


def spread(mean: float, sd: float, digits: int = 3) -> str:
    """``"0.890 ± 0.071"``; the mean alone where there is no spread, an en dash where there is no mean."""
    if math.isnan(mean):
        return "–"
    return f"{mean:.{digits}f}" + ("" if math.isnan(sd) else f" ± {sd:.{digits}f}")


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _about_lines(about: Mapping[str, Any]) -> str:
    lines = []
    for name, value in about.items():
        parts = [f"{n} {v}" for n, v in value.items()] if isinstance(value, Mapping) else value
        text = ", ".join(map(str, parts)) if isinstance(parts, list | tuple) else str(parts)
        if text:
            lines.append(f"- {name}: {text}")
    return "\n".join(lines)
