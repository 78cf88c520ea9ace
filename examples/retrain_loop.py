"""The whole loop without a viewer: segment, correct, collect, train further, compare, use the better model.

    python examples/retrain_loop.py --out results
    python examples/retrain_loop.py --out results --images a/images --labels a/labels --split a/split.json \
        --old-images b/images --old-labels b/labels --old-split b/split.json

Corrections are simulated: where a person would correct an object, the truth takes its place. As in review,
the most doubtful objects come first; what touches the window around one is put right (edited, added, deleted,
or accepted as it is), and only these places count as reviewed. Each round goes on with new images, segmented
by the best model so far, until so many objects have been corrected as it asks for; then that model is
trained further on all corrections, and the result is compared with it on images that neither saw. Only what
is better takes its place. With ``--anew`` every training begins with the first model.

Without folders all images are simulated: cells in bright field, for which ``nuclei`` was not made, and as its
old domain nuclei in fluorescence. Written are ``rounds.csv``, ``rounds.png``, the dataset, and the models.
"""

import argparse
import json
import os
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import napari_cellseg as cs
from napari_cellseg.cli.terminal import ProgressView, run_job
from napari_cellseg.cli.train import epoch_words, parse_settings
from napari_cellseg.datasets.store import Dataset
from napari_cellseg.errors import CellSegWarning
from napari_cellseg.evaluation.files import image_name
from napari_cellseg.evaluation.matching import match_labels
from napari_cellseg.events import Progress
from napari_cellseg.images.reading import list_images, read_image
from napari_cellseg.images.simulation import simulate_brightfield, simulate_fluorescence
from napari_cellseg.labels.index import ObjectIndex
from napari_cellseg.models.registry import find_model
from napari_cellseg.review.doubt import doubt
from napari_cellseg.review.shapes import measure_shapes
from napari_cellseg.review.status import Status
from napari_cellseg.training import families
from napari_cellseg.training.gate import gate
from napari_cellseg.training.runs.process import training
from napari_cellseg.training.runs.run import Epoch

Labels = NDArray[np.int32]

TOUCHED = 0.1
"""IoU from which a person would change an object into the true one rather than delete it."""


@dataclass(frozen=True)
class Scene:
    """An image with its true objects; reads the pixels when they are asked for."""

    name: str
    read: Callable[[], tuple[NDArray[Any], Labels]]


@dataclass
class Correction:
    """What a person has made of the model's objects in one image.

    Attributes
    ----------
    labels : (Y, X) ndarray of int32
        The objects that were looked at, as they are now.
    reviewed : (Y, X) ndarray of bool
        Where the person has looked.
    status : dict of int to str
        How each of the objects came about.
    deleted : int
        Objects that are no longer there.
    """

    labels: Labels
    reviewed: NDArray[np.bool_]
    status: dict[int, str] = field(default_factory=dict)
    deleted: int = 0

    def count(self, *statuses: Status) -> int:
        """Objects of these statuses."""
        return sum(status in statuses for status in self.status.values())

    @property
    def corrected(self) -> int:
        """Objects that cost work: all but the accepted ones."""
        return self.count(Status.EDITED, Status.ADDED) + self.deleted


class Reviewer:
    """A simulated person, who knows the truth.

    Parameters
    ----------
    found, truth : (Y, X) ndarray of int32
        Objects of the model, and the true ones.
    good : float
        IoU from which an object is accepted as it is.
    margin : int
        Pixels around an object that are looked at with it.
    """

    def __init__(self, found: Labels, truth: Labels, good: float, margin: int) -> None:
        pairs = match_labels(found, truth, TOUCHED)
        self._found, self._truth, self._margin = found, truth, margin
        self._true_of = dict(zip(pairs.prediction.tolist(), pairs.truth.tolist(), strict=True))
        self._found_of = {true: label for label, true in self._true_of.items()}
        self._is_good = {t: iou >= good for t, iou in zip(pairs.truth.tolist(), pairs.iou, strict=True)}
        self._spare = set(pairs.false_positives.tolist())
        self.made = Correction(np.zeros_like(truth), np.zeros(truth.shape, bool))

    def review(self, places: Sequence[tuple[Labels, int]], most: int) -> Correction:
        """Look at one place after the other until so many objects are corrected, or all is right.

        Parameters
        ----------
        places : sequence of (labels, int)
            Objects to go to, each with the label image that it is in.
        most : int
            Corrections after which the person stops, as soon as the place is finished.
        """
        for labels, label in places:
            if self.made.corrected >= most:
                return self.made
            pixels = labels == label
            if not self.made.reviewed[pixels].all():
                self._look_at(_window(pixels, self._margin))
        self._look_at((slice(None), slice(None)))
        return self.made

    def _look_at(self, window: tuple[slice, slice]) -> None:
        """Put right whatever reaches into a window."""
        self.made.reviewed[window] = True
        for label in np.unique(self._found[window]).tolist():
            if label in self._spare:
                self._spare.remove(label)
                self.made.deleted += 1
                self.made.reviewed |= self._found == label
        touched = {self._true_of.get(label) for label in np.unique(self._found[window]).tolist()}
        touched.update(np.unique(self._truth[window]).tolist())
        for true in sorted(touched - {None, 0} - set(self.made.status)):
            self._put_right(true)

    def _put_right(self, true: int) -> None:
        label, pixels = self._found_of.get(true), self._truth == true
        before = self._found == label if label is not None else np.zeros_like(pixels)
        if self._is_good.get(true, False):
            free = before & ((self._truth == 0) | pixels)
            self.made.labels[free & (self.made.labels == 0)] = true
            self.made.status[true] = Status.ACCEPTED.value
        else:
            self.made.labels[pixels] = true
            self.made.status[true] = (Status.ADDED if label is None else Status.EDITED).value
        self.made.reviewed |= pixels | before


def _window(pixels: NDArray[np.bool_], margin: int) -> tuple[slice, slice]:
    edges = [np.flatnonzero(pixels.any(axis)) for axis in (1, 0)]
    y, x = (slice(max(0, int(edge[0]) - margin), int(edge[-1]) + 1 + margin) for edge in edges)
    return y, x


def correct(image: NDArray[Any], truth: Labels, model: str | Path, most: int, good: float) -> Correction:
    """Segment an image and correct up to so many objects, those first that review would show first."""
    found = cs.segment(image, model)
    table = measure_shapes(found.labels, ObjectIndex.build(found.labels)).merge(found.features, on="index")
    order = table.assign(doubt=doubt(table)["doubt"]).sort_values("doubt", ascending=False, kind="stable")
    missed = match_labels(found.labels, truth, TOUCHED).false_negatives
    places = [(found.labels, int(label)) for label in order["index"]]
    places += [(truth, int(label)) for label in missed]
    sizes = np.bincount(truth.ravel())[1:]
    margin = round(float(np.sqrt(np.median(sizes[sizes > 0])) / 2)) if sizes.any() else 0
    return Reviewer(found.labels, truth, good, margin).review(places, most)


class Loop:
    """Rounds of correcting, training and comparing.

    Parameters
    ----------
    options : Namespace
        What the command line says.
    images, held_out, old_domain : sequence of Scene
        To correct; to compare models on; and of the kind that the first model was made for.
    """

    def __init__(
        self,
        options: argparse.Namespace,
        images: Sequence[Scene],
        held_out: Sequence[Scene],
        old_domain: Sequence[Scene],
    ) -> None:
        self._options, self._left, self._old_domain = options, list(images), old_domain
        self._class = find_model(options.start).card.classes[0]
        self._corrections = Dataset.create(options.out / "corrections", classes=self._class)
        self._held_out = Dataset.create(options.out / "held_out", classes=self._class)
        for scene in held_out:
            pixels, truth = scene.read()
            self._held_out.add(pixels, truth, name=scene.name, split="test", classes=self._class)
        self._best: str | Path = options.start
        self._made: list[Correction] = []
        self._minutes = self._cpu_minutes = 0.0
        self.rows = [self._row(score(self._best, held_out), self._best)]

    def round(self, target: int) -> None:
        """Correct until so many objects are corrected in all, train, compare, and use what is better."""
        while (most := target - sum(made.corrected for made in self._made)) > 0 and self._left:
            self._correct(self._left.pop(0), most)
        model = self._train(self._options.out / f"model_{target}.onnx")
        result = gate(model, self._best, self._held_out, split="test", metric="AP50")
        self.rows.append(self._row(result.new_score, model, result.verdict, result.sentence))
        if result.verdict == "better":
            self._best = model

    def _correct(self, scene: Scene, most: int) -> None:
        pixels, truth = scene.read()
        made = correct(pixels, truth, self._best, most, self._options.good)
        self._made.append(made)
        self._corrections.add(
            pixels,
            made.labels,
            name=scene.name,
            objects=pd.DataFrame({"index": list(made.status), "status": list(made.status.values())}),
            region=made.reviewed,
            split="val" if len(self._made) % self._options.validate == 0 else "train",
            classes=self._class,
        )

    def _train(self, model: Path) -> Path:
        options = self._options
        changes = parse_settings(options.set)
        point = families.starting_point(options.start if options.anew else self._best)
        recipe = families.make_recipe(point, options.preset, self._corrections.folder, model, changes)
        point.family.check(recipe)
        wall, cpu = time.perf_counter(), _cpu_of_children()
        path = run_job(training(recipe, model.with_suffix("")), _tell_epoch)
        self._minutes = (time.perf_counter() - wall) / 60
        self._cpu_minutes = (_cpu_of_children() - cpu) / 60
        return path

    def _row(self, ap50: float, model: str | Path, verdict: str = "", sentence: str = "") -> dict[str, Any]:
        """What a round has brought; `Loop.rows` has one of each, and one of the first model."""
        made = self._made
        return {
            "images": len(made),
            "corrected": sum(one.corrected for one in made),
            "edited": sum(one.count(Status.EDITED) for one in made),
            "added": sum(one.count(Status.ADDED) for one in made),
            "deleted": sum(one.deleted for one in made),
            "accepted": sum(one.count(Status.ACCEPTED) for one in made),
            "minutes": round(self._minutes, 2),
            "cpu_minutes": round(self._cpu_minutes, 2),
            "AP50": round(ap50, 4),
            "old_domain_AP50": round(score(model, self._old_domain), 4),
            "verdict": verdict,
            "sentence": sentence,
        }


def score(model: str | Path, scenes: Sequence[Scene]) -> float:
    """AP50 of a model over all objects of some images."""
    found, truths = {}, {}
    for scene in scenes:
        pixels, truths[scene.name] = scene.read()
        found[scene.name] = cs.segment(pixels, model).labels
    return float(cs.evaluate(found, truths).summary["AP50"])


def _cpu_of_children() -> float:
    """Seconds of processor time of all processes that were started and have ended; 0 on Windows."""
    times = os.times()
    return times.children_user + times.children_system


def _tell_epoch(progress: Progress, view: ProgressView) -> None:
    if isinstance(progress.payload, Epoch):
        view.say(epoch_words(progress.payload))


def simulated(
    simulate: Callable[..., Any], name: str, seeds: Sequence[int], shape: tuple[int, int]
) -> list[Scene]:
    """Simulated images of one kind."""

    def reading(seed: int) -> Callable[[], tuple[NDArray[Any], Labels]]:
        def read() -> tuple[NDArray[Any], Labels]:
            scene = simulate(shape, seed=seed)
            return scene.image, scene.labels

        return read

    return [Scene(f"{name}_{seed}", reading(seed)) for seed in seeds]


def labelled(images: Path, labels: Path, split: Path | None) -> tuple[list[Scene], list[Scene]]:
    """Images with labels of the same names: those to learn from, and those held out.

    `split` is a JSON file with lists of names under ``train`` and ``val``; else every fourth is held out.
    """
    known = {image_name(path): path for path in list_images(labels)}
    scenes = {
        path.stem: Scene(path.stem, _reading(path, known[path.stem]))
        for path in list_images(images)
        if path.stem in known
    }
    if split is None:
        names = list(scenes)
        return [scenes[n] for i, n in enumerate(names) if i % 4], [scenes[n] for n in names[::4]]
    lists = json.loads(split.read_text(encoding="utf-8"))
    train, val = ([Path(name).stem for name in lists[part]] for part in ("train", "val"))
    return [scenes[name] for name in train], [scenes[name] for name in val]


def spread(scenes: Sequence[Scene], most: int) -> Sequence[Scene]:
    """So many of the images at most, from first to last."""
    return scenes[:: -(-len(scenes) // most)]


def _reading(image: Path, labels: Path) -> Callable[[], tuple[NDArray[Any], Labels]]:
    return lambda: (np.asarray(read_image(image).data), np.asarray(read_image(labels).data).astype(np.int32))


def draw(table: pd.DataFrame, path: Path) -> None:
    """Score over corrected objects, and over minutes of training."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 3.2), layout="constrained")
    for axes, column, words in zip(
        figure.subplots(1, 2, sharey=True),
        ("corrected", "minutes"),
        ("corrected objects", "minutes of training, all rounds together"),
        strict=True,
    ):
        along = table[column] if column == "corrected" else table[column].cumsum()
        axes.plot(along, table["AP50"], "o-", label="images like the corrected ones, held out")
        axes.plot(along, table["old_domain_AP50"], "s--", label="what the model was made for")
        axes.set(xlabel=words, ylim=(0, 1))
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("AP50")
    figure.axes[0].legend(loc="lower right", fontsize="small")
    figure.savefig(path, dpi=120)


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="a new folder for all results")
    for kind in ("", "old-"):
        parser.add_argument(f"--{kind}images", type=Path)
        parser.add_argument(f"--{kind}labels", type=Path, help="files of the same names")
        parser.add_argument(f"--{kind}split", type=Path, help="JSON with names under 'train' and 'val'")
    parser.add_argument("--old-most", type=int, default=20, help="images of the old domain that are scored")
    parser.add_argument("--start", default="nuclei", help="model to train further")
    parser.add_argument("--anew", action="store_true", help="begin each training with that model")
    parser.add_argument("--preset", help="recipe; the default one unless given")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="of the recipe")
    parser.add_argument("--objects", default="5,10,25,50,100", help="corrected objects after each round")
    parser.add_argument("--good", type=float, default=0.75, help="IoU of objects that are accepted as is")
    parser.add_argument("--validate", type=int, default=4, help="every so manieth corrected image validates")
    parser.add_argument("--edge", type=int, default=256, help="of simulated images, pixels")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> pd.DataFrame:
    """Go through all rounds; returns a row per round, the first of them the untrained model."""
    options = parsed(arguments)
    if error := families.missing(families.starting_point(options.start).family):
        raise SystemExit(str(error))
    shape = (options.edge, options.edge)
    images = simulated(simulate_brightfield, "cells", range(40), shape)
    held_out = simulated(simulate_brightfield, "held_out", range(100, 104), shape)
    old_domain = simulated(simulate_fluorescence, "nuclei", range(4), shape)
    if options.images is not None:
        images, held_out = labelled(options.images, options.labels, options.split)
    if options.old_images is not None:
        _, old_domain = labelled(options.old_images, options.old_labels, options.old_split)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CellSegWarning)
        loop = Loop(options, images, held_out, spread(old_domain, options.old_most))
        for target in map(int, options.objects.split(",")):
            loop.round(target)
            table = pd.DataFrame(loop.rows)
            table.to_csv(options.out / "rounds.csv", index=False)
            draw(table, options.out / "rounds.png")
            print(table.drop(columns="sentence").tail(1).to_string(), loop.rows[-1]["sentence"], sep="\n")
    return table


if __name__ == "__main__":
    main()
