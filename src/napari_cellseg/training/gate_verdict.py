"""The verdict of the gate: how sure a difference between two models is, in numbers and in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_cellseg.errors import OptionError
from napari_cellseg.evaluation.comparison import compare, pooled_difference
from napari_cellseg.evaluation.metrics import METRICS, OBJECT_METRICS, Metric, find_metric, ratio
from napari_cellseg.evaluation.results import Report
from napari_cellseg.models.card import ModelCard
from napari_cellseg.statistics.resampling import Interval
from napari_cellseg.training.held_out import FEWEST_UNITS

Verdict: TypeAlias = Literal["better", "worse", "not distinguishable", "cannot be told"]

LEVEL = 0.95
"""Of the interval that decides."""

FEWEST_CHANGES = 6
"""Objects that must change: five that all change for the better happen by chance once in 16 (sign test)."""

FEW_UNITS = 5
"""Independent images up to which equal directions of all changes may well be chance (sign test)."""

COUNTING = ("F1", "DQ", "precision", "recall", "AP50", "found")
"""Metrics that only count which objects are found."""

FOUND = Metric(
    "found",
    "objects",
    lambda sums: ratio(sums["found"], sums["true_objects"]),
    "true objects of a class that match an object of any class / all of them",
)
"""What is compared of a class that one of the models does not tell apart."""

CLASS_COLUMNS = ("class", "objects", "metric", "old", "new", "difference", "low", "high", "verdict")


@dataclass(frozen=True, slots=True)
class Judged:
    """A difference and what it says.

    Attributes
    ----------
    verdict : str
        See `GateResult`.
    old, new, difference : float
        The metric over all images together, and new − old.
    interval : Interval
        Of the difference: at each end the wider of the jackknife's over units and the bootstrap's, which with
        few units gives false alarms about as rarely as it promises (``benchmarks/gate.py``); NaN where it
        cannot be told.
    units : int
        Independent images or groups of them; of a metric of objects those that have any.
    changed : int
        Objects at least that one model finds and the other does not, net in each image.
    """

    verdict: Verdict
    old: float
    new: float
    difference: float
    interval: Interval
    units: int
    changed: int


def find_gate_metric(name: str) -> Metric:
    """A metric that can decide.

    Raises
    ------
    OptionError
        Where there is none of this name, or more of it is neither good nor bad, or it is a mere count.
    """
    metric = find_metric(name)
    if metric.is_count or not metric.better:
        able = ", ".join(m.name for m in METRICS if m.better and not m.is_count)
        raise OptionError(f"Models cannot be compared by {name}, but by one of {able}.")
    return metric


def judged(
    old: pd.DataFrame, new: pd.DataFrame, metric: Metric, units: NDArray[np.int64], level: float = LEVEL
) -> Judged:
    """Judge a difference.

    Parameters
    ----------
    old, new : DataFrame
        Sums of the images, a row each.
    metric : Metric
        What decides.
    units : (n,) ndarray of int64
        Which images belong together.
    level : float
        Level of the interval.
    """
    if metric.kind == "objects":
        told = _informative(old, new, metric)
        old, new, units = old[told], new[told], units[told]
    pooled = pooled_difference(old, new, metric, units, level=level)
    changed = _changed(old, new, metric)
    interval = _wider(pooled.jackknife, pooled.interval)
    if metric.better == "higher":  # scores of at most 1, so that differences lie between −1 and 1
        low, high = np.clip((interval.low, interval.high), -1, 1)
        interval = Interval(float(low), float(high), level)
    verdict = _verdict(pooled.difference, interval, metric, pooled.units, changed)
    if verdict == "cannot be told":
        interval = Interval(np.nan, np.nan, level)
    return Judged(verdict, pooled.first, pooled.second, pooled.difference, interval, pooled.units, changed)


def _wider(one: Interval, other: Interval) -> Interval:
    return Interval(min(one.low, other.low), max(one.high, other.high), one.level)


def _informative(old: pd.DataFrame, new: pd.DataFrame, metric: Metric) -> NDArray[np.bool_]:
    """Images that a metric of objects says anything about, (n,)."""
    known = old["true_objects"] > 0
    if metric.name not in ("found", "recall"):
        known |= (old["predicted_objects"] > 0) | (new["predicted_objects"] > 0)
    return known.to_numpy()


def _changed(old: pd.DataFrame, new: pd.DataFrame, metric: Metric) -> int:
    if metric.name == "found":
        return int((new["found"] - old["found"]).abs().sum())
    gained = new["tp"] - old["tp"]
    false = new["predicted_objects"] - old["predicted_objects"] - gained
    return int(gained.abs().sum() + false.abs().sum())


def _verdict(difference: float, interval: Interval, metric: Metric, units: int, changed: int) -> Verdict:
    if units < FEWEST_UNITS or not np.isfinite([difference, interval.low, interval.high]).all():
        return "cannot be told"
    if metric.name in COUNTING and changed < FEWEST_CHANGES:
        return "not distinguishable"
    if interval.low > 0:
        return "worse" if metric.better == "lower" else "better"
    if interval.high < 0:
        return "better" if metric.better == "lower" else "worse"
    return "not distinguishable"


def image_rows(old: Report, new: Report, metric: Metric) -> pd.DataFrame:
    """A row per image, see `GateResult.images`."""
    found = compare(old, new, metric.name).images
    table = pd.DataFrame(
        {
            "image": found["image"],
            "group": old.images["group"],
            "old": _settled(old, metric),
            "new": _settled(new, metric),
            "objects": old.tallies["true_objects"].astype(int),
        }
    )
    table.insert(4, "difference", table["new"] - table["old"])
    gain = table["difference"] * (-1 if metric.better == "lower" else 1)
    return table.iloc[np.argsort(gain.to_numpy(), kind="stable")].reset_index(drop=True)


def _settled(report: Report, metric: Metric) -> NDArray[np.float64]:
    """The metric of each image; where there is nothing and nothing is found, all of it was found."""
    values = np.array(report.values(metric.name), float)
    empty = (report.tallies[["true_objects", "predicted_objects"]] == 0).all(axis=1).to_numpy()
    if metric.better == "higher":
        values[empty & np.isnan(values)] = 1.0
    return values


def class_rows(
    old: Report,
    new: Report,
    cards: Sequence[ModelCard],
    classes: Sequence[str],
    metric: Metric,
    units: NDArray[np.int64],
) -> pd.DataFrame:
    """A row per class, see `GateResult.by_class`.

    Within a class only objects that both call so match, where both models tell it apart; else it counts which
    of its true objects are found at all. The level of the intervals is raised so that it holds for all
    classes together (Bonferroni).
    """
    level = 1 - (1 - LEVEL) / max(1, len(classes))
    rows = []
    for name in classes:
        apart = all(len(card.classes) > 1 and name in card.classes for card in cards)
        known = metric if metric in OBJECT_METRICS else find_metric("F1")
        used = known if apart else FOUND
        both = old.class_tallies.get(name), new.class_tallies.get(name)
        if both[0] is None or both[1] is None:
            continue
        found = judged(both[0], both[1], used, units, level)
        objects = int(both[0]["true_objects"].sum())
        rows.append(_class_row(name, objects, used.name, found))
    return pd.DataFrame(rows, columns=CLASS_COLUMNS)


def single_class_row(name: str, objects: int, metric: Metric, found: Judged) -> pd.DataFrame:
    """The row of the only class: that of all objects."""
    return pd.DataFrame([_class_row(name, objects, metric.name, found)], columns=CLASS_COLUMNS)


def _class_row(name: str, objects: int, metric: str, found: Judged) -> dict[str, Any]:
    return {
        "class": name,
        "objects": objects,
        "metric": metric,
        "old": found.old,
        "new": found.new,
        "difference": found.difference,
        "low": found.interval.low,
        "high": found.interval.high,
        "verdict": found.verdict,
    }


def few_notes(found: Judged) -> list[str]:
    """What must be known of a verdict that rests on few independent images."""
    if found.verdict not in ("better", "worse") or found.units > FEW_UNITS:
        return []
    chance = 2.0 ** (1 - found.units)
    return [
        f"Only {found.units} independent images: all of them change in the same direction {chance:.0%} of "
        f"the time by chance, so that the verdict rests on how alike and how large the changes are. More "
        f"images in 'test' would make it firm."
    ]


def class_notes(by_class: pd.DataFrame, cards: Sequence[ModelCard], names: Sequence[str]) -> list[str]:
    """What must be known of the classes: which got worse, and which model does not tell them apart."""
    notes = []
    if len(by_class) > 1:
        notes += [
            f"Worse for the class '{row['class']}': {row['metric']} {row['old']:.3f} to {row['new']:.3f}."
            for row in by_class.to_dict("records")
            if row["verdict"] == "worse"
        ]
    if (by_class["metric"] == "found").any():
        blind = [f"'{n}'" for n, card in zip(names, cards, strict=True) if len(card.classes) == 1]
        who = " and ".join(blind) or "one of the models"
        verb = "do" if len(blind) > 1 else "does"
        notes.append(
            f"{who} {verb} not tell all classes apart; of those, only the share of objects that are found at "
            f"all is compared."
        )
    return notes


def sentence_of(
    found: Judged, metric: Metric, names: tuple[str, str], images: int, split: str, *, is_certain: bool = True
) -> str:
    """The verdict in a sentence for a biologist.

    Parameters
    ----------
    found : Judged
        The difference.
    metric : Metric
        What decided.
    names : tuple of str
        What the new and the old model are called.
    images : int
        Images that were compared.
    split : str
        Where they are from.
    is_certain : bool
        Whether it is known of both models which images they learnt from.
    """
    new, old = (f"'{name}'" for name in names)
    unseen = "that neither learnt from" if is_certain else "that neither is known to have learnt from"
    where = f"on {_count(images, f'{split} image')} {unseen}"
    if found.units < images:
        where += f" ({_count(found.units, 'independent piece')})"
    scores = f"{new} reaches {metric.name} {_number(found.new)}, {old} {_number(found.old)}"
    if found.verdict == "cannot be told":
        return f"Cannot be told: {_why_not(found)} Here, {where}, {scores}."
    if found.changed == 0 and found.difference == 0:
        return (
            f"Not distinguishable: {where}, both find the same objects ({metric.name} {_number(found.new)})."
        )
    low, high = f"{found.interval.low:+.3f}", f"{found.interval.high:+.3f}"
    size = f"{found.difference:+.3f}; 95 % interval {low} to {high}"
    if found.verdict != "not distinguishable":
        return f"{found.verdict.capitalize()}: {where}, {scores} ({size})."
    if metric.name in COUNTING and found.changed < FEWEST_CHANGES:
        why = f"they differ in {_count(found.changed, 'object')} only, which chance explains"
    else:
        why = "the difference may be chance; more such images would tell"
    return f"Not distinguishable: {where}, {scores} ({size}): {why}."


def no_images_sentence(excluded: int) -> str:
    """The verdict where there is no image to compare on."""
    learnt = f" All {excluded:,} were left out, because a model learnt from them." if excluded else ""
    return (
        f"Cannot be told: there are no held-out images, in test or val, that neither model learnt from."
        f"{learnt} Move corrected images to 'test' before training, at least {FEWEST_UNITS} that are "
        f"independent of each other and of the others."
    )


def _why_not(found: Judged) -> str:
    if not np.isfinite(found.difference):
        return "the score is undefined, because the images hold no objects to find."
    if found.units < FEWEST_UNITS:
        verb = "says" if found.units == 1 else "say"
        return (
            f"{_count(found.units, 'independent image')} with objects {verb} too little about others, "
            f"{FEWEST_UNITS} are the fewest."
        )
    return "all rests on one of the images, without which the score is undefined."


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def _number(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else "nothing that can be scored"
