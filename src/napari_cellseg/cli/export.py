"""The command that exports a model."""

from pathlib import Path
from typing import Annotated

import typer

from napari_cellseg.cli.models import export_words
from napari_cellseg.cli.options import trust_model
from napari_cellseg.cli.terminal import run_job

Edge = Annotated[
    int | None,
    typer.Option("--imgsz", "--size", help="Edge of the tiles in pixels.", show_default="the model's"),
]


def export(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="YOLO weights (.pt), or the name of such a model.", show_default=False
        ),
    ],
    format: Annotated[
        str,
        typer.Option(
            "--format", "-f", help="onnx (runs everywhere); engine or tensorrt (on this kind of GPU)."
        ),
    ] = "onnx",
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The file to write.", show_default="beside the model"),
    ] = None,
    half: Annotated[
        bool, typer.Option("--half", help="Compute with 16-bit floats: half the size, meant for GPUs.")
    ] = False,
    dynamic: Annotated[
        bool, typer.Option("--dynamic", help="Let an ONNX file take tiles of any size.")
    ] = False,
    imgsz: Edge = None,
    images: Annotated[
        Path | None,
        typer.Option(
            help="Compare model and export on these: a dataset, a folder of images, or one.",
            show_default="what it was trained on, or sample images",
        ),
    ] = None,
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda, or cuda:N; of the comparison, and of an engine.")
    ] = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it is there.")] = False,
    trust: Annotated[
        bool, typer.Option("--trust", help="Trust the weights, a .pt that can run code, from now on.")
    ] = False,
) -> None:
    """Export YOLO weights to ONNX or TensorRT, with a card, and compare both on images.

    The card, FILE.json, says how many objects both find, how well their masks agree, and how fast each is.
    An ONNX file needs neither torch nor ultralytics, and runs no code of strangers.
    """
    from napari_cellseg.training.yolo.exporting import exporting

    if trust:
        trust_model(model)
    job = exporting(
        model,
        format,
        half=half,
        dynamic=dynamic,
        size=imgsz,
        out=out,
        images=images,
        device=device,
        overwrite=overwrite,
    )
    exported = run_job(job)
    typer.echo(f"{exported.path}, with its card {exported.card_path.name}")
    if exported.card.export is not None:
        for line in export_words(exported.card.export):
            typer.echo(line)
