"""A report as one HTML file that needs nothing else: numbers, plots, the worst images, the errors."""

import base64
import io
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_cellseg.evaluation.comparison import comparison_table
from napari_cellseg.evaluation.metrics import METRICS, find_metric
from napari_cellseg.evaluation.pictures import plot_worst
from napari_cellseg.evaluation.plots import (
    plot_ap_over_iou,
    plot_images,
    plot_precision_recall,
    plot_reliability,
)
from napari_cellseg.evaluation.results import Report
from napari_cellseg.outputs import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEADLINE = ("F1", "AP50", "AP50_95", "PQ", "AJI", "Dice", "missed", "invented", "split", "merged")
"""Metrics at the top."""

LISTED_ERRORS = 200
"""Errors that are listed; the CSV has all."""

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1060px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { margin-top: 2.2rem; border-bottom: 1px solid var(--line); }
p.note { opacity: .75; }
table { border-collapse: collapse; font-size: 13px; display: block; overflow-x: auto; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--line); text-align: right; }
th { background: var(--soft); } td:first-child, th:first-child, td.text, th.text { text-align: left; }
.cards { display: flex; flex-wrap: wrap; gap: .6rem; margin: 1rem 0; }
.card { border: 1px solid var(--line); border-radius: 8px; padding: .5rem .9rem; min-width: 6.2rem; }
.card b { display: block; font-size: 1.35rem; } .card small { opacity: .75; }
.plots { display: flex; flex-wrap: wrap; gap: 1rem; } img { max-width: 100%; background: white; }
"""


def write_html(
    report: Report,
    path: str | Path,
    *,
    title: str = "Evaluation",
    others: Mapping[str, Report] | None = None,
    baseline: float | None = None,
    images: Mapping[str, Any] | None = None,
    worst: int = 4,
) -> None:
    """Write a report as one HTML file.

    Parameters
    ----------
    report : Report
        What `evaluate` gave.
    path : str or Path
        The file; its folder must exist.
    title : str
        Title, and the name of the report among others.
    others : mapping of str to Report, optional
        Other predictions of the same images, compared with this one.
    baseline : float, optional
        F1 with which the mean over images is compared.
    images : mapping, optional
        Images by name, shown below the objects of the worst images.
    worst : int
        How many of the worst images are shown.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    reports = {title: report, **(others or {})}
    parts = [_head(report, title), _plots(report, reports), _metrics(report)]
    if others:
        parts.append(_section("Compared", _table(comparison_table(reports))))
    parts += [_groups(report, name) for name in _shared_columns(report)]
    parts += [_images(report), *([_baseline(report, baseline)] if baseline is not None else [])]
    if report.classes is not None and report.confusion is not None:
        confusion = report.confusion.rename_axis(None, axis=1).reset_index()
        parts.append(_section("Classes", _table(report.classes) + "<p>Confusion:</p>" + _table(confusion)))
    if worst > 0:
        picture = _image(plot_worst(report, worst, images=images), "png", "The worst images")
        parts.append(_section("Worst images", f'<div class="plots">{picture}</div>'))
    parts += [_errors(report), _definitions()]
    text = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _head(report: Report, title: str) -> str:
    cards = "".join(_card(report, name) for name in HEADLINE)
    if "mAP50_95" in report.summary:
        cards += "".join(
            f'<div class="card"><small>{name}</small><b>{_number(report.summary[name])}</b></div>'
            for name in ("mAP50", "mAP50_95", "ECE")
        )
    n, objects = len(report.images), int(report.summary["true_objects"])
    note = (
        f"{n} image{'s' if n != 1 else ''}, {objects} true and {int(report.summary['predicted_objects'])} "
        f"predicted objects. A hit is IoU ≥ {report.settings['iou']:g}. Below a number: its 95 % bootstrap "
        "interval over images, where there are several."
    )
    return f'<h1>{escape(title)}</h1><p class="note">{note}</p><div class="cards">{cards}</div>'


def _card(report: Report, name: str) -> str:
    row = report.table.loc[name]
    interval = f"{row['low']:.3f} – {row['high']:.3f}" if np.isfinite(row["low"]) else "&nbsp;"
    value = _number(row["pooled"], count=find_metric(name).is_count)
    return f'<div class="card"><small>{name}</small><b>{value}</b><small>{interval}</small></div>'


def _plots(report: Report, reports: Mapping[str, Report]) -> str:
    figures = [plot_ap_over_iou(reports), plot_images(report)]
    if report.ranking is not None and np.isfinite(report.ranking.precision).all():
        figures.insert(1, plot_precision_recall(report))
    if report.reliability is not None and len(report.reliability.counts):
        figures.insert(2, plot_reliability(report))
    return _section(
        "Plots",
        f'<div class="plots">{"".join(_image(f, "svg", f.axes[0].get_ylabel()) for f in figures)}</div>',
    )


def _metrics(report: Report) -> str:
    note = (
        '<p class="note">pooled: over all images together, with its interval; then the mean, standard '
        "deviation, median and 5th and 95th percentile over the n images in which the metric is defined and "
        "finite.</p>"
    )
    table = report.table.reset_index()
    table["pooled"] = [
        _number(value, count=metric.is_count) for value, metric in zip(table["pooled"], METRICS, strict=True)
    ]
    return _section("Metrics", note + _table(table) + "<h3>By IoU</h3>" + _table(report.by_iou))


def _shared_columns(report: Report) -> list[str]:
    """Columns of groups that hold more than one image."""
    return [name for name in report.group_columns if report.images[name].duplicated().any()]


def _groups(report: Report, name: str) -> str:
    table = report.literature_table(name).reset_index(names=name)
    return _section(
        f"By {name}", '<p class="note">Mean ± standard deviation over images.</p>' + _table(table)
    )


def _images(report: Report) -> str:
    strata = report.strata().rename(columns={"from": "F1 from", "to": "below"})
    return _section("Images by F1", _table(strata.replace([np.inf, -np.inf], np.nan)))


def _baseline(report: Report, baseline: float) -> str:
    found = report.against_baseline(baseline)
    test, success = found.test, found.success
    if test.n < 2:
        text = "A test needs two images or more."
    else:
        p = f"p = {test.p:.2g}" if test.p > 1e-300 else "p &lt; 1e-300"
        text = (
            f"Mean F1 {test.mean:.3f} ± {test.std:.3f} over {test.n} images against {baseline:g}: "
            f"t({test.df}) = {test.t:.2f}, {p}, Cohen's d = {test.d:.2f}; 95 % interval of the mean "
            f"{test.interval.low:.3f} – {test.interval.high:.3f}. "
            f"{success.successes} of {success.n} images reach the baseline: {success.rate:.1%}, "
            f"95 % credible interval {success.interval.low:.1%} – {success.interval.high:.1%}."
        )
    return _section("Against the baseline", f"<p>{text}</p>")


def _errors(report: Report) -> str:
    table = report.errors
    counts = ", ".join(f"{n} {kind}" for kind, n in table["kind"].value_counts().items()) or "none"
    note = f"<p>{counts}.</p>"
    if len(table) > LISTED_ERRORS:
        note += f'<p class="note">The first {LISTED_ERRORS} of {len(table)}.</p>'
    shown = table.head(LISTED_ERRORS).copy()
    for column in ("truth_ids", "prediction_ids"):
        shown[column] = shown[column].map(lambda ids: " ".join(map(str, ids)))
    return _section("Errors", note + (_table(shown) if len(shown) else ""))


def _definitions() -> str:
    table = pd.DataFrame({"metric": m.name, "definition": m.definition, "source": m.source} for m in METRICS)
    note = '<p class="note">0 / 0 is undefined (–) and takes no part in means.</p>'
    return _section(
        "Definitions",
        note + _table(table).replace("<td>", '<td class="text">').replace("<th>", '<th class="text">'),
    )


def _section(title: str, content: str) -> str:
    return f"<h2>{escape(title)}</h2>{content}"


def _table(table: pd.DataFrame) -> str:
    shown = table.copy()
    for column in shown.columns:
        if pd.api.types.is_float_dtype(shown[column]):
            finite = shown[column][np.isfinite(shown[column])]
            whole = len(finite) > 0 and bool((finite % 1 == 0).all()) and float(finite.abs().max()) > 1
            shown[column] = [_number(value, count=whole) for value in shown[column]]
        elif shown[column].isna().any():
            shown[column] = shown[column].astype(object).where(shown[column].notna(), "–")
    html: str = shown.to_html(index=False, border=0, justify="left")
    return html


def _number(value: float, count: bool = False) -> str:
    if np.isnan(value):
        return "–"
    if np.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:.0f}" if count else f"{value:.3f}" if abs(value) < 100 else f"{value:.1f}"


def _image(figure: "Figure", kind: str, text: str) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=110)
    data = base64.b64encode(buffer.getvalue()).decode()
    mime = "image/svg+xml" if kind == "svg" else "image/png"
    return f'<img alt="{escape(text)}" src="data:{mime};base64,{data}">'
