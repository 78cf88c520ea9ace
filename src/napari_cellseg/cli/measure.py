"""The command that measures label images."""

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from napari_cellseg.cli.terminal import FAILURE, print_error, run_job
from napari_cellseg.errors import OptionError
from napari_cellseg.outputs import make_folder

if TYPE_CHECKING:
    import pandas as pd

    from napari_cellseg.batch.labelled import LabelledFile, MeasuredFiles
    from napari_cellseg.events import Job

    Describe: TypeAlias = Callable[[pd.DataFrame, Sequence[str]], list[str]]


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
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="TABLE",
            help="A row for each object: .csv or .parquet.",
            show_default=False,
        ),
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            metavar="TABLE",
            help="A row for each image or frame: count, confluence, classes, focus; growth of time series.",
            show_default=False,
        ),
    ] = None,
    enrichment: Annotated[
        Path | None,
        typer.Option(
            metavar="TABLE",
            help="A row for each pair of classes: do they touch more often than by chance?",
            show_default=False,
        ),
    ] = None,
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
    interval: Annotated[
        str | None,
        typer.Option(
            help="Time between two frames, in s, min, h or d (30min), for --images.",
            show_default="the file's",
        ),
    ] = None,
    shuffles: Annotated[int, typer.Option(help="How often --enrichment shuffles the classes.")] = 1000,
    seed: Annotated[int, typer.Option(help="Of the shuffles; the same seed gives the same numbers.")] = 0,
    excel: Annotated[
        bool, typer.Option("--excel", help="Write the CSV so that Excel opens µ and umlauts right.")
    ] = False,
    decimal_comma: Annotated[
        bool, typer.Option("--decimal-comma", help="Decimal commas, and semicolons between the columns.")
    ] = False,
) -> None:
    """Measure label images: their objects, the images, contacts of classes; write tables with their units.

    Classes and confidences in NAME_features.csv beside the labels join in. Of a folder everything comes into
    one table whose first column names the image. A file that cannot be measured is reported, and the rest
    goes on; the exit code is then 2.
    """
    from napari_cellseg.batch import measuring
    from napari_cellseg.batch.labelled import MICROMETRE, Reading, find_labelled

    _check_names({"--out": out, "--images": images, "--enrichment": enrichment})
    if pixel_size is None and unit != MICROMETRE:
        raise OptionError(f"--unit is the unit of --pixel-size: give the size of a pixel in {unit} too.")
    names = [part.strip() for part in features.split(",") if part.strip()]
    files = find_labelled(labels, image)
    reading = Reading(parse_sizes(pixel_size), unit, axes, volume)
    every = parse_interval(interval)
    jobs: list[tuple[Path | None, Job[MeasuredFiles], Describe]] = [
        (
            out,
            measuring.measuring_files(files, reading, features=None if names == ["default"] else names),
            summary,
        ),
        (images, measuring.measuring_image_files(files, reading, interval=every), images_summary),
        (enrichment, measuring.enriching_files(files, reading, shuffles=shuffles, seed=seed), pairs_summary),
    ]
    failures: set[str] = set()
    for path, job, describe in jobs:
        if path is not None:
            _write(job, path, files, describe, excel, decimal_comma, failures)
    if failures:
        raise typer.Exit(FAILURE)


def _check_names(tables: dict[str, Path | None]) -> None:
    from napari_cellseg.features.tables import SUFFIXES

    asked = {option: path for option, path in tables.items() if path is not None}
    if not asked:
        raise OptionError("Say what to write: --out (objects), --images (images) or --enrichment (classes).")
    for option, path in asked.items():
        if path.suffix.lower() not in SUFFIXES:
            raise OptionError(f"{option} must end in {' or '.join(SUFFIXES)}, not '{path.name}'.")
    if len({path.resolve() for path in asked.values()}) < len(asked):
        raise OptionError(f"{' and '.join(asked)} must be different files.")


def _write(
    job: "Job[MeasuredFiles]",
    path: Path,
    files: "list[LabelledFile]",
    describe: "Describe",
    excel: bool,
    decimal_comma: bool,
    said: set[str],
) -> None:
    """Run a job and write its table; say what failed, each thing once."""
    from napari_cellseg.features.tables import write_table

    make_folder(path.parent)
    result = run_job(job)
    failures = {f"Error: {failed}: {words}" for failed, words in result.failures.items()}
    for line in sorted(failures - said):
        print_error(line)
    said |= failures
    if len(result.failures) < len(files):
        write_table(result.table, path, excel=excel, decimal="," if decimal_comma else ".")
        first, *more = describe(result.table, [f.name for f in files if str(f.labels) not in result.failures])
        typer.echo(f"{first}, {path}")
        for line in more:
            typer.echo(f"  {line}")


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


def parse_interval(text: str | None) -> tuple[float, str] | None:
    """Time between two frames of the command line: ``"30min"`` is 30 and ``"min"``.

    Raises
    ------
    OptionError
        Where it is no time.
    """
    from napari_cellseg.features.growth import SECONDS

    if text is None:
        return None
    found = re.fullmatch(r"\s*([0-9.]+(?:e-?[0-9]+)?)\s*([a-z]+)\s*", text)
    try:
        number = float(found[1]) if found else 0.0
    except ValueError:
        number = 0.0
    if found is None or found[2] not in SECONDS or not 0 < number < math.inf:
        raise OptionError(
            f"--interval must be a time above 0 and its unit, {', '.join(SECONDS)} (30min), not {text!r}."
        )
    return number, found[2]


def summary(table: "pd.DataFrame", names: Sequence[str]) -> list[str]:
    """What was measured, in a line: ``"412 objects, mean area 132 µm²"``."""
    count = len(table)
    words = f"{count:,} {'object' if count == 1 else 'objects'}"
    words += f" in {len(names):,} images" if len(names) > 1 else ""
    for size in ("area", "volume"):
        if size in table and count:
            words += f", mean {size} {table[size].mean():.4g} {table.attrs['units'].get(size, '')}".rstrip()
    return [words]


def images_summary(table: "pd.DataFrame", names: Sequence[str]) -> list[str]:
    """A line for all images, and one for the growth of each time series."""
    from napari_cellseg.batch.measuring import film_growth
    from napari_cellseg.features.growth import growth_words

    count = len(table)
    words = f"{count:,} {'image' if count == 1 else 'images'}, {table['count'].sum():,.0f} objects"
    lines = [f"{words}, {'mean ' if count > 1 else ''}confluence {100 * table['confluence'].mean():.3g} %"]
    for film, fits in film_growth(table, names[0]).items():
        lines += [f"{film}: {column} {growth_words(fit, unit)}" for column, (fit, unit) in fits.items()]
    return lines


def pairs_summary(table: "pd.DataFrame", names: Sequence[str]) -> list[str]:
    """A line for all pairs of classes, and one for each where there is one image."""
    lines = [f"{len(table):,} {'pair' if len(table) == 1 else 'pairs'} of classes"]
    lines[0] += f" in {len(names):,} images" if len(names) > 1 else ""
    if not table.duplicated(["class", "other"]).any():
        lines += [
            f"{row['class']} and {row['other']}: {row['contacts']:,} contacts, {row['expected']:.4g} by "
            f"chance, corrected p {row['p_corrected']:.2g}"
            for row in table.to_dict("records")
        ]
    return lines
