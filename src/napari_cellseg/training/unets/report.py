"""The tables of the bright-field paper for any models, dataset and training runs, as one folder."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from napari_cellseg.datasets.store import Dataset, is_dataset
from napari_cellseg.errors import OptionError
from napari_cellseg.events import Job, Progress, drain
from napari_cellseg.images.channels import Channel
from napari_cellseg.images.simulation.degradation import SEVERITIES
from napari_cellseg.models.protocols import Model
from napari_cellseg.models.registry import load_model
from napari_cellseg.outputs import make_folder
from napari_cellseg.provenance import versions
from napari_cellseg.training.memory import MemoryWatch
from napari_cellseg.training.runs.run import RunFolder
from napari_cellseg.training.unets.report_backbones import as_run
from napari_cellseg.training.unets.report_images import ImageSet, ModelResult, trying_model
from napari_cellseg.training.unets.report_robustness import SEEDS, trying_degradations
from napari_cellseg.training.unets.report_sections import image_sections, robustness_section, run_sections
from napari_cellseg.training.unets.report_tables import Section, write_sections

ModelChoice = str | Path | Model

TITLE = "Report on bright-field segmentation"

SIMULATED = ("severities", "seeds", "shape", "diameter")
"""Options of the simulated images."""

REAL = ("split", "channel", "baseline", "pattern")
"""Options of the images of a dataset."""


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """How models are tried.

    Attributes
    ----------
    split : str
        Images of the dataset: ``"train"``, ``"val"``, ``"test"``, ``"all"``; ``"held-out"``: test, where
        there is none val, where there is none all.
    channel : int, "mean" or "max", optional
        Of images with several channels; unless given that of the runs, else the first, or colours.
    confidence : float, optional
        Objects at or above it count; that of each card unless given.
    baseline : float
        F1 of the pixels that Table 6 compares the mean with; 0.75 in the paper.
    pattern : str, optional
        Pattern of the images' names that tells groups, such as ``"{line}_Phase_{well}_*"``.
    robustness : bool
        Whether models are tried on simulated images that are spoilt more and more.
    severities : tuple of float
        Of each degradation, 0 to 1.
    seeds : tuple of int
        A simulated field each.
    shape : (int, int)
        Rows and columns of those fields.
    diameter : (float, float)
        Smallest and largest diameter of their cells, pixels.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cuda:N"``.

    Raises
    ------
    OptionError
        Where a number is out of its range.
    """

    split: str = "held-out"
    channel: Channel = None
    confidence: float | None = None
    baseline: float = 0.75
    pattern: str | None = None
    robustness: bool = True
    severities: tuple[float, ...] = SEVERITIES
    seeds: tuple[int, ...] = SEEDS
    shape: tuple[int, int] = (520, 704)
    diameter: tuple[float, float] = (36.0, 64.0)
    device: str = "auto"

    def __post_init__(self) -> None:
        for name in ("confidence", "baseline"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise OptionError(f"{name} must be between 0 and 1, not {value:g}.")
        if self.robustness and not (self.severities and self.seeds):
            raise OptionError("Robustness needs at least one severity and one seed.")


def reporting(
    folder: str | Path,
    *,
    models: Sequence[ModelChoice] = (),
    dataset: Dataset | str | Path | None = None,
    runs: Sequence[RunFolder | str | Path] = (),
    options: ReportOptions | None = None,
) -> Job[Path]:
    """`write_report` as a long job: yields `Progress` and returns the page."""
    chosen, known = options or ReportOptions(), [as_run(run) for run in runs]
    recipes = [run.read_recipe()[1] for run in known]
    models = list(models) or _trained(recipes)
    opened = _dataset(dataset, recipes)
    if not known and not models:
        raise OptionError("A report needs a model, or a training run.")
    if models and opened is None and not chosen.robustness and not known:
        raise OptionError("A report on a model needs a dataset, or simulated images (robustness).")
    sections = list(run_sections(known))
    target = make_folder(folder)
    images = None if opened is None else ImageSet.of(opened, chosen.split, _channel(chosen, recipes))
    loaded: dict[str, Model] = {}
    results: list[ModelResult] = []
    for choice in models:
        yield Progress("Loading model", len(loaded), len(models), str(choice))
        watch = MemoryWatch(chosen.device)
        model = load_model(choice, chosen.device)
        name = _distinct(model.card.name, loaded)
        loaded[name] = model
        if images is not None:
            job = trying_model(
                name, model, images, confidence=chosen.confidence, pattern=chosen.pattern, watch=watch
            )
            results.append((yield from job))
    sections += image_sections(results, chosen.baseline)
    about = _about(loaded, images, known, chosen)
    if chosen.robustness and loaded:
        write_sections(sections, target, TITLE, about)  # kept where the rest, which takes long, is cancelled
        sections.append((yield from _spoiling(loaded, chosen)))
    return write_sections(sections, target, TITLE, about)[0]


def write_report(
    folder: str | Path,
    *,
    models: Sequence[ModelChoice] = (),
    dataset: Dataset | str | Path | None = None,
    runs: Sequence[RunFolder | str | Path] = (),
    options: ReportOptions | None = None,
    progress: Callable[[Progress], object] | None = None,
) -> Path:
    """Write all tables and figures that can be made of models, a dataset and training runs.

    Parameters
    ----------
    folder : path
        Takes ``report.md``, ``report.json``, a CSV per table and a PNG per figure; those that are there are
        replaced.
    models : sequence of str, Path or model
        Models to try: names, files, or loaded ones. Unless given, those that the runs have written.
    dataset : Dataset or path, optional
        Corrected images to try them on. Unless given, the dataset of the first run, where it is there.
    runs : sequence of RunFolder or path
        Trainings of bright-field U-Nets, finished or not: their networks are compared (Table 1), and members
        with their ensemble.
    options : ReportOptions, optional
        How.
    progress : callable, optional
        Called with every `Progress`.

    Returns
    -------
    Path
        ``report.md``.

    Raises
    ------
    OptionError
        Where there is nothing to report on, or an option is outside what is allowed.
    DatasetError, DeviceError, ModelError, OutputError, TrainingError
        As their texts say.
    """
    job = reporting(folder, models=models, dataset=dataset, runs=runs, options=options)
    return drain(job, progress)


def _spoiling(models: Mapping[str, Model], options: ReportOptions) -> Job[Section]:
    table = yield from trying_degradations(
        models,
        confidence=options.confidence,
        severities=options.severities,
        seeds=options.seeds,
        shape=options.shape,
        diameter=options.diameter,
    )
    return robustness_section(table)


def _trained(recipes: Sequence[Mapping[str, Any]]) -> list[ModelChoice]:
    """Models that the runs have written."""
    files = [Path(recipe["model"]) for recipe in recipes if recipe.get("model")]
    return [path for path in files if path.exists()]


def _dataset(dataset: Dataset | str | Path | None, recipes: Sequence[Mapping[str, Any]]) -> Dataset | None:
    """What was given; else the dataset of the first run whose dataset is still there."""
    if isinstance(dataset, Dataset):
        return dataset
    if dataset is not None:
        return Dataset.open(dataset)
    known = [recipe["data"] for recipe in recipes if is_dataset(recipe.get("data", ""))]
    return Dataset.open(known[0]) if known else None


def _channel(options: ReportOptions, recipes: Sequence[Mapping[str, Any]]) -> Channel:
    """The channel that was asked for; else the one that the first run which has one learnt from."""
    learnt = [recipe["channel"] for recipe in recipes if recipe.get("channel") is not None]
    return learnt[0] if options.channel is None and learnt else options.channel


def _distinct(name: str, taken: Mapping[str, Model]) -> str:
    """The name, with a number where another model goes by it."""
    number = sum(other.partition(" (")[0] == name for other in taken) + 1
    return name if number == 1 else f"{name} ({number})"


def _about(
    models: Mapping[str, Model], images: ImageSet | None, runs: Sequence[RunFolder], options: ReportOptions
) -> dict[str, Any]:
    """What was reported on, and how."""
    about: dict[str, Any] = {
        "models": [f"{name} {model.card.version} on {model.device}" for name, model in models.items()],
        "training runs": [str(run.path) for run in runs],
    }
    if images is not None:
        splits = images.groups["set"].value_counts()
        told = ", ".join(f"{count} of split {split}" for split, count in splits.items())
        about |= {"dataset": str(images.dataset.folder), "images": told}
    simulated = options.robustness and bool(models)
    real = images is not None and bool(models)
    unused = (*(() if simulated else SIMULATED), *(() if real else REAL))
    settings = {n: v for n, v in asdict(options).items() if v is not None and n not in unused}
    return about | {"options": settings, "versions": versions()}
