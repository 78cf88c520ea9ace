"""The commands about models."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from napari_cellseg.models.card import ExportRecord
    from napari_cellseg.models.registry import ModelEntry

app = typer.Typer(help="List, describe, compare, add, share, rename and remove models.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="A model's name, or its file.", show_default=False)]


@app.command("list")
def list_() -> None:
    """List the models that can be used by name."""
    from napari_cellseg.models.registry import list_models

    rows = [("NAME", "VERSION", "FROM", "TITLE")]
    rows += [(e.card.name, e.card.version, e.origin, e.card.title) for e in list_models()]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    for row in rows:
        cells = [f"{cell:{width}}" for cell, width in zip(row, widths, strict=False)]
        typer.echo("  ".join([*cells, row[3]]))


@app.command()
def info(name: Name) -> None:
    """Show a model's card: what it expects, data and licences, scores, and what it is not for."""
    from napari_cellseg.models.registry import find_model

    for line in describe(find_model(name)):
        typer.echo(line)


@app.command()
def add(
    path: Annotated[
        Path,
        typer.Argument(
            help="A model that was shared as one file, a package of bioimage.io, weights with their card "
            "beside or inside them, or a card.",
            show_default=False,
        ),
    ],
    name: Annotated[
        str | None, typer.Option(help="What to call it.", show_default="the name in its card")
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Trust the file from now on: a .pt in it can run code.")
    ] = False,
) -> None:
    """Add a model to your own, after running it once; it can then be used by name."""
    from napari_cellseg.models.collection import add_model
    from napari_cellseg.models.trust import trust_file

    if trust:
        trust_file(path)
    entry = add_model(path, name)
    typer.echo(f"Added '{entry.card.name}', kept in {entry.path.parent}.")


@app.command()
def rename(
    name: Annotated[str, typer.Argument(help="The model's name.", show_default=False)],
    new: Annotated[str, typer.Argument(help="What to call it from now on.", show_default=False)],
) -> None:
    """Give a model that you added another name."""
    from napari_cellseg.models.collection import rename_model

    typer.echo(f"'{name}' is now called '{rename_model(name, new).card.name}'.")


@app.command()
def compare(
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME...", help="Names of models, or their files.", show_default=False),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Write the table to this CSV file instead.", show_default=False),
    ] = None,
) -> None:
    """Show what the cards of models say, side by side: where they come from, their scores, their recipes."""
    from napari_cellseg.models.comparing import compare_models
    from napari_cellseg.outputs import replacing

    table = compare_models(names)
    if out is None:
        _print_table(table)
        return
    with replacing(out) as temporary:
        table.to_csv(temporary)
    typer.echo(f"{out}: {len(table)} facts about {len(table.columns)} models.")


@app.command()
def share(
    name: Name,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The file to write.", show_default="the model's name, .cellseg"),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it is there.")] = False,
) -> None:
    """Write a model as one file, with its card and all its weights, for "models add" on another computer."""
    from napari_cellseg.models.package import share_model
    from napari_cellseg.models.registry import find_model

    file = share_model(name, out or Path(find_model(name).card.name), overwrite=overwrite)
    typer.echo(
        f"{file}: {file.stat().st_size:,} bytes. Add it elsewhere with: napari-cellseg models add {file.name}"
    )


@app.command("export-zoo")
def export_zoo(
    name: Name,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The file to write.", show_default="the model's name, .zip"),
    ] = None,
    author: Annotated[
        list[str] | None,
        typer.Option(help="Who made the model; may be repeated.", show_default="the card's author"),
    ] = None,
    licence: Annotated[
        str | None,
        typer.Option(
            "--licence", "--license", help="SPDX identifier of its licence.", show_default="the card's"
        ),
    ] = None,
    image: Annotated[
        Path | None,
        typer.Option(
            help="Image for the test inside, of which the middle is taken.", show_default="simulated"
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it is there.")] = False,
) -> None:
    """Write a model as a package of bioimage.io, checked by bioimageio.spec; nothing is uploaded.

    It needs bioimageio.spec, which the extra "zoo" brings.
    """
    from napari_cellseg.images.reading import read_image
    from napari_cellseg.models.bioimageio.exporting import export_bioimageio
    from napari_cellseg.models.registry import find_model

    written = export_bioimageio(
        name,
        out or Path(find_model(name).card.name),
        authors=author or (),
        licence=licence,
        image=None if image is None else read_image(image).data,
        overwrite=overwrite,
    )
    typer.echo(f"{written.path}: {written.status}, says bioimageio.spec {written.checked_with}.")
    for note in written.notes:
        typer.echo(f"- {note}")


@app.command()
def remove(name: Annotated[str, typer.Argument(help="The model's name.", show_default=False)]) -> None:
    """Remove a model that you added."""
    from napari_cellseg.models.collection import remove_model

    remove_model(name)
    typer.echo(f"Removed '{name}'.")


def describe(entry: "ModelEntry") -> "Iterator[str]":
    """The whole card of a model, as lines of text."""
    from napari_cellseg.models.comparing import further, learnt_from
    from napari_cellseg.models.lineage import lineage, lineage_words

    card = entry.card
    yield f"{card.name} {card.version}: {card.title}"
    yield ""
    yield from _wrapped(card.description)
    yield ""
    smallest, largest = card.diameter_range
    default = "none, the image stays as it is" if card.default_diameter is None else "measured in the image"
    if isinstance(card.default_diameter, float):
        default = f"{card.default_diameter:g} px"
    scaled = "the mean of a plane becomes 0, one standard deviation 1"
    if card.scaling.method == "percentiles":
        low, high = card.scaling.low_percentile, card.scaling.high_percentile
        scaled = f"percentiles {low:g} and {high:g} of a plane become 0 and 1"
    sizes = "no other size" if card.fixed_tile else f"multiples of {card.tile_multiple}"
    facts = {
        "Licence": card.licence,
        "Created": card.created + (f", by {card.author}" if card.author else ""),
        "From": f"{entry.origin}, {entry.path}",
        "SHA-256": card.sha256,
        "Kind": f"{card.kind} model, run by {card.backend}, {card.parameters:,} parameters",
        "Classes": ", ".join(card.classes),
        "Channels": str(card.channels),
        "Intensities": scaled,
        "Object size": f"best at {card.diameter:g} px across, copes with {smallest:g} to {largest:g} px",
        "Default size": default,
        "Pixel size": f"{card.pixel_size:g} µm" if card.pixel_size else "any",
        "Confidence": f"{card.confidence:g} by default, candidates from {card.confidence_floor:g}",
        "Tiles": f"{card.tile} px, {sizes}, {card.overlap} px overlap",
        "Maps": ", ".join(card.maps) or "none",
        "Trained from": lineage_words(lineage(entry)),
        "Learnt from": learnt_from(card) or "not said",
        "Trainable": further(entry),
    }
    for key, value in facts.items():
        yield f"{key + ':':14}{value}"
    yield from _data(entry)
    yield from _scores(entry)
    if card.export:
        yield ""
        yield from export_words(card.export)
    if card.not_for:
        yield ""
        yield "Not for"
        for text in card.not_for:
            yield from _wrapped(text, "- ")
    if card.recipe:
        yield ""
        yield "Recipe"
        for key, value in card.recipe.items():
            yield from _wrapped(f"{key}: {value}", "- ")


def _print_table(table: "pd.DataFrame") -> None:
    """A table as wide as the terminal, texts wrapped in their columns."""
    from rich.console import Console
    from rich.table import Table

    shown = Table("", box=None, pad_edge=False)
    for name in table.columns:
        shown.add_column(str(name), overflow="fold")
    for fact, row in zip(table.index, table.to_numpy(), strict=True):
        cells = (
            "" if cell is None else f"{cell:.3f}" if isinstance(cell, float) else str(cell) for cell in row
        )
        shown.add_row(str(fact), *cells)
    Console(markup=False, highlight=False, soft_wrap=False).print(shown)


def export_words(export: "ExportRecord") -> "Iterator[str]":
    """How a model was exported and how it compares with its source, as lines of text."""
    gpu = f", for {export.gpu}" if export.gpu else ""
    yield f"Exported from {export.source}: {export.format}, {export.precision}{gpu}"
    yield f"- made with {export.made_with}; source's SHA-256 {export.source_sha256}"
    found = export.comparison
    if found is None:
        return
    yield f"- compared on {found.count} {'image' if found.count == 1 else 'images'}: {found.images}"
    yield (
        f"- the source finds {found.source_objects:,} objects, the export {found.export_objects:,}; "
        f"{found.pairs:,} are the same, {found.lost:,} lost, {found.added:,} added"
    )
    if found.mean_iou is not None and found.worst_iou is not None:
        yield f"- IoU of their masks: {found.mean_iou:.3f} on average, {found.worst_iou:.3f} at worst"
    for latency in found.latencies:
        yield f"- .{latency.format} takes {latency.seconds:.3g} s for an image on {latency.device} (median)"


def _data(entry: "ModelEntry") -> "Iterator[str]":
    if entry.card.data:
        yield ""
        yield "Data (training / validation images, objects)"
    for source in entry.card.data:
        images = f"{source.train_images:,} / {source.validation_images:,} images"
        objects = f"{source.train_objects:,} / {source.validation_objects:,} objects"
        yield f"- {source.name}: {images}, {objects}; {source.licence}"
        yield from _wrapped(f"{source.title}. {source.citation}", "  ")


def _scores(entry: "ModelEntry") -> "Iterator[str]":
    card = entry.card
    yield ""
    if not card.scores:
        yield "Scores: none are known"
    else:
        yield "Scores on images that it was not trained on"
    for score in card.scores:
        scored = f"{score.images} images, {score.objects:,} objects"
        yield f"- {score.data}: {score.metric} {score.value:.3f} ({scored})"
    if card.calibration:
        yield ""
        yield "Calibration: how many objects of about the same confidence are right"
    for bin_ in card.calibration:
        yield f"- confidence {bin_.confidence:.2f}: {bin_.precision:.1%} of {bin_.objects:,} objects"


def _wrapped(text: str, first: str = "") -> list[str]:
    import textwrap

    return textwrap.wrap(
        text, 100, initial_indent=first, subsequent_indent=" " * len(first), break_on_hyphens=False
    )
