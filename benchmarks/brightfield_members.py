"""Whether each network of the bright-field ensemble learns, goes on where it was interrupted, and exports.

python benchmarks/brightfield_members.py FOLDER --out RUN [--epochs 5] [--patches 24] [--edge 64] [--votes 14]

FOLDER has ``images`` and ``labels`` of the same names, such as a folder of a public set of cells. The middles
of a few of them, 256 pixels wide, make a small dataset, on which the six networks of the paper are trained as
they are, with random encoders, for little time, on the CPU. While the last epoch of a network runs, its
folder is copied as it is, which is what a computer that fails would leave; from the copy the training goes on
later, and its weights are compared with those of the training without a break. ``--votes`` makes an ensemble
of them in the end, as ``train`` does it. The same command again goes on where it was stopped. The exit code
is 1 where a loss did not fall, weights differ, or a network says something else in ONNX Runtime than in
PyTorch. Needs torch; six networks take some minutes.
"""

import argparse
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_cellseg.datasets.store import Dataset, is_dataset
from napari_cellseg.events import drain
from napari_cellseg.images.reading import list_images, read_image
from napari_cellseg.models.networks.brightfield.export import Deployed, export_onnx
from napari_cellseg.models.networks.ensemble import AGREEMENT
from napari_cellseg.models.networks.session import open_maps
from napari_cellseg.training.runs.run import Epoch, RunFolder, append_metrics
from napari_cellseg.training.unets.learning import Lesson, read_lesson
from napari_cellseg.training.unets.member import MemberRun
from napari_cellseg.training.unets.patches import PatchSource
from napari_cellseg.training.unets.presets import preset
from napari_cellseg.training.unets.recipe import MemberRecipe, UnetRecipe
from napari_cellseg.training.unets.report_tables import markdown_table
from napari_cellseg.training.unets.training import train
from napari_cellseg.training.unets.weights import MemberFiles

EDGE = 256
"""Rows and columns of an image of the small dataset."""


def small_dataset(source: Path, folder: Path, train: int, validation: int) -> Dataset:
    """The middles of the first images of a folder, the last of them to validate with."""
    if is_dataset(folder):
        return Dataset.open(folder)
    made = Dataset.create(folder, ("cell",))
    paths = list_images(source / "images")[: train + validation]
    for number, path in enumerate(paths):
        image = np.asarray(read_image(path).data)
        labels = np.asarray(read_image(source / "labels" / path.name).data).astype(np.int32)
        window = tuple(slice((n - EDGE) // 2, (n + EDGE) // 2) for n in labels.shape)
        split = "train" if number < train else "val"
        made.add(image[window].copy(), labels[window].copy(), name=path.stem, split=split)
    return made


@dataclass(frozen=True, slots=True)
class Trial:
    """A network that is trained twice.

    Attributes
    ----------
    recipe : UnetRecipe
        How.
    member : MemberRecipe
        Which.
    lesson : Lesson
        On what.
    run : RunFolder
        Takes the training without a break.
    copy : Path
        Folder for the one that goes on.
    """

    recipe: UnetRecipe
    member: MemberRecipe
    lesson: Lesson
    run: RunFolder
    copy: Path

    @property
    def files(self) -> MemberFiles:
        """Files of the training without a break."""
        return MemberFiles(self.run.checkpoints / self.member.name)

    def _training(self, folder: Path) -> MemberRun:
        return MemberRun(self.recipe, self.member, self.lesson.images, self.lesson.validation, folder)

    def train(self) -> None:
        """Train, and copy the folder in the last epoch, when its second batch begins."""
        last = self.recipe.epochs
        for step in self._training(self.files.folder).running(resume=True):
            if isinstance(step.payload, Epoch):
                append_metrics(self.run.metrics, replace(step.payload, network=self.member.name))
                print(f"{self.member.name}, {step.detail}", file=sys.stderr, flush=True)
            if f"epoch {last} of {last}, batch 2 of" in step.detail:
                shutil.copytree(self.files.folder, self.copy, dirs_exist_ok=True)

    def goes_on_alike(self) -> bool:
        """Whether the training in the copy ends with the same weights, to the bit, and losses."""
        again = self._training(self.copy)
        drain(again.running(resume=True))
        weights = [files.weights(self.recipe.epochs).read_bytes() for files in (self.files, again.files)]
        losses = [epoch["losses"] for epoch in self.files.read_history()["epochs"]]
        return weights[0] == weights[1] and losses == [epoch.losses for epoch in again.epochs]

    def export_difference(self) -> float:
        """Largest difference between ONNX Runtime and PyTorch on a random image and on validation patches."""
        import torch

        network, path = self.files.network(self.recipe.epochs), self.copy / "network.onnx"
        difference = export_onnx(network, path)
        source = PatchSource(self.lesson.validation, edge=self.recipe.edge)
        patches = np.stack([source.plain(index).image for index in range(4)])
        tiles = np.ascontiguousarray(np.repeat(patches[:, None], 3, axis=1), np.float32)
        with torch.inference_mode():
            expected = Deployed(network).eval()(torch.from_numpy(tiles)).numpy()
        return max(difference, float(np.abs(open_maps(path)(tiles) - expected).max()))

    def tile_seconds(self) -> float:
        """Processor time of ONNX Runtime for a tile of 256 × 256 pixels, after a first one."""
        maps = open_maps(self.copy / "network.onnx", self.recipe.threads or 0)
        tile = np.zeros((1, 3, EDGE, EDGE), np.float32)
        maps(tile)
        started = time.process_time()
        maps(tile)
        return time.process_time() - started

    def row(self) -> dict[str, Any]:
        """What came of it, and whether all is as it should be."""
        alike, difference = self.goes_on_alike(), self.export_difference()
        history = self.files.read_history()
        epochs = history["epochs"]
        losses = [epoch["losses"]["total"] for epoch in epochs]
        return {
            "network, loss": self.member.name.replace("_", ", "),
            "parameters, M": round(history["parameters"]["total"] / 1e6, 2),
            "loss, first epoch": losses[0],
            "last": losses[-1],
            "validation F1, first": epochs[0]["score"],
            "best": max(epoch["score"] for epoch in epochs),
            "resumed": "same bits" if alike else "DIFFERS",
            "ONNX − torch": f"{difference:.1g}",
            "s, a tile of 256²": self.tile_seconds(),
            "s, training": round(sum(epoch["seconds"] for epoch in epochs)),
            "right": alike and losses[-1] < losses[0] and difference <= AGREEMENT,
        }


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, examine, print a table."""
    import pandas as pd
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, help="has images and labels")
    parser.add_argument("--out", type=Path, required=True, help="folder for dataset, run and model")
    parser.add_argument("--images", type=int, nargs=2, default=(8, 2), help="to train and to validate with")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--patches", type=int, default=24, help="of an epoch")
    parser.add_argument("--edge", type=int, default=64, help="of a patch, pixels")
    parser.add_argument("--batch", type=int, default=4, help="patches at once")
    parser.add_argument("--rate", type=float, default=1e-3, help="learning rate")
    parser.add_argument("--votes", type=int, help="networks in an ensemble; none is made otherwise")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    data = small_dataset(options.folder, options.out / "data", *options.images)
    asked = ("epochs", "patches", "edge", "batch", "rate", "threads")
    recipe = preset(
        "brightfield", data=str(data.folder), model=str(options.out / "cells.onnx"), device="cpu", patience=0,
        keep_all=True, pick=options.votes or 1, **{name: getattr(options, name) for name in asked},
    )  # fmt: skip
    run = RunFolder(options.out / "cells_training")
    if not run.recipe.exists():
        run.begin(recipe)
    torch.set_num_threads(options.threads)
    lesson, rows = read_lesson(data, recipe), []
    for member in recipe.members:
        trial = Trial(recipe, member, lesson, run, options.out / "interrupted" / member.name)
        trial.train()
        rows.append(trial.row())
        print(rows[-1], file=sys.stderr, flush=True)
    table = pd.DataFrame(rows)
    print(markdown_table(table.drop(columns="right")), flush=True)
    if options.votes:
        train(recipe.as_dict(), run, lambda step: None, resume=True)
    return 0 if table["right"].all() else 1


if __name__ == "__main__":
    sys.exit(main())
