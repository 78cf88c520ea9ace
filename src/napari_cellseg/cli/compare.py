"""The command that compares groups of cells."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_cellseg.cli.evaluate import aligned
from napari_cellseg.cli.terminal import print_error, run_job
from napari_cellseg.errors import OptionError
from napari_cellseg.outputs import make_folder

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from napari_cellseg.statistics.group_design import Design, Settings
    from napari_cellseg.statistics.groups import GroupComparison

FIGURES = (".svg", ".pdf", ".png")
"""Endings of figures."""


def compare(
    table: Annotated[
        Path,
        typer.Argument(
            metavar="TABLE",
            help="A row per cell, .csv or .parquet, as 'measure' writes it.",
            show_default=False,
        ),
    ],
    by: Annotated[
        str,
        typer.Option(
            metavar="COLUMN", help="Column of the groups: condition, class, t, a field of --pattern."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", metavar="RESULT", help="The result: .csv or .parquet.", show_default=False
        ),
    ],
    replicates: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column that tells independent replicates apart: well, animal, day, image.",
            show_default="none: cells are taken as independent, with a warning",
        ),
    ] = None,
    paired: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column of replicates that are in several groups each, which are compared in pairs; "
            "in place of --replicates.",
        ),
    ] = None,
    pattern: Annotated[
        str | None,
        typer.Option(
            help="Pattern of the names in the column 'image' whose fields become columns, such as "
            "'{line}_Phase_{well}_*'."
        ),
    ] = None,
    features: Annotated[
        str, typer.Option(help="Columns, features and groups with commas: area,shape,intensity.")
    ] = "default",
    groups: Annotated[
        str | None,
        typer.Option(help="Groups to compare with commas, in this order.", show_default="all, at most 20"),
    ] = None,
    control: Annotated[
        str | None,
        typer.Option(help="Compare each group with this one only.", show_default="every pair"),
    ] = None,
    test: Annotated[str, typer.Option(help="auto (as the data ask), means, or ranks.")] = "auto",
    correction: Annotated[
        str, typer.Option(help="Of p for many tests: benjamini-hochberg, holm, or none.")
    ] = "benjamini-hochberg",
    average: Annotated[
        str, typer.Option(help="How the cells of a replicate are averaged: mean or median.")
    ] = "mean",
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw cells and replicates of --plot-feature: .svg, .pdf or .png."),
    ] = None,
    plot_feature: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="What --plot draws.", show_default="the first feature"),
    ] = None,
    plot_effects: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw the effects of all features: .svg, .pdf or .png."),
    ] = None,
    excel: Annotated[
        bool, typer.Option("--excel", help="Write the CSV so that Excel opens µ and umlauts right.")
    ] = False,
    decimal_comma: Annotated[
        bool, typer.Option("--decimal-comma", help="Decimal commas, and semicolons between the columns.")
    ] = False,
) -> None:
    """Compare groups of cells, feature by feature: effects with intervals, tests, corrected p.

    Cells of one image, well or animal are not independent: name the column of the replicates.
    """
    from napari_cellseg.batch.comparing import comparison_provenance, table_source
    from napari_cellseg.features.figures import save_figure
    from napari_cellseg.features.tables import read_table, write_table
    from napari_cellseg.statistics.group_summary import result_line
    from napari_cellseg.statistics.groups import comparing_groups

    _check_names(table, out, plot, plot_effects)
    settings = _settings(by, replicates, paired, control, test, correction, average)
    cells = read_table(table)
    source = table_source(table, cells)
    design = _design(cells, pattern, settings, features, groups)
    if plot_feature is not None and plot_feature not in design.features:
        raise OptionError(
            f"--plot-feature must be one of {', '.join(design.features)}, not {plot_feature!r}."
        )
    for path in filter(None, (out, plot, plot_effects)):
        make_folder(path.parent)
    found = run_job(comparing_groups(design))
    origin = comparison_provenance(found, source)
    write_table(found.table, out, excel=excel, decimal="," if decimal_comma else ".", provenance=origin)
    for path, figure in _figures(found, plot, plot_feature or design.features[0], plot_effects):
        save_figure(figure, path, provenance=origin)
    for words in found.warnings:
        print_error(f"Warning: {words}")
    for line in described(found):
        typer.echo(line)
    typer.echo(f"\n{result_line(found)} {out}")


def described(comparison: "GroupComparison") -> Iterator[str]:
    """Lines of a table: feature, groups, effect with interval, p, corrected p, test."""
    from napari_cellseg.statistics.group_summary import effect_words
    from napari_cellseg.statistics.group_words import number

    rows = [["feature", "groups", "effect", "p", "corrected p", "test"]]
    for row in comparison.table.to_dict("records"):
        every = not isinstance(row["first"], str)
        groups = "all" if every else f"{row['second']} against {row['first']}"
        p, corrected = (number(row[name]) for name in ("p", "p_corrected"))
        rows.append([row["feature"], groups, effect_words(row) or "-", p, corrected, row["test"] or "-"])
    yield from aligned(rows)


def _figures(
    found: "GroupComparison", plot: Path | None, feature: str, plot_effects: Path | None
) -> "Iterator[tuple[Path, Figure]]":
    from napari_cellseg.features import group_plots

    if plot is not None:
        yield plot, group_plots.plot_groups(found, feature)
    if plot_effects is not None:
        yield plot_effects, group_plots.plot_effects(found)


def _design(
    cells: "pd.DataFrame", pattern: str | None, settings: "Settings", features: str, groups: str | None
) -> "Design":
    """Which cells of the table are compared."""
    from napari_cellseg.batch.comparing import with_name_fields
    from napari_cellseg.features.table_columns import named_columns
    from napari_cellseg.statistics.group_design import make_design

    if pattern is not None:
        cells = with_name_fields(cells, pattern)
    taken = {settings.by, settings.replicates}
    names = [name for name in named_columns(cells, _parts(features)) if name not in taken]
    return make_design(cells, settings, names, None if groups is None else _parts(groups))


def _settings(
    by: str,
    replicates: str | None,
    paired: str | None,
    control: str | None,
    test: str,
    correction: str,
    average: str,
) -> "Settings":
    """The settings of the command line.

    Raises
    ------
    OptionError
        Where they don't go together.
    """
    from napari_cellseg.statistics.group_design import Settings

    if paired is not None and replicates not in (None, paired):
        raise OptionError("Give the column of the replicates by --replicates or by --paired, not by both.")
    return Settings(
        by=by,
        replicates=paired or replicates,
        paired=paired is not None,
        control=control,
        test=test,  # type: ignore[arg-type]
        correction=correction,  # type: ignore[arg-type]
        average=average,  # type: ignore[arg-type]
    )


def _check_names(table: Path, out: Path, *figures: Path | None) -> None:
    from napari_cellseg.features.tables import SUFFIXES

    if out.suffix.lower() not in SUFFIXES:
        raise OptionError(f"--out must end in {' or '.join(SUFFIXES)}, not '{out.name}'.")
    for path in figures:
        if path is not None and path.suffix.lower() not in FIGURES:
            raise OptionError(f"A figure must end in {', '.join(FIGURES)}, not '{path.name}'.")
    if out.resolve() == table.resolve():
        raise OptionError(f"The result must not replace the table '{table}'. Give --out another name.")
    drawn = [path.resolve() for path in figures if path is not None]
    if len(set(drawn)) < len(drawn):
        raise OptionError("--plot and --plot-effects must be different files.")


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
