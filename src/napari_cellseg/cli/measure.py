"""The command that measures label images."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_cellseg.cli.terminal import FAILURE, print_error, run_job
from napari_cellseg.errors import OptionError
from napari_cellseg.outputs import make_folder

if TYPE_CHECKING:
    import pandas as pd


def measure(
    labels: Annotated[
        Path,
        typer.Argument(
            metavar="LABELS", help="A label image, or a folder of them (NAME_labels.tif).", show_default=False
        ),
    ],
    image: Annotated[
        Path | None,
        typer.Argument(
            metavar="[IMAGE]",
            help="Its image, or a folder of images (NAME.tif); for intensity and texture.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", metavar="TABLE", help="The table to write: .csv or .parquet.", show_default=False
        ),
    ] = ...,  # type: ignore[assignment]
    features: Annotated[
        str,
        typer.Option(help="Features and groups with commas (size,shape,intensity); see docs/features.md."),
    ] = "default",
    pixel_size: Annotated[
        str | None,
        typer.Option(
            help="Size of a pixel: one number, or those of Y and X (0.5,0.4), or of Z, Y and X.",
            show_default="the file's",
        ),
    ] = None,
    unit: Annotated[str, typer.Option(help="Unit of --pixel-size.")] = "µm",
    axes: Annotated[
        str | None,
        typer.Option(
            help="A letter for each dimension of the image, or of the labels without one: T Z C Y X S.",
            show_default="the file's",
        ),
    ] = None,
    volume: Annotated[
        bool, typer.Option("--volume", help="Measure objects in three dimensions (Z, Y, X).")
    ] = False,
    excel: Annotated[
        bool, typer.Option("--excel", help="Write the CSV so that Excel opens µ and umlauts right.")
    ] = False,
    decimal_comma: Annotated[
        bool, typer.Option("--decimal-comma", help="Decimal commas, and semicolons between the columns.")
    ] = False,
) -> None:
    """Measure the objects of label images; write a table, and its units and provenance beside it.

    Classes and confidences in NAME_features.csv beside the labels join in. Of a folder all objects come into
    one table whose first column names the image. A file that cannot be measured is reported, and the rest
    goes on; the exit code is then 2.
    """
    from napari_cellseg.batch.measuring import find_labelled, measuring_files
    from napari_cellseg.features.tables import SUFFIXES, write_table

    if out.suffix.lower() not in SUFFIXES:
        raise OptionError(f"--out must end in {' or '.join(SUFFIXES)}, not '{out.name}'.")
    names = [part.strip() for part in features.split(",") if part.strip()]
    files = find_labelled(labels, image)
    size = parse_sizes(pixel_size)
    make_folder(out.parent)
    result = run_job(
        measuring_files(
            files,
            features=None if names == ["default"] else names,
            pixel_size=size,
            unit=unit,
            axes=axes,
            volume=volume,
        )
    )
    for path, words in result.failures.items():
        print_error(f"Error: {path}: {words}")
    if len(result.failures) < len(files):
        write_table(result.table, out, excel=excel, decimal="," if decimal_comma else ".")
        typer.echo(f"{summary(result.table, len(files) - len(result.failures))}, {out}")
    if result.failures:
        raise typer.Exit(FAILURE)


def parse_sizes(text: str | None) -> tuple[float, ...] | float | None:
    """Size of a pixel of the command line: one number, or two or three with commas.

    Raises
    ------
    OptionError
        Where it is none of these.
    """
    if text is None:
        return None
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    if not 1 <= len(numbers) <= 3 or not all(0 < n < math.inf for n in numbers):
        raise OptionError(f"--pixel-size must be one, two or three positive numbers (0.5,0.4), not {text!r}.")
    return numbers[0] if len(numbers) == 1 else numbers


def summary(table: "pd.DataFrame", files: int) -> str:
    """What was measured, in a line: ``"412 objects, mean area 132 µm²"``."""
    count = len(table)
    words = f"{count:,} {'object' if count == 1 else 'objects'}"
    words += f" in {files:,} images" if files > 1 else ""
    for size in ("area", "volume"):
        if size in table and count:
            words += f", mean {size} {table[size].mean():.4g} {table.attrs['units'].get(size, '')}".rstrip()
    return words
