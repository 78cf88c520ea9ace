"""Train, export and score the models that ship with the package.

``python -m napari_cellseg.training.bundled nuclei --data FOLDER --out FOLDER`` trains, writes
``nuclei.onnx``, ``nuclei.safetensors`` and ``nuclei_scores.json``; ``--evaluate FILE.onnx`` only scores a
file at the images' own scale, with ONNX Runtime and without PyTorch. ``--release FOLDER`` calibrates and
scores the model in a folder as users run it, and writes its card, numbers and pictures.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_cellseg.datasets.encoding import pixels_hash
from napari_cellseg.images.reading import read_image
from napari_cellseg.instances.decoding import VoteDecoding
from napari_cellseg.models.networks.session import open_maps
from napari_cellseg.training.augmentation import Augmentation
from napari_cellseg.training.samples import CropSource, read_samples
from napari_cellseg.training.scoring import Predict, pool_scores, score_samples


@dataclass(frozen=True, slots=True)
class BundledModel:
    """What a bundled model is trained on and how.

    Attributes
    ----------
    sources : tuple of str
        Sets in the data folder.
    edge : int
        Height and width of a training crop, pixels.
    empty : float
        Share of crops without any object.
    emphasis : dict of str to float
        How much more often the images of a set are drawn.
    augmentation : Augmentation
        Strengths.
    decoding : VoteDecoding
        Tuned on training images.
    confidence : float
        Default confidence; weaker objects are candidates.
    shape : dict
        Arguments of `napari_cellseg.models.networks.unet.UNetShape`, which needs PyTorch to be imported.
    restarts : tuple of int
        Steps at which the schedule of the learning rate starts anew.
    last_rate : float, optional
        Learning rate from the last restart on; without a restart, of all steps.
    finish : tuple of int and Augmentation, optional
        Strengths from this step on; a model that trains on from other weights has them from the first.
    """

    sources: tuple[str, ...]
    edge: int = 224
    empty: float = 0.03
    emphasis: dict[str, float] = field(default_factory=dict)
    augmentation: Augmentation = field(default_factory=Augmentation)
    decoding: VoteDecoding = field(default_factory=VoteDecoding)
    confidence: float = 0.5
    shape: dict[str, Any] = field(default_factory=dict)
    restarts: tuple[int, ...] = ()
    last_rate: float | None = None
    finish: tuple[int, Augmentation] | None = None


MODELS = {
    "nuclei": BundledModel(
        sources=("dsb2018", "bbbc039", "bitdepth"),
        emphasis={"bbbc039": 2.0, "bitdepth": 1.5},
        decoding=VoteDecoding(foreground=0.55, iterations=2),
        shape={"deeper": (0, 1, 1), "detail": 8, "compand": True},
        restarts=(6494, 15278, 20831, 27058, 35593),
        last_rate=1.2e-3,
        finish=(
            27058,
            Augmentation(
                own=0.75,
                own_scale=(12.0, 64.0),
                scale_high=3.0,
                blur=0.12,
                noise=0.2,
                shade=0.2,
                invert=0.04,
                stain=0.5,
            ),
        ),
    ),
    "phase": BundledModel(
        sources=("usiigaci",),
        augmentation=Augmentation(
            diameter_low=18.0,
            diameter_high=48.0,
            own=0.0,
            scale_low=0.25,
            scale_high=1.3,
            invert=0.03,
            tint=0.0,
        ),
        decoding=VoteDecoding(foreground=0.5, relative=0.6, iterations=2, min_area=20),
    ),
}


def score_file(
    onnx: Path, data: Path, model: BundledModel, part: str = "val", threads: int = 0
) -> dict[str, Any]:
    """Scores of an ONNX file on the labelled images of a folder, JSON values by set.

    Parameters
    ----------
    onnx : Path
        Exported network.
    data : Path
        Folder with the sets.
    model : BundledModel
        Its sets, decoding and default confidence.
    part : str
        ``"val"`` or ``"train"``.
    threads : int
        Threads of ONNX Runtime; 0 leaves the choice to it.
    """
    return _scores(open_maps(onnx, threads), data, model, part)


def release_folder(name: str, folder: Path, data: Path, out: Path) -> dict[str, Any]:
    """Calibrate and score the network of a folder, write its card there, and pictures elsewhere.

    Parameters
    ----------
    name : str
        Name of the model; the folder holds ``NAME.onnx`` and its card, whose texts and sizes are kept.
    folder, data, out : Path
        Where the model is, the labelled images, and where numbers and pictures go.
    """
    from napari_cellseg.models.card import read_card, write_card
    from napari_cellseg.training.pictures import write_pictures, write_reliability
    from napari_cellseg.training.releasing import release

    path = folder / f"{name}.json"
    samples = read_samples(data, MODELS[name].sources, "val")
    known = {
        "decoder": MODELS[name].decoding,
        "trained_on": image_hashes(data, MODELS[name].sources, "train"),
        "validated_on": image_hashes(data, MODELS[name].sources, "val"),
    }
    card = read_card(path).model_copy(update=known)
    released = release(card, folder / f"{name}.onnx", samples)
    write_card(released.card, path)
    write_pictures(released.segmented, out / f"{name}_pictures.png")
    write_reliability(released.calibration, out / f"{name}_reliability.png")
    return released.as_dict()


def image_hashes(data: Path, sources: Sequence[str], part: str) -> tuple[str, ...]:
    """Hashes of the pixels of one part (``"train"`` or ``"val"``) of a folder's sets, as cards hold them."""
    found = set()
    for source in sources:
        split = json.loads((data / source / "split.json").read_text(encoding="utf-8"))
        for name in split[part]:
            found.add(pixels_hash(np.asarray(read_image(data / source / "images" / f"{name}.png").data)))
    return tuple(sorted(found))


def _scores(predict: Predict, data: Path, model: BundledModel, part: str) -> dict[str, Any]:
    samples = read_samples(data, model.sources, part)
    results = list(score_samples(predict, samples, model.decoding, model.confidence))
    return {name: score.as_dict() for name, score in pool_scores(results).items()}


def train_model(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Train a bundled model, export it into ``options.out`` and return recipe and scores."""
    import torch

    from napari_cellseg.models.networks.unet import UNetShape, count_parameters, grown, load_weights
    from napari_cellseg.training.pixel import Recipe, Run

    torch.set_num_threads(options.threads)
    model = MODELS[name]
    samples = read_samples(options.data, model.sources, "train")
    shape = UNetShape(**model.shape)
    start = None if options.start is None else grown(load_weights(options.start), shape)
    recipe = Recipe(
        seed=options.seed,
        compile=not options.no_compile,
        shape=shape,
        restarts=model.restarts if start is None else (),
        last_rate=model.last_rate,
    )
    recipe = replace(recipe, steps=options.steps or recipe.steps)
    first = 0 if start is not None or model.finish is None else model.finish[0]
    source = CropSource(
        samples,
        model.edge,
        model.augmentation,
        empty=model.empty,
        emphasis=model.emphasis,
        finish=None if model.finish is None else (first * recipe.batch, model.finish[1]),
        seed=options.seed,
    )
    run = Run(recipe, source, options.out, resume=options.resume, minutes=options.minutes, start=start)
    network = run.average.network
    for progress in run.training():
        sys.stdout.write(f"{progress.done}/{progress.total} {progress.detail}\n")
        sys.stdout.flush()
    difference = export_network(network, options.out, name)
    if difference > 1e-4:
        raise RuntimeError(f"PyTorch and ONNX Runtime must agree to 1e-4, but differ by {difference:.2g}")
    onnx = options.out / f"{name}.onnx"
    return {
        "recipe": asdict(replace(recipe, steps=run.step)),
        "model": asdict(model),
        "parameters": count_parameters(network),
        "images": len(samples),
        "scores": score_file(onnx, options.data, model, threads=options.threads),
    }


def export_network(network: Any, folder: Path, name: str) -> float:
    """Write ``NAME.safetensors`` in float16, and ``NAME.onnx`` from the very same rounded weights.

    Returns
    -------
    float
        Largest absolute difference between PyTorch and ONNX Runtime.
    """
    from napari_cellseg.models.networks.unet import export_onnx, load_weights, save_weights

    weights = folder / f"{name}.safetensors"
    save_weights(network, weights)
    return export_onnx(load_weights(weights), folder / f"{name}.onnx")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m napari_cellseg.training.bundled", description=__doc__)
    parser.add_argument("model", choices=sorted(MODELS))
    parser.add_argument("--data", type=Path, required=True, help="folder with a subfolder per set")
    parser.add_argument("--out", type=Path, help="folder for the checkpoint and the exported files")
    parser.add_argument("--steps", type=int, help="optimiser steps")
    parser.add_argument("--minutes", type=float, help="wall-clock budget; sets the steps from the pace")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--start", type=Path, metavar="SAFETENSORS", help="train on from these weights")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    parser.add_argument(
        "--no-compile", action="store_true", help="train without torch.compile (no C++ compiler)"
    )
    parser.add_argument("--evaluate", type=Path, metavar="ONNX", help="only score this file")
    parser.add_argument(
        "--release", type=Path, metavar="FOLDER", help="only fill in the card of the model in this folder"
    )
    parser.add_argument(
        "--part", choices=("val", "train"), default="val", help="images that --evaluate scores"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.evaluate is None and options.out is None:
        parser.error("--out is needed, except with --evaluate")
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
    if options.release is not None:
        result = release_folder(options.model, options.release, options.data, options.out)
    elif options.evaluate is not None:
        result = score_file(
            options.evaluate, options.data, MODELS[options.model], options.part, options.threads
        )
    else:
        result = train_model(options.model, options)
    text = json.dumps(result, indent=2)
    sys.stdout.write(text + "\n")
    if options.out is not None:
        name = "release" if options.release is not None else "scores"
        (options.out / f"{options.model}_{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
