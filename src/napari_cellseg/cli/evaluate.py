"""The command that compares predicted with true label images."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_cellseg.cli.terminal import one_or_two, run_job
from napari_cellseg.errors import ImageError, OptionError
from napari_cellseg.events import Job, Progress
from napari_cellseg.outputs import make_folder, replacing

if TYPE_CHECKING:
    from napari_cellseg.evaluation.files import LabelFiles
    from napari_cellseg.evaluation.results import Report

RANKED = ("mAP50", "mAP50_95", "ECE")
"""Metrics that need confidences."""

COUNTS = ("count_error", "missed", "invented", "split", "merged")
"""Metrics that are printed as whole numbers."""

SHOWN = ("AP50", "AP50_95", "F1", "precision", "recall", "PQ", "AJI", "Dice", *COUNTS)
"""Metrics that are printed."""

DISTANCES = ("Hausdorff", "HD95")
"""Metrics that are printed where the size of a pixel is given."""

OF_GROUPS = ("AP50", "AP50_95", "F1", "PQ", "Dice", "count_error")
"""Metrics that are printed for each group."""

UNDEFINED = "-"


def evaluate(
    prediction: Annotated[
        Path,
        typer.Argument(
            metavar="PRED", help="A predicted label image, or a folder of them.", show_default=False
        ),
    ],
    truth: Annotated[
        Path,
        typer.Argument(
            metavar="TRUTH", help="The true label image, or a folder of them.", show_default=False
        ),
    ],
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write everything as JSON.")
    ] = None,
    csv_file: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write the metrics of each image as CSV.")
    ] = None,
    html_file: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write a report with plots and the worst images."),
    ] = None,
    iou: Annotated[float, typer.Option(help="Overlap (IoU) from which an object counts as found.")] = 0.5,
    pattern: Annotated[
        str | None,
        typer.Option(help="Pattern of the names that tells groups, such as '{line}_Phase_{well}_*'."),
    ] = None,
    spacing: Annotated[
        str | None,
        typer.Option(help="µm per pixel, one number or those of Y and X (0.5,0.4); for distances."),
    ] = None,
    baseline: Annotated[
        float | None, typer.Option(help="F1 to compare the mean of the images with, 0 to 1.")
    ] = None,
    compare: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FOLDER", help="Another prediction of the same images; may be repeated."),
    ] = None,
) -> None:
    """Compare predicted with true label images: how good, and what kind of mistakes.

    Files of two folders belong together by their names: a_labels.tif and a_mask.png are both of a.
    Confidences in NAME_features.csv beside the predictions take part where all of them have one.
    """
    from napari_cellseg.evaluation.files import pair_label_files
    from napari_cellseg.evaluation.report import write_html

    if baseline is not None and not 0 <= baseline <= 1:
        raise OptionError(f"--baseline must be an F1 between 0 and 1, not {baseline:g}.")
    title = prediction.name or str(prediction)
    folders = {title: prediction, **_others(compare or (), title)}
    for path in (*folders.values(), truth):
        if not path.exists():
            raise ImageError(f"There is no file or folder '{path}'.")
    options = {"iou": iou, "pattern": pattern, "spacing": parse_spacing(spacing)}
    files = {name: pair_label_files(path, truth) for name, path in folders.items()}
    for path in filter(None, (json_file, csv_file, html_file)):
        make_folder(path.parent)
    reports = run_job(evaluating_files(files, options))
    report, others = reports[title], {name: r for name, r in reports.items() if name != title}
    if json_file is not None:
        write_json_of(reports, json_file)
    if csv_file is not None:
        write_csv_of(reports, csv_file)
    if html_file is not None:
        write_html(report, html_file, title=title, others=others, baseline=baseline)
    for line in described(reports, baseline):
        typer.echo(line)


def _others(given: Sequence[str], title: str) -> dict[str, Path]:
    """Other predictions by their names."""
    found: dict[str, Path] = {}
    for text in given:
        name, _, folder = text.partition("=")
        if not (name and folder):
            raise OptionError(f"--compare needs a name and a folder, such as other=results, not {text!r}.")
        if name in found or name == title:
            raise OptionError(f"Every prediction needs a name of its own; {name!r} is there twice.")
        found[name] = Path(folder)
    return found


def parse_spacing(text: str | None) -> tuple[float, float] | None:
    """Size of a pixel, (y, x) in µm, of the command line: ``"0.5"``, or ``"0.5,0.4"``.

    Raises
    ------
    OptionError
        Where it is neither.
    """
    if text is None:
        return None
    numbers = one_or_two(text)
    if not numbers or not all(0 < n < math.inf for n in numbers):
        raise OptionError(f"--spacing must be µm per pixel, one number or two (0.5,0.4), not {text!r}.")
    return numbers[0], numbers[-1]


def evaluating_files(
    files: "Mapping[str, LabelFiles]", options: Mapping[str, Any]
) -> "Job[dict[str, Report]]":
    """Evaluate several predictions of the same images, each with its own confidences.

    Parameters
    ----------
    files : mapping of str to LabelFiles
        Predictions and truths by the name of the prediction.
    options : mapping
        Keywords of `napari_cellseg.evaluation.evaluating.evaluate`.
    """
    from napari_cellseg.evaluation.evaluating import evaluating

    reports: dict[str, Report] = {}
    for number, (name, pairs) in enumerate(files.items()):
        job = evaluating(pairs.predictions, pairs.truths, confidence=pairs.confidences, **options)
        while name not in reports:
            try:
                step = next(job)
            except StopIteration as stop:
                reports[name] = stop.value
                break
            detail = step.detail if len(files) == 1 else f"{name}: {step.detail}"
            yield Progress(step.stage, number * step.total + step.done, len(files) * step.total, detail)
    return reports


def described(reports: "Mapping[str, Report]", baseline: float | None = None) -> Iterator[str]:
    """What is printed, line by line.

    Parameters
    ----------
    reports : mapping of str to Report
        The first is the one in question, others are compared with it.
    baseline : float, optional
        F1 with which the mean over images is compared.
    """
    title, report = next(iter(reports.items()))
    values = report.summary
    n, true, predicted = len(report.images), int(values["true_objects"]), int(values["predicted_objects"])
    images = "1 image" if n == 1 else f"{n:,} images"
    found = f"found means IoU {report.settings['iou']:g} or more"
    yield f"{images}, {true:,} true and {predicted:,} predicted objects; {found}"
    yield ""
    yield from aligned(_columns(reports) if len(reports) > 1 else _spread(report))
    for name in report.group_columns:
        if report.images[name].duplicated().any():
            yield ""
            yield from aligned(_by_group(report, name))
    if len(reports) > 1:
        yield ""
        yield from _differences(title, reports)
    if baseline is not None:
        yield ""
        yield _against(report, baseline)


def write_json_of(reports: "Mapping[str, Report]", path: Path) -> None:
    """Write the first report as JSON, with the others under ``others`` by their names.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    from napari_cellseg.evaluation.writing import report_values

    first, *others = reports
    values = report_values(reports[first])
    if others:
        values["others"] = {name: report_values(reports[name]) for name in others}
    text = json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False)
    with replacing(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def write_csv_of(reports: "Mapping[str, Report]", path: Path) -> None:
    """Write a row per image; where there are several predictions, a first column names them.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    import pandas as pd

    from napari_cellseg.evaluation.writing import write_table

    tables = {name: report.images for name, report in reports.items()}
    table = pd.concat(tables, names=["prediction", None])
    write_table(table.reset_index("prediction") if len(reports) > 1 else table, path)


def _metrics(reports: "Mapping[str, Report]") -> list[str]:
    """Metrics that are printed of these reports."""
    known = [name for name in RANKED if any(name in r.summary for r in reports.values())]
    spaced = any(r.settings["spacing"] is not None for r in reports.values())
    return [*SHOWN, *(DISTANCES if spaced else ()), *known]


def _spread(report: "Report") -> list[list[str]]:
    """Rows of one prediction: pooled, its interval, mean and standard deviation over images."""
    several = len(report.images) > 1
    rows = [["", "all images", "95 % interval", "per image"] if several else ["", "value"]]
    for name in _metrics({"": report}):
        row = [_label(name, report), _number(name, report.summary[name])]
        if several and name in report.table.index:
            of = report.table.loc[name]
            digits = 1 if name in COUNTS else 3
            row += [_pair(of["low"], of["high"], " to "), _pair(of["mean"], of["std"], " ± ", digits)]
        rows.append(row)
    return rows


def _columns(reports: "Mapping[str, Report]") -> list[list[str]]:
    """Rows of several predictions, side by side."""
    report = next(iter(reports.values()))
    rows = [["", *reports]]
    for name in _metrics(reports):
        values = (r.summary.get(name, math.nan) for r in reports.values())
        rows.append([_label(name, report), *(_number(name, value) for value in values)])
    return rows


def _by_group(report: "Report", column: str) -> list[list[str]]:
    """Rows of the groups of images."""
    table = report.by_group(column).set_index([column, "metric"])["pooled"]
    rows = [[column, "images", *(_label(name, report) for name in OF_GROUPS)]]
    for group, n in report.images[column].value_counts(sort=False).items():
        rows.append([str(group), f"{n:,}", *(_number(m, table[group, m]) for m in OF_GROUPS)])
    return rows


def _differences(title: str, reports: "Mapping[str, Report]") -> Iterator[str]:
    """How the others differ from the first on the same images."""
    from napari_cellseg.evaluation.comparison import comparison_table

    table = comparison_table(reports, ("F1",), reference=title)
    for row in table[table["prediction"] != title].itertuples():
        change = UNDEFINED if math.isnan(row.difference) else f"{row.difference:+.3f}"
        interval = _pair(row.difference_low, row.difference_high, " to ")
        around = "" if interval == UNDEFINED else f" (95 % interval {interval})"
        images = f"better in {row.better} and worse in {row.worse} images"
        yield f"F1 of {row.prediction} minus {title}: {change}{around}, {images}"


def _against(report: "Report", baseline: float) -> str:
    """The mean F1 of the images against a baseline."""
    found = report.against_baseline(baseline)
    test, success = found.test, found.success
    if test.n < 2:
        return f"A test against the baseline {baseline:g} needs two images or more."
    p = f"p = {test.p:.2g}" if test.p > 1e-300 else "p < 1e-300"
    reached, low, high = (
        f"{100 * x:.0f}" for x in (success.rate, success.interval.low, success.interval.high)
    )
    return (
        f"Mean F1 {test.mean:.3f} ± {test.std:.3f} of {test.n:,} images against {baseline:g}: "
        f"t = {test.t:.2f}, {p}, d = {test.d:.2f}; {success.successes:,} reach it ({reached} %, "
        f"95 % credible interval {low} to {high} %)"
    )


def _label(name: str, report: "Report") -> str:
    unit = "" if name not in DISTANCES else " (µm)" if report.settings["spacing"] is not None else " (px)"
    return name.replace("count_error", "count error") + unit


def _number(name: str, value: float) -> str:
    if not math.isfinite(value):
        return UNDEFINED if math.isnan(value) else "inf"
    if name in COUNTS:
        return f"{value:+,.0f}" if name == "count_error" and value else f"{value:,.0f}"
    return f"{value:.3f}"


def _pair(first: float, second: float, between: str, digits: int = 3) -> str:
    if math.isnan(first):
        return UNDEFINED
    return f"{first:.{digits}f}" + ("" if math.isnan(second) else f"{between}{second:.{digits}f}")


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines of a table whose columns are as wide as they must be, the first one to the left."""
    width = [max(len(row[i]) for row in rows if i < len(row)) for i in range(len(rows[0]))]
    for row in rows:
        cells = [f"{cell:>{w}}" for cell, w in zip(row[1:], width[1:], strict=False)]
        yield "   ".join([f"{row[0]:{width[0]}}", *cells]).rstrip()
