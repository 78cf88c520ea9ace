"""The command that reports on bright-field segmentation as papers do."""

from pathlib import Path
from typing import Annotated

import typer

from napari_cellseg.cli.options import DEVICE, one_channel
from napari_cellseg.cli.terminal import run_job
from napari_cellseg.errors import OptionError


def report(
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", metavar="FOLDER", help="Folder for the tables and figures.", show_default=False
        ),
    ],
    dataset: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DATASET]",
            help="The dataset's folder.",
            show_default="that of the first run",
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(help="Name or file of a model; may be repeated.", show_default="those of the runs"),
    ] = None,
    run: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder of a training of bright-field U-Nets, MODEL_training; may be repeated.",
            show_default="none",
        ),
    ] = None,
    split: Annotated[
        str, typer.Option(help="train, val, test, all, or held-out: test, without one val, without one all.")
    ] = "held-out",
    channel: Annotated[
        str | None,
        typer.Option(
            help="A number from 0, mean, or max.", show_default="the runs', else the first, colour as it is"
        ),
    ] = None,
    confidence: Annotated[
        float | None,
        typer.Option(help="Objects at or above it count, 0 to 1.", show_default="the model's"),
    ] = None,
    baseline: Annotated[
        float, typer.Option(help="F1 of the pixels to compare the mean with, 0 to 1.")
    ] = 0.75,
    pattern: Annotated[
        str | None,
        typer.Option(help="Pattern of the images' names that tells groups, such as '{line}_Phase_{well}_*'."),
    ] = None,
    robustness: Annotated[
        bool, typer.Option(help="Try the models on simulated images that are spoilt more and more.")
    ] = True,
    fields: Annotated[
        int, typer.Option(min=1, help="Simulated fields of each degradation and severity.")
    ] = 2,
    size: Annotated[
        str, typer.Option(metavar="ROWS,COLUMNS", help="Size of the simulated fields, pixels.")
    ] = "520,704",
    device: Annotated[str, DEVICE] = "auto",
) -> None:
    """Write the tables of the bright-field literature for models, a dataset and training runs.

    report.md shows all; each table is a CSV beside it. What cannot be made of what is given is left out.
    """
    from napari_cellseg.training.unets.report import ReportOptions, reporting
    from napari_cellseg.training.unets.report_robustness import SEEDS

    options = ReportOptions(
        split=split,
        channel=one_channel(channel),  # type: ignore[arg-type]
        confidence=confidence,
        baseline=baseline,
        pattern=pattern,
        robustness=robustness,
        seeds=tuple(SEEDS[0] + n for n in range(fields)),
        shape=parse_size(size),
        device=device,
    )
    page = run_job(reporting(out, models=model or (), dataset=dataset, runs=run or (), options=options))
    typer.echo(page)


def parse_size(text: str) -> tuple[int, int]:
    """Rows and columns of the command line: ``"520,704"``, or one number for both.

    Raises
    ------
    OptionError
        Where it is neither.
    """
    numbers = text.split(",")
    if len(numbers) > 2 or not all(part.isdecimal() and int(part) for part in numbers):
        raise OptionError(f"--size must be rows and columns in pixels (520,704), not {text!r}.")
    return int(numbers[0]), int(numbers[-1])
