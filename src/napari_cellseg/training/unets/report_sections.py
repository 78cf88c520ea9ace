"""Sections of the report: what each table and figure is called, says, and looks like on the page."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from napari_cellseg.errors import TrainingError
from napari_cellseg.evaluation.comparison import comparison_table
from napari_cellseg.training.runs.run import RunFolder
from napari_cellseg.training.unets.report_backbones import (
    QUANTITIES,
    backbone_table,
    plot_epochs,
    read_epochs,
)
from napari_cellseg.training.unets.report_confidence import OUTCOMES, baseline_row, reliability_table
from napari_cellseg.training.unets.report_images import (
    ModelResult,
    group_table,
    image_table,
    overall_table,
    resource_table,
)
from napari_cellseg.training.unets.report_robustness import DRAWN, METRICS, plot_degradations
from napari_cellseg.training.unets.report_tables import Section, number, spread

COMPARISON = "comparison.csv"
"""In the folder of a run: the ensemble beside its members."""

ON_PAGE = ("Dice", "IoU", "SSIM", "accuracy", "pixel_precision", "pixel_recall", "Hausdorff", "AP50", "F1")
"""Metrics that the tables by image and by group show on the page; the CSVs have all."""

ABLATION = ("Dice", "IoU", "accuracy", "pixel_precision", "pixel_recall", "AP50", "AP50_95", "F1", "PQ")
"""Metrics of members and ensemble on the page."""

CERTAIN = 0.99999
"""The highest confidence that is told, as in the paper."""

PIXELS = (
    "Dice is the paper's F1: that of the pixels. Hausdorff distances are pixels. F1, precision, recall and "
    "AP without 'pixel' are those of objects, found at IoU ≥ 0.5."
)
SIMILARITY = (
    "SSIM is that of the masks with a data range of 1. The paper's 0.99 comes of a wider range, with which "
    "an empty mask scores as much; the two cannot be compared."
)


def run_sections(runs: Sequence[RunFolder]) -> Iterator[Section]:
    """Table 1 with its curves, and members beside the ensemble, from runs of U-Nets."""
    if not runs:
        return
    table = backbone_table(runs)
    shown = table.set_index("network").T.reset_index(names="")
    labels = {quantity.name: quantity.symbol or quantity.name for quantity in QUANTITIES}
    shown[""] = shown[""].map(labels)
    meanings = "\n".join(f"- {labels[q.name]}: {q.meaning}" for q in QUANTITIES)
    several = len(runs) > 1
    histories = {
        f"{run.path.name}, {name}" if several else name: epochs
        for run in runs
        for name, epochs in read_epochs(run).items()
    }
    yield Section(
        "table_1_backbones", "Table 1: networks compared", meanings, table, shown, plot_epochs(histories)
    )
    compared = [known for run in runs if (known := read_comparison(run)) is not None]
    if compared:
        yield _ablation(pd.concat(compared, ignore_index=True))


def read_comparison(run: RunFolder) -> pd.DataFrame | None:
    """Scores of the ensemble and of its members in a finished run; None where there are none yet.

    Returns
    -------
    DataFrame
        A row per model and set of images: ``run``, ``model``, ``epoch``, ``votes``, ``set``, the metrics, and
        ``GPU_GB``, the most memory that its training took.

    Raises
    ------
    TrainingError
        Where the file is damaged.
    """
    path = run.path / COMPARISON
    if not path.exists():
        return None
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise TrainingError(f"'{path}' cannot be read ({error}).") from error
    if not {"model", "set", *ABLATION} <= set(table.columns):
        raise TrainingError(f"'{path}' is not what a training of bright-field U-Nets writes.")
    memory = {
        name: float(epochs["GPU_GB"].max()) if "GPU_GB" in epochs else math.nan
        for name, epochs in read_epochs(run).items()
    }
    table.insert(0, "run", run.path.name)
    return table.assign(GPU_GB=table["model"].map(memory))


def _ablation(table: pd.DataFrame) -> Section:
    """Members beside the ensemble."""
    single = table["run"].nunique() == 1
    front = [*(() if single else ("run",)), "set", "model", "epoch", "votes"]
    shown = table.sort_values(["run", "set", "model"], kind="stable")[[*front, *ABLATION]]
    text = "\n".join(_best_words(table))
    memory = table["GPU_GB"].max()
    text += (
        f"\n\nPeak GPU memory of training a member: {memory:.2f} GB (torch.cuda.max_memory_allocated)."
        if memory == memory
        else "\n\nThe members were trained on a CPU, or the run does not tell their GPU memory."
    )
    return Section("ablation", "Ablation: members against the ensemble", text, table, shown)


def _best_words(table: pd.DataFrame) -> Iterator[str]:
    """What the ensemble wins or loses against the best member, a line per run and set of images."""
    for (run, images), part in table.groupby(["run", "set"], sort=False):
        whole, members = part[part["model"] == "ensemble"], part[part["model"] != "ensemble"]
        if whole.empty or members.empty:
            continue
        changes = []
        for metric in ("Dice", "pixel_recall", "pixel_precision", "AP50"):
            known = members[metric].dropna()
            if known.empty or whole[metric].isna().any():
                changes.append(f"{metric} undefined")
                continue
            difference = float(whole[metric].iloc[0] - known.max())
            changes.append(f"{metric} {difference:+.3f} ({members.loc[known.idxmax(), 'model']})")
        yield f"- {run}, {images}: ensemble minus the best member of each metric: {', '.join(changes)}."


def image_sections(results: Sequence[ModelResult], baseline: float) -> Iterator[Section]:
    """Tables 2 to 6 of models that were tried on the images of a dataset."""
    if not results:
        return
    by_image = image_table(results)
    groups = [c for c in results[0].report.group_columns if by_image[c].nunique() > 1]
    columns = ["image", "model", *groups, *ON_PAGE, "true_objects", "predicted_objects"]
    yield Section("table_2_images", "Table 2: image by image", PIXELS, by_image, by_image[columns])
    yield from _groups(results)
    overall = overall_table(results)
    yield Section(
        "table_5_metrics", "Table 5: mean ± sd over images", SIMILARITY, overall, _side_by_side(overall)
    )
    if len(results) > 1:
        yield _differences(results)
    yield from _confidence(results, baseline)
    resources = resource_table(results)
    text = "Wall time of an image from its pixels to its labels on this computer, whatever else it did."
    yield Section("resources", "Time and memory", text, resources)


def _side_by_side(overall: pd.DataFrame) -> pd.DataFrame:
    """Table 5 as the page has it: a row per metric, mean ± sd and the pooled value of each model."""
    shown = pd.DataFrame({"metric": list(dict.fromkeys(overall["metric"]))})
    for model, part in overall.groupby("model", sort=False):
        pairs = zip(part["mean"], part["sd"], strict=True)
        shown[str(model)] = [spread(mean, sd) for mean, sd in pairs]
        shown[f"{model}, all images as one"] = part["pooled"].to_numpy()
        if part["left_out"].any():
            shown[f"{model}, left out"] = part["left_out"].to_numpy()
    return shown


def _groups(results: Sequence[ModelResult]) -> Iterator[Section]:
    """Tables 3 and 4."""
    table = group_table(results)
    if table.empty:
        return
    shown = table[["model", "by", "group", "images", "high"]].copy()
    for metric in ON_PAGE:
        pairs = zip(table[metric], table[f"{metric}_sd"], strict=True)
        shown[metric] = [spread(mean, sd) for mean, sd in pairs]
    text = (
        "Mean ± standard deviation over the images of each group, the highest Dice first; high: its mean is "
        "at least that of all images."
    )
    yield Section("table_3_groups", "Tables 3 and 4: group by group", text, table, shown)


def _differences(results: Sequence[ModelResult]) -> Section:
    """Models against the first one, on the same images."""
    reports = {result.name: result.report for result in results}
    table = comparison_table(reports, ("Dice", "IoU", "AP50", "AP50_95", "F1", "PQ"))
    text = (
        f"Differences are to {results[0].name}, with their 95 % bootstrap intervals, paired by image; worse "
        f"and better count images."
    )
    return Section("models", "Models compared on the same images", text, table)


def _confidence(results: Sequence[ModelResult], baseline: float) -> Iterator[Section]:
    """Table 6, and what probabilities, disagreement and confidences are worth."""
    rows = [{"model": result.name, **baseline_row(result.report, baseline)} for result in results]
    shown = pd.DataFrame({"method": list(_baseline_words(rows[0]))})
    for row in rows:
        shown[row["model"]] = list(_baseline_words(row).values())
    text = (
        "The test takes images for independent, which those of one well or time series are not: read it "
        "beside the table of groups."
    )
    yield Section(
        "table_6_baseline",
        f"Table 6: is the mean F1 of the pixels above {baseline:g}?",
        text,
        pd.DataFrame(rows),
        shown,
    )
    maps = [r.maps.table().assign(model=r.name) for r in results if r.maps is not None]
    if maps:
        table = pd.concat(maps, ignore_index=True)
        table = table[["model", *(c for c in table.columns if c != "model")]]
        words = "; ".join(f"{name}: {meaning}" for name, meaning in OUTCOMES.items())
        text = (
            f"Maps of the models by what pixels turned out to be ({words}). tells_errors: chance that a "
            "wrong pixel is more doubtful than a right one; 0.5 tells nothing. The doubt of a probability p "
            "is 1 − |2 p − 1|. Only ensembles have a disagreement."
        )
        yield Section("table_6_maps", "Probability and disagreement", text, table)
    bins = [reliability_table(r.report).assign(model=r.name) for r in results]
    table = pd.concat([part for part in bins if len(part)] or bins[:1], ignore_index=True)
    if len(table):
        errors = ", ".join(
            f"{r.name} {r.report.reliability.ece:.3f}" for r in results if r.report.reliability is not None
        )
        text = f"Share of found objects that are right, with its 95 % interval. Expected error: {errors}."
        table = table[["model", *(c for c in table.columns if c != "model")]]
        yield Section("table_6_objects", "Confidence of objects", text, table)


def _baseline_words(row: Mapping[str, Any]) -> dict[str, str]:
    """Rows of the paper's Table 6 of one model."""
    if row["n"] < 2:
        few = f"needs two images or more, there {'is' if row['n'] == 1 else 'are'} {row['n']}"
        return dict.fromkeys(("images (N)", *_TESTED), few)
    p = f"p = {row['p']:.2g}" if row["p"] > 1e-300 else "p < 1e-300"
    reached = (
        f"{100 * row['reached']:.1f} % ({_percent(row['reached_low'])} to {_percent(row['reached_high'])} %)"
    )
    values = (
        f"{spread(row['mean'], row['sd'])} ({row['low']:.3f} to {row['high']:.3f})",
        _confidence_words(row["confidence"]),
        f"t = {row['t']:.2f}, {p}",
        number(row["d"]),
        reached,
    )
    return {"images (N)": number(row["n"]), **dict(zip(_TESTED, values, strict=True))}


_TESTED = (
    "mean ± sd (95 % interval of the mean)",
    "confidence that μ is above the baseline",
    "one-sample t-test (H0: μ is the baseline), two-sided",
    "effect size (Cohen's d)",
    "images that reach it (95 % credible interval, Beta)",
)


def _confidence_words(share: float) -> str:
    """Percent; no more than that it is above `CERTAIN`, or below its opposite, where it is."""
    if share > CERTAIN:
        return f"> {100 * CERTAIN:g} %"
    return f"< {100 * (1 - CERTAIN):.2g} %" if share < 1 - CERTAIN else f"{100 * share:.3f} %"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def robustness_section(table: pd.DataFrame) -> Section:
    """Scores over the severity of each degradation."""
    models = list(dict.fromkeys(table["model"]))
    front = ["degradation", "severity", "value", "images"]
    shown = table.loc[table["model"] == models[0], front].reset_index(drop=True)
    for model in models:
        own = table[table["model"] == model]
        for metric in DRAWN if len(models) > 1 else METRICS:
            pairs = zip(own[metric], own[f"{metric}_sd"], strict=True)
            shown[f"{model}, {metric}"] = [spread(mean, sd) for mean, sd in pairs]
    text = (
        "Simulated bright-field images, spoilt in one way at a time: all severities of all degradations show "
        "the same cells. value is that of the simulator's dial; the other dials stay at their defaults, so "
        "that severity 0 is not a perfect image."
    )
    figure = plot_degradations(table)
    return Section("robustness", "Robustness against what spoils images", text, table, shown, figure)
