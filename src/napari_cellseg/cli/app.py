"""The commands."""

import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

import napari_cellseg
from napari_cellseg.cli import (
    compare,
    dataset,
    evaluate,
    export,
    gate,
    measure,
    models,
    next,
    report,
    train,
)
from napari_cellseg.cli.options import DEVICE, TRUST, channel_option, parse_channel, trust_model
from napari_cellseg.cli.terminal import FAILURE, ProgressView, guarded, one_or_two, print_error, run_job
from napari_cellseg.errors import OptionError
from napari_cellseg.events import Progress

if TYPE_CHECKING:
    from napari_cellseg.batch import FileResult

app = typer.Typer(
    name="napari-cellseg",
    help="Segment cells and nuclei in microscope images, offline.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(dataset.app, name="dataset")
app.add_typer(models.app, name="models")

MARKS = {"ok": "ok     ", "note": "note   ", "problem": "PROBLEM"}


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"napari-cellseg {napari_cellseg.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show tracebacks and the warnings of other packages.")
    ] = False,
) -> None:
    pass


@app.command()
def segment(
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGE|FOLDER...",
            help="Image files (TIFF, OME-TIFF, PNG, JPEG, BMP, GIF, NPY, Zarr), and folders of them.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the results; made if missing.", show_default=False)
    ],
    model: Annotated[
        str, typer.Option("--model", "-m", help="A model's name (see: models list), or its file.")
    ] = "nuclei",
    device: Annotated[str, DEVICE] = "auto",
    confidence: Annotated[
        float | None,
        typer.Option(help="Keep objects from this confidence on, 0 to 1.", show_default="the model's"),
    ] = None,
    channel: Annotated[str | None, channel_option("the first")] = None,
    axes: Annotated[
        str | None,
        typer.Option(
            help="A letter per dimension: T Z C Y X, S for RGB; such as TCYX.", show_default="the file's"
        ),
    ] = None,
    pixel_size: Annotated[
        str | None,
        typer.Option(
            help="µm per pixel: one number, or those of Y and X (0.5,0.4).", show_default="the file's"
        ),
    ] = None,
    diameter: Annotated[
        str | None,
        typer.Option(help="Diameter of the objects in pixels, or auto.", show_default="the model's"),
    ] = None,
    tile: Annotated[
        int | None, typer.Option(help="Largest edge of a tile in pixels.", show_default="automatic")
    ] = None,
    link: Annotated[
        str | None, typer.Option(help="z: join the planes of a z stack into 3-D objects.", show_default="off")
    ] = None,
    format: Annotated[
        str, typer.Option(help="tif (any image), png (one plane, up to 65,535 objects), or npy.")
    ] = "tif",
    keep_map: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A map of the model to write too, as NAME_MAP.tif, such as disagreement; may be repeated.",
            show_default="none",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace results that are there, finished ones too.")
    ] = False,
    trust: Annotated[bool, TRUST] = False,
) -> None:
    """Segment images; write NAME_labels.tif, NAME_features.csv and NAME_provenance.json for each.

    Images whose results are in the folder already, from the same pixels, model and parameters, are skipped.
    A file that cannot be segmented is reported, and the rest goes on; the exit code is then 2.
    """
    from napari_cellseg.batch import FileResult, segmenting_files

    if trust:
        trust_model(model)
    several = len(images) > 1 or images[0].is_dir()

    def react(progress: Progress, view: ProgressView) -> None:
        if several and isinstance(progress.payload, FileResult):
            view.say(_line(progress.payload))

    job = segmenting_files(
        images,
        out,
        format=format,  # type: ignore[arg-type]
        overwrite=overwrite,
        model=model,
        device=device,
        confidence=confidence,
        channel=parse_channel(channel),
        axes=axes,
        pixel_size=parse_pixel_size(pixel_size),
        diameter=parse_diameter(diameter),
        tile=tile,
        link=link,  # type: ignore[arg-type]
        keep_maps=tuple(keep_map or ()),
    )
    summary = run_job(job, react)
    (first, *others) = summary.files
    if others or several:
        typer.echo(summary.text.splitlines()[0])
    elif first.status == "failed":
        print_error(_line(first))
    else:
        typer.echo(_line(first))
    if summary.count("failed"):
        raise typer.Exit(FAILURE)


def _line(result: "FileResult") -> str:
    """One file's result in a line."""
    if result.status == "failed":
        return f"Error: {result.failure}"
    if result.status == "skipped":
        return f"{result.path}: already done, {result.objects:,} objects, {result.labels}"
    return f"{result.path}: {result.objects:,} objects in {result.seconds:.1f} s, {result.labels}"


app.command()(measure.measure)
app.command()(compare.compare)
app.command()(evaluate.evaluate)
app.command()(report.report)
app.command()(train.train)
app.command()(gate.gate)
app.command("next")(next.next_images)
app.command()(export.export)


@app.command()
def demo(
    headless: Annotated[
        Path | None,
        typer.Option(
            "--headless", metavar="OUT", help="Write image, labels, table and overlay to this folder instead."
        ),
    ] = None,
    device: Annotated[str, DEVICE] = "auto",
) -> None:
    """Segment a real image that is installed already, and show it in napari.

    Where there is no display or no Qt binding, the results are written to ./napari-cellseg-demo.
    """
    from napari_cellseg.cli.demo import show_demo, write_demo
    from napari_cellseg.doctor import viewer_problem

    if headless is None:
        problem = viewer_problem()
        if not problem:
            show_demo(device)
            return
        headless = Path("napari-cellseg-demo")
        print_error(f"{problem} The results go to the folder {headless}.")
    for line in write_demo(headless, device):
        typer.echo(line)


@app.command()
def doctor() -> None:
    """Say what is installed, which device would be used, and what is in conflict.

    The exit code is 1 if there is a problem.
    """
    from napari_cellseg.doctor import diagnose

    findings = diagnose()
    width = max(len(finding.topic) for finding in findings)
    for finding in findings:
        typer.echo(f"{MARKS[finding.status]}  {finding.topic:{width}}  {finding.text}")
        if finding.remedy:
            typer.echo(f"{'':{len(MARKS['ok']) + width + 4}}{finding.remedy}")
    problems = sum(finding.status == "problem" for finding in findings)
    if problems:
        typer.echo(f"{problems} {'problem' if problems == 1 else 'problems'} found.")
        raise typer.Exit(1)
    typer.echo("No problems found.")


def parse_pixel_size(text: str | None) -> float | tuple[float, float] | None:
    """Pixel size of the command line: ``"0.5"``, or ``"0.5,0.4"`` for y and x.

    Raises
    ------
    OptionError
        Where it is neither.
    """
    if text is None:
        return None
    numbers = one_or_two(text)
    if len(numbers) == 1:
        return numbers[0]
    if len(numbers) == 2:
        return numbers[0], numbers[1]
    raise OptionError(f"--pixel-size must be µm per pixel, one number or two (0.5,0.4), not {text!r}.")


def parse_diameter(text: str | None) -> float | Literal["auto"] | None:
    """Diameter of the command line: a number of pixels, or ``"auto"``.

    Raises
    ------
    OptionError
        Where it is neither.
    """
    if text is None:
        return None
    if text == "auto":
        return "auto"
    try:
        return float(text)
    except ValueError:
        raise OptionError(f"--diameter must be a number of pixels, or auto, not {text!r}.") from None


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; ends with SystemExit.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process if not given.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a pipe of Windows can't say all that is said
    debug = "--debug" in (sys.argv[1:] if arguments is None else arguments)
    with guarded(debug):
        given = None if arguments is None else list(arguments)
        code = app(given, prog_name="napari-cellseg", standalone_mode=False)
        if code == 130:
            raise KeyboardInterrupt
    raise SystemExit(code if isinstance(code, int) else 0)
