"""What training a bundled model further gains on new images, and what it costs on those that it knew before.

``python benchmarks/forgetting.py DATA --out FOLDER`` trains 'nuclei' on 1, 3, 5 and 10 images of `usiigaci`,
which it has never seen, with and without remembering, and scores it on validation images of that set and of
those that it was made from, segmented by default. DATA has a folder per set, with ``images/``, ``labels/``
and ``split.json`` (train, val). Two further training images of the new set pick the best epoch. Every model
adds rows to ``forgetting.csv``; what is there already is not done again.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from napari_cellseg.datasets.store import Dataset
from napari_cellseg.models.protocols import PixelModel
from napari_cellseg.models.registry import load_model
from napari_cellseg.training.finetuning.presets import preset
from napari_cellseg.training.releasing import segment_samples
from napari_cellseg.training.runs.run import RunFolder
from napari_cellseg.training.samples import Sample, read_samples
from napari_cellseg.training.scoring import pool_scores
from napari_cellseg.training.shown import evenly

LARGEST = 520 * 700
"""Images of old sets that are scored have at most so many pixels."""

VALIDATION = 2


def corrected(data: Path, name: str, count: int, folder: Path) -> Dataset:
    """A dataset of so many training images of a set, evenly spread, and two more to validate with."""
    samples = read_samples(data, (name,), "train")
    train = evenly(len(samples), count + VALIDATION)
    held = {train[i] for i in evenly(len(train), VALIDATION + 2)[1:-1]} if count > 1 else set(train[1:])
    made = Dataset.create(folder, ("cell",))
    for index in train:
        sample = samples[index]
        split = "val" if index in held else "train"
        made.add(sample.image[..., 0], sample.labels, name=sample.name, split=split, source=sample.name)
    return made


def scored(data: Path, new: str, old: Sequence[str], each: int) -> list[Sample]:
    """Validation images to score: of each set and kind so many, evenly spread."""
    chosen = read_samples(data, (new,), "val")
    chosen = [chosen[i] for i in evenly(len(chosen), each)]
    for name in old:
        samples = [s for s in read_samples(data, (name,), "val") if s.labels.size <= LARGEST]
        for kind in sorted({s.kind for s in samples}):
            group = [s for s in samples if s.kind == kind]
            chosen += [group[i] for i in evenly(len(group), each)]
    return chosen


def rows(
    model: PixelModel, samples: Sequence[Sample], known: dict[str, object]
) -> Iterator[dict[str, object]]:
    """Scores of a model, a row per set and kind."""
    found = list(segment_samples(model, samples))
    for name, score in pool_scores([(s.sample, s.counts) for s in found]).items():
        at = dict(zip(score.counts.thresholds, score.counts.ap, strict=True))
        yield known | {
            "set": name,
            "scored": score.images,
            "objects": score.objects,
            "AP50": round(float(at[0.5]), 4),
            "AP75": round(float(at[0.75]), 4),
        }


def trained(options: argparse.Namespace, count: int, keep: float) -> tuple[Path, dict[str, object]]:
    """Train a model; its file, and how long that took."""
    from napari_cellseg.training.finetuning.training import train

    folder = options.out / f"{options.preset}_{count}_images_keep_{keep:g}"
    data = folder / "data"
    corrected(options.data, options.new, count, data)
    recipe = preset(
        options.preset,
        data=data,
        model=folder / "further.onnx",
        start=options.start,
        keep=keep,
        device=options.device,
        threads=options.threads,
        seed=options.seed,
    )
    run = RunFolder(folder / "run")
    run.begin(recipe)
    began, worked = time.perf_counter(), time.process_time()
    path = train(recipe.as_dict(), run, lambda _: None, False)
    wall, work = time.perf_counter() - began, time.process_time() - worked
    return path, {"minutes": round(wall / 60, 2), "cpu_minutes": round(work / 60, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--start", default="nuclei")
    parser.add_argument("--new", default="usiigaci")
    parser.add_argument("--old", nargs="*", default=["bbbc039", "dsb2018"])
    parser.add_argument("--images", type=int, nargs="*", default=[1, 3, 5, 10])
    parser.add_argument("--keep", type=float, nargs="*", default=[2.0, 0.0])
    parser.add_argument("--each", type=int, default=8, help="images that are scored, of each set and kind")
    parser.add_argument("--preset", default="balanced")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    table = options.out / "forgetting.csv"
    done = pd.read_csv(table).to_dict("records") if table.exists() else []
    samples = scored(options.data, options.new, options.old, options.each)
    wanted = [(0, 0.0), *((count, keep) for keep in options.keep for count in options.images)]
    for count, keep in wanted:
        if any(row["images"] == count and row["keep"] == keep for row in done):
            continue
        path, took = trained(options, count, keep) if count else (options.start, {})
        model = load_model(path, options.device)
        known = {"preset": options.preset, "images": count, "keep": keep, **took}
        done += rows(model, samples, known)
        pd.DataFrame(done).to_csv(table, index=False)
        print(pd.DataFrame(done).to_string(index=False), flush=True)


if __name__ == "__main__":
    main()
