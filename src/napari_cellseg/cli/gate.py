"""The command that says whether a new model is better than the old one."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_cellseg.cli.evaluate import UNDEFINED, aligned
from napari_cellseg.cli.options import DEVICE, channel_option, parse_channel
from napari_cellseg.cli.terminal import print_error, run_job

if TYPE_CHECKING:
    from napari_cellseg.training.gate import GateResult

LISTED = 10
"""Images that got worse that are printed."""


def gate(
    new: Annotated[
        str, typer.Argument(metavar="NEW", help="The new model: a name or a file.", show_default=False)
    ],
    old: Annotated[
        str,
        typer.Argument(
            metavar="OLD", help="The model that it would replace: a name or a file.", show_default=False
        ),
    ],
    data: Annotated[
        Path,
        typer.Option(
            "--data", "-d", metavar="DATASET", help="The dataset's folder, with truth.", show_default=False
        ),
    ],
    split: Annotated[
        str | None,
        typer.Option(
            help="train, val, test, or all; images that a model learnt from are left out of any of them.",
            show_default="test, and val where test has too few images",
        ),
    ] = None,
    metric: Annotated[str, typer.Option(help="What decides: F1, AP50, AP50_95, PQ, AJI, Dice, ….")] = "F1",
    channel: Annotated[str | None, channel_option("what each model was trained on, else the first")] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FOLDER",
            help="Write tables, a report, and pictures of the images that got worse.",
            show_default="nothing is written",
        ),
    ] = None,
    device: Annotated[str, DEVICE] = "auto",
    trust: Annotated[
        bool,
        typer.Option("--trust", help="Trust both models' files, .pt that can run code, from now on."),
    ] = False,
) -> None:
    """Say whether a new model is better than the old one, on images that neither learnt from.

    The verdict is better, worse, not distinguishable, or cannot be told, with the scores it rests on.
    """
    from napari_cellseg.models.trust import PICKLE_SUFFIXES, trust_file
    from napari_cellseg.training.gate import gating

    if trust:
        for model in (new, old):
            if Path(model).suffix.lower() in PICKLE_SUFFIXES:
                trust_file(model)
    job = gating(
        new,
        old,
        data,
        split=split,  # type: ignore[arg-type]
        metric=metric,
        channel=parse_channel(channel),  # type: ignore[arg-type]
        device=device,
    )
    result = run_job(job)
    if out is not None:
        result.save(out)
    for note in result.notes:
        print_error(f"Note: {note}")
    for line in described(result):
        typer.echo(line)
    if out is not None:
        typer.echo(f"\n{out}")


def described(result: "GateResult") -> Iterator[str]:
    """What is printed: the verdict, the classes where there are several, the images that got worse."""
    yield result.sentence
    if len(result.by_class) > 1:
        yield ""
        yield from aligned(_class_rows(result))
    worse = result.images_worse
    if len(worse):
        yield ""
        yield f"Worse in {len(worse):,} of {len(result.images):,} images:"
        rows = [["image", "old", "new", "difference"]]
        for row in worse.head(LISTED).itertuples():
            rows.append([str(row.image), _number(row.old), _number(row.new), f"{row.difference:+.3f}"])
        yield from aligned(rows)


def _class_rows(result: "GateResult") -> list[list[str]]:
    rows = [["class", "objects", "", "old", "new", "difference", "verdict"]]
    for row in result.by_class.to_dict("records"):
        change = f"{row['difference']:+.3f}" if math.isfinite(row["difference"]) else UNDEFINED
        scores = [_number(row["old"]), _number(row["new"]), change]
        rows.append([row["class"], f"{row['objects']:,}", row["metric"], *scores, row["verdict"]])
    return rows


def _number(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else UNDEFINED
