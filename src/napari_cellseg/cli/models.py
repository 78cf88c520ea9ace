"""The commands about models."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_cellseg.models.card import ExportRecord
    from napari_cellseg.models.registry import ModelEntry

app = typer.Typer(help="List, describe, add and remove models.", no_args_is_help=True)

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
            help="A weights file with its card beside or inside it, or a card.", show_default=False
        ),
    ],
    name: Annotated[
        str | None, typer.Option(help="What to call it.", show_default="the name in its card")
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Trust the file, a .pt that can run code, from now on.")
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
def remove(name: Annotated[str, typer.Argument(help="The model's name.", show_default=False)]) -> None:
    """Remove a model that you added."""
    from napari_cellseg.models.collection import remove_model

    remove_model(name)
    typer.echo(f"Removed '{name}'.")


def describe(entry: "ModelEntry") -> "Iterator[str]":
    """The whole card of a model, as lines of text."""
    card = entry.card
    yield f"{card.name} {card.version}: {card.title}"
    yield ""
    yield from _wrapped(card.description)
    yield ""
    smallest, largest = card.diameter_range
    default = "none, the image stays as it is" if card.default_diameter is None else "measured in the image"
    if isinstance(card.default_diameter, float):
        default = f"{card.default_diameter:g} px"
    sizes = "no other size" if card.fixed_tile else f"multiples of {card.tile_multiple}"
    facts = {
        "Licence": card.licence,
        "Created": card.created,
        "From": f"{entry.origin}, {entry.path}",
        "SHA-256": card.sha256,
        "Kind": f"{card.kind} model, run by {card.backend}, {card.parameters:,} parameters",
        "Classes": ", ".join(card.classes),
        "Channels": str(card.channels),
        "Intensities": f"percentiles {card.scaling.low_percentile:g} and {card.scaling.high_percentile:g} "
        f"of a plane become 0 and 1",
        "Object size": f"best at {card.diameter:g} px across, copes with {smallest:g} to {largest:g} px",
        "Default size": default,
        "Pixel size": f"{card.pixel_size:g} µm" if card.pixel_size else "any",
        "Confidence": f"{card.confidence:g} by default, candidates from {card.confidence_floor:g}",
        "Tiles": f"{card.tile} px, {sizes}, {card.overlap} px overlap",
        "Maps": ", ".join(card.maps) or "none",
        "Trained from": card.parent or "scratch",
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
