"""The command that trains a model."""

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_cellseg.cli.options import one_channel
from napari_cellseg.cli.terminal import ProgressView, print_error, run_job
from napari_cellseg.errors import OptionError, OutputError, TrainingError
from napari_cellseg.events import Job, Progress, duration

if TYPE_CHECKING:
    from napari_cellseg.cli.train_choices import Asked
    from napari_cellseg.models.card import ModelCard, Score
    from napari_cellseg.training.runs.run import Epoch, Recipe, RunFolder

METRICS = ("mAP50-95", "mAP50", "AP50_95", "AP50", "precision", "recall", "F1", "IoU")
"""Scores that the line of an epoch shows, where they are known."""

RECIPE = "the recipe's"


def _choice(help: str, *names: str) -> Any:
    """An option that changes a recipe; None leaves it to the preset or the default."""
    return typer.Option(*names, help=help, show_default=RECIPE)


def _show_choices(asked: bool) -> None:
    if not asked:
        return
    from napari_cellseg.cli.train_choices import choice_lines

    for line in choice_lines():
        typer.echo(line)
    raise typer.Exit


def train(
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="MODEL",
            help="The file to write: .onnx, for YOLO networks .pt.",
            show_default=False,
        ),
    ],
    dataset: Annotated[
        Path | None,
        typer.Argument(metavar="[DATASET]", help="The dataset's folder.", show_default=False),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="MODEL",
            help="Model to train further, a name or a file; see --presets.",
            show_default="none",
        ),
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="Values to begin with; see --presets.", show_default="the family's")
    ] = None,
    arch: Annotated[
        str | None,
        _choice("Network that learns from scratch: yolo11n-seg, brightfield, …; see --presets."),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            help="Weights (.pt) to train further; for U-Nets the folder of the encoders' ImageNet weights.",
            show_default="from scratch",
        ),
    ] = None,
    epochs: Annotated[int | None, _choice("How often all training images are seen.")] = None,
    batch: Annotated[int | None, _choice("Pictures at once; less needs less memory.")] = None,
    imgsz: Annotated[int | None, _choice("Edge of the pictures, pixels.")] = None,
    scale: Annotated[
        str | None, _choice("own: tiles of the images as they are; fit: images shrunk or enlarged to imgsz.")
    ] = None,
    channel: Annotated[str | None, _choice("A number from 0, mean, or max.")] = None,
    single_class: Annotated[
        bool, typer.Option("--single-class", help="Take all classes for one.", show_default=RECIPE)
    ] = False,
    best_by: Annotated[
        str | None, _choice("What picks the best epoch: mAP50-95, mAP50, precision, recall, or F1.")
    ] = None,
    patience: Annotated[
        int | None, _choice("Stop after this many epochs without a better score; 0: never.")
    ] = None,
    freeze: Annotated[int | None, _choice("First layers that stay as they are, with --weights.")] = None,
    optimizer: Annotated[str | None, _choice("auto, SGD, AdamW, …")] = None,
    rate: Annotated[float | None, _choice("Learning rate at the start.")] = None,
    momentum: Annotated[float | None, _choice("Share of the last step that is kept.")] = None,
    weight_decay: Annotated[float | None, _choice("Pull of the weights towards zero.")] = None,
    elastic: Annotated[float | None, _choice("How often a picture is bent like rubber, 0 to 1.")] = None,
    grid: Annotated[float | None, _choice("How often a picture is stretched by a grid, 0 to 1.")] = None,
    seed: Annotated[int | None, _choice("The same seed gives the same training.")] = None,
    device: Annotated[str | None, _choice("auto, cpu, cuda, or cuda:N.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="Any other value of the recipe, such as degrees=10."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the training of this model, as it was begun.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the model and its training, if they are there.")
    ] = False,
    trust: Annotated[
        bool, typer.Option("--trust", help="Trust the weights, a .pt that can run code, from now on.")
    ] = False,
    estimate: Annotated[
        bool,
        typer.Option("--estimate", help="Only measure how long it will take, and how much memory it needs."),
    ] = False,
    presets: Annotated[
        bool,
        typer.Option(
            "--presets",
            callback=_show_choices,
            is_eager=True,
            help="List what can be trained: models, networks, presets.",
        ),
    ] = False,
) -> None:
    """Train a model on a dataset: one of this package further, or a YOLO network, or bright-field U-Nets.

    Nothing is downloaded. The folder MODEL_training beside the model holds recipe, log and checkpoints.
    Ctrl+C stops within seconds and keeps the last epoch; --resume goes on. The model gets a card with its
    validation and test scores.
    """
    from napari_cellseg.training.runs.run import run_beside

    given = {
        "epochs": epochs,
        "batch": batch,
        "imgsz": imgsz,
        "scale": scale,
        "channel": one_channel(channel),
        "single_class": single_class or None,
        "best_by": best_by,
        "patience": patience,
        "freeze": freeze,
        "optimizer": optimizer,
        "rate": rate,
        "momentum": momentum,
        "weight_decay": weight_decay,
        "elastic": elastic,
        "grid": grid,
        "seed": seed,
        "device": device,
        **parse_settings(set_ or []),
    }
    changes = {name: value for name, value in given.items() if value is not None}
    run = run_beside(out)
    if resume:
        flags = {"overwrite": overwrite, "estimate": estimate}
        options = [model, preset, arch, weights, *changes, *(name for name, on in flags.items() if on)]
        _check_resumed(run, dataset, options)
        recipe = None
    else:
        from napari_cellseg.cli.train_choices import Asked

        recipe = _checked_recipe(Asked(dataset, out, model, preset, arch, weights), changes, trust)
        if estimate:
            typer.echo(_estimate_words(recipe))
            return
        _make_room(run, out, overwrite)
    path = _trained(lambda: _job(run, recipe), run, out)
    for line in [*result_words(path), *_next_commands(run, path)]:
        typer.echo(line)


def _checked_recipe(asked: "Asked", changes: dict[str, Any], trust: bool) -> "Recipe":
    """The recipe that is asked for, once what it begins with is there."""
    from napari_cellseg.cli.train_choices import asked_recipe
    from napari_cellseg.models.trust import trust_file

    family, recipe = asked_recipe(asked, changes)
    start = Path(str(recipe.as_dict().get("start", "")))
    if trust and start.suffix.lower() == ".pt":
        trust_file(start)
    family.check(recipe)
    return recipe


def _estimate_words(recipe: "Recipe") -> str:
    """How long a training will take, and how much memory it needs, in a line."""
    from napari_cellseg.training.runs.estimating import estimating

    found = run_job(estimating(recipe))
    time, memory = duration(found.seconds), f"{found.memory / 1e9:.1f} GB of memory"
    return f"At most about {time} and {memory} on {found.device}; {found.words}"


def parse_settings(texts: list[str]) -> dict[str, Any]:
    """Values of ``NAME=VALUE``.

    Raises
    ------
    OptionError
        Where there is no name or no ``=``.
    """
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise OptionError(f"--set must be NAME=VALUE, such as degrees=10, not {text!r}.")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def epoch_words(epoch: "Epoch") -> str:
    """An epoch in a line: losses, scores, whether it is the best so far, and how long it took."""
    losses = ", ".join(f"{name} {value:.3g}" for name, value in epoch.losses.items() if name != "total")
    scores = ", ".join(f"{name} {epoch.metrics[name]:.3f}" for name in METRICS if name in epoch.metrics)
    best = ", best so far" if epoch.is_best else ""
    took = f"{epoch.seconds:.1f} s" if epoch.seconds < 10 else duration(epoch.seconds)
    total = f"loss {epoch.losses.get('total', float('nan')):.3g}" + (f" ({losses})" if losses else "")
    name = f"{epoch.network}, " if epoch.network else ""
    return (
        f"{name}epoch {epoch.number}/{epoch.planned}: {total}{f'; {scores}' if scores else ''}{best}; {took}"
    )


def result_words(path: Path) -> list[str]:
    """The trained model and its scores, as lines of text."""
    from napari_cellseg.models.registry import find_model

    card = find_model(path).card
    lines = [f"{path}: {card.title}, objects from confidence {card.confidence:g}"]
    lines += score_table(card)
    lines += [f"Note: {note}" for note in card.recipe.get("notes", ())]
    if path.suffix == ".onnx":
        return lines
    return [*lines, f"napari-cellseg export {shlex.quote(str(path))} makes an ONNX file of it"]


def _next_commands(run: "RunFolder", path: Path) -> list[str]:
    """How a model that was trained further is compared with what it began with, and used."""
    from napari_cellseg.training.families import family_of

    backend, recipe = run.read_recipe()
    start, model = recipe.get("start"), shlex.quote(str(path))
    if start is None or start in family_of(backend).networks():
        return []
    old, data = shlex.quote(start), shlex.quote(recipe["data"])
    return [
        f"napari-cellseg gate {model} {old} --data {data} says whether it is better than what it began with",
        f"napari-cellseg models add {model} makes it known by its name",
    ]


def score_table(card: "ModelCard") -> list[str]:
    """Scores of a card, a row per metric and a column per set of images."""
    sets = list(dict.fromkeys(score.data for score in card.scores))
    if not sets:
        return ["No scores: there are no validation images that have objects."]
    first: dict[str, Score] = {score.data: score for score in reversed(card.scores)}
    heads = [f"{name} ({first[name].images} images)" for name in sets]
    values = {(score.metric, score.data): f"{score.value:.3f}" for score in card.scores}
    metrics = list(dict.fromkeys(score.metric for score in card.scores))
    width = max(len(metric) for metric in metrics)
    lines = ["  ".join(["".ljust(width), *heads])]
    for metric in metrics:
        cells = [values.get((metric, n), "-").rjust(len(h)) for n, h in zip(sets, heads, strict=True)]
        lines.append("  ".join([metric.ljust(width), *cells]))
    return lines


def _check_resumed(run: "RunFolder", dataset: Path | None, given: list[Any]) -> None:
    """Make sure that a run is there, of this dataset, and that nothing is asked for that it cannot change."""
    from napari_cellseg.training.families import family_of, missing

    backend, recipe = run.read_recipe()
    asked = [str(value) for value in given if value is not None]
    if asked:
        raise OptionError(
            f"--resume goes on with the recipe in '{run.recipe}'; it takes no other options "
            f"({', '.join(asked)}). Leave them out, or begin anew with --overwrite."
        )
    if dataset is not None and str(dataset.absolute()) != recipe.get("data"):
        raise OptionError(f"The training in '{run.path}' is on '{recipe.get('data')}', not on '{dataset}'.")
    error = missing(family_of(backend))
    if error is not None:
        raise error


def _make_room(run: "RunFolder", out: Path, overwrite: bool) -> None:
    """Make sure that a new training replaces nothing that is still wanted."""
    if overwrite:
        if run.recipe.is_file():
            shutil.rmtree(run.path)
        return
    if run.recipe.is_file():
        raise TrainingError(
            f"'{run.path}' holds a training of '{out.name}' already: go on with it with --resume, or begin "
            f"anew with --overwrite."
        )
    if out.exists():
        raise OutputError(f"'{out}' is there already; choose another file, or replace it with --overwrite.")


def _job(run: "RunFolder", recipe: "Recipe | None") -> Job[Path]:
    """The training: a new one by a recipe, or the run's own that goes on."""
    from napari_cellseg.training.runs.process import resuming, training

    return resuming(run.path) if recipe is None else training(recipe, run.path)


def _trained(start: Callable[[], Job[Path]], run: "RunFolder", out: Path) -> Path:
    """Run a training to its end, with a line per epoch; whatever ends it, how to go on is said."""
    from napari_cellseg.training.runs.run import Epoch

    def react(progress: Progress, view: ProgressView) -> None:
        if isinstance(progress.payload, Epoch):
            view.say(epoch_words(progress.payload))

    try:
        return run_job(start(), react)
    except KeyboardInterrupt:
        print_error(_how_to_go_on(run, out))
        raise
    except TrainingError as error:
        raise TrainingError(f"{error} {_how_to_go_on(run, out)}") from error


def _how_to_go_on(run: "RunFolder", out: Path) -> str:
    command = f"napari-cellseg train -o {shlex.quote(str(out))} --resume"
    if run.checkpoints.is_dir() and any(run.checkpoints.iterdir()):
        return f"The last whole epoch is kept in '{run.path}'. Go on with: {command}"
    return f"No epoch was finished. Begin again with: {command}"
