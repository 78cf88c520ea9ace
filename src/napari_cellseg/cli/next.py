"""The command that says which images to correct next."""

import math
from pathlib import Path
from typing import Annotated

import typer

from napari_cellseg.cli.evaluate import UNDEFINED, aligned
from napari_cellseg.cli.options import DEVICE, TRUST, channel_option, parse_channel, trust_model
from napari_cellseg.cli.terminal import FAILURE, run_job
from napari_cellseg.outputs import make_folder

LISTED = 20
"""Images that are printed."""


def next_images(
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGE|FOLDER...", help="Image files, and folders of them.", show_default=False
        ),
    ],
    model: Annotated[
        str, typer.Option("--model", "-m", help="The model that is to get better: a name or a file.")
    ] = "nuclei",
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            "-d",
            metavar="DATASET",
            help="What was corrected so far: images unlike it come first, those that it has last.",
            show_default="none",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="TABLE", help="Write all rows as CSV.", show_default="not written"
        ),
    ] = None,
    channel: Annotated[str | None, channel_option("the first")] = None,
    device: Annotated[str, DEVICE] = "auto",
    trust: Annotated[bool, TRUST] = False,
) -> None:
    """Rank images by how much correcting them would teach the model; the one to correct next first.

    Images that cannot be read are last, with the reason; the exit code is then 2.
    """
    from napari_cellseg.evaluation.writing import write_table
    from napari_cellseg.training.next_images import ranking

    if trust:
        trust_model(model)
    table = run_job(ranking(images, model, data, channel=parse_channel(channel), device=device))  # type: ignore[arg-type]
    if out is not None:
        make_folder(out.parent)
        write_table(table, out)
    rows = [["image", "score", "why"]]
    for row in table.head(LISTED).itertuples():
        score = f"{row.score:.2f}" if math.isfinite(row.score) else UNDEFINED
        rows.append([Path(str(row.image)).name, score, row.reasons])
    width = max(len(row[2]) for row in rows)
    for line in aligned([[name, score, f"{why:<{width}}"] for name, score, why in rows]):
        typer.echo(line.rstrip())
    if len(table) > LISTED:
        typer.echo(f"… and {len(table) - LISTED:,} more" + ("." if out is None else f", all in {out}"))
    if table["score"].isna().any():
        raise typer.Exit(FAILURE)
