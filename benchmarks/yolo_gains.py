"""What each setting for microscopy gains on labelled images, beside `yolo predict`.

Three parts, one table for each folder: Ultralytics' own predictor as it is, with finer masks and at the
images' own size; then our pipeline with everything as there, and our settings switched on one after the
other; then all of them on, and each one switched off alone. Scores compare label images (where objects
overlap, the more confident one is on top): AP is TP / (TP + FP + FN), its mean that over IoU 0.5 … 0.95.
"""

import argparse
import hashlib
import json
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from yolo_parity import export

from napari_cellseg.datasets.formats.registry import recognise_format
from napari_cellseg.datasets.picture import picture
from napari_cellseg.datasets.sample import Sample
from napari_cellseg.datasets.store import Dataset, is_dataset
from napari_cellseg.errors import CellSegWarning
from napari_cellseg.evaluation.evaluating import evaluate
from napari_cellseg.instances.instance import Instances
from napari_cellseg.instances.prototypes import (
    PrototypeDecoding,
    decode_masks,
    decode_prototypes,
    drop_covered,
    suppress_boxes,
)
from napari_cellseg.models.card import IntensityScaling, ModelCard, read_card
from napari_cellseg.models.embedded import embedded_card
from napari_cellseg.models.onnx import OnnxNetwork
from napari_cellseg.models.protocols import Tiles
from napari_cellseg.models.ultralytics_import import import_ultralytics
from napari_cellseg.models.yolo import read_detections
from napari_cellseg.pipeline import segment

MOST = 300
Labels = NDArray[np.int32]
Way = Callable[[NDArray[Any]], Labels]
"""Segments an image, (Y, X) or (Y, X, 3)."""


@dataclass(frozen=True, slots=True)
class Setting:
    """Which of our settings are on; `margin` None is as the card says."""

    depth: str = "own range"
    native: bool = True
    capped: bool = False
    fine: bool = True
    margin: float | None = None
    uncovered: bool = True


OFF = Setting("high byte", native=False, capped=True, fine=False, margin=0.0, uncovered=False)
STEPS: dict[str, dict[str, Any]] = {
    "intensities from the image's own range": {"depth": "own range"},
    "no cap on objects": {"capped": False},
    "own scale, tiles": {"native": True},
    "masks from full-resolution logits": {"fine": True},
    "expanded box": {"margin": None},
    "covered objects dropped": {"uncovered": True},
}
"""What is switched on, in this order."""
OTHERWISE: dict[str, dict[str, Any]] = {
    "intensities by the high byte": {"depth": "high byte"},
    "intensities cut to 8 bits": {"depth": "8 bits"},
    "at most 300 objects": {"capped": True},
    "one tile of the network's size": {"native": False},
    "masks at a quarter of the resolution": {"fine": False},
    "masks cut at the box": {"margin": 0.0},
    "box expanded by a tenth": {"margin": 0.1},
    "covered objects kept": {"uncovered": False},
}
"""What is switched to another value alone."""


class Remembering:
    """A network that runs only once on the same tiles, since most ways differ behind it."""

    def __init__(self, network: OnnxNetwork) -> None:
        self.card, self.device = network.card, network.device
        self._network = network
        self._known: dict[bytes, list[NDArray[Any]]] = {}

    def run(self, tiles: Tiles) -> list[NDArray[Any]]:
        """All outputs for a batch of tiles."""
        key = hashlib.sha256(tiles.tobytes()).digest()
        if key not in self._known:
            self._known[key] = self._network.run(tiles)
        return self._known[key]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of this part."""
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders of labelled images")
    parser.add_argument(
        "--split", default="val", help="split to score, where a folder has some (default: val)"
    )
    parser.add_argument("--limit", type=int, help="most images of a folder, spread evenly")
    parser.add_argument("--confidence", type=float, default=0.25, help="of objects that are kept")
    parser.add_argument("--exports", type=Path, help="folder for the export; else a temporary one")
    parser.add_argument("--device", default="cpu", help="for both: cpu or cuda")
    parser.add_argument("--json", type=Path, help="file for all numbers")


def run(options: argparse.Namespace) -> int:
    """Score and print."""
    with tempfile.TemporaryDirectory() as temporary:
        theirs = import_ultralytics().YOLO(str(options.weights), task="segment")
        edge = theirs.overrides.get("imgsz", 640)
        size = max(edge) if isinstance(edge, list | tuple) else int(edge)
        folder = options.exports or Path(temporary)
        onnx = export(options.weights, size, folder, dynamic=True)
        opened = OnnxNetwork(card_for(onnx, options.weights), onnx, options.device)
        everything = {}
        for data in options.data:
            network = Remembering(opened)
            samples = list(labelled(data, options.split, options.limit))
            everything[data.name] = score_folder(data.name, samples, ways(theirs, network, options))
    if options.json is not None:
        options.json.write_text(json.dumps(everything, indent=2) + "\n", encoding="utf-8")
    return 0


def card_for(onnx: Path, weights: Path) -> ModelCard:
    """Card of the export, with what the card beside the weights says of images and objects, if any."""
    card = embedded_card(onnx)
    if card is None:
        raise SystemExit(f"'{onnx}' is no export of Ultralytics.")
    beside = weights.with_suffix(".json")
    if not beside.exists():
        return card
    told = read_card(beside)
    same = ("scaling", "diameter", "diameter_range", "own_scale", "overlap", "max_diameter", "prototypes")
    return card.model_copy(update={name: getattr(told, name) for name in same})


def labelled(folder: Path, split: str, limit: int | None) -> Iterator[Sample]:
    """Labelled images of a folder: a dataset, or anything that can be imported, with `split.json` or not."""
    listed = folder / "split.json"
    if is_dataset(folder):
        samples = list(Dataset.open(folder).samples(split))
    else:
        samples = list(recognise_format(folder).read(folder, []))
        if listed.exists():
            names = set(json.loads(listed.read_text(encoding="utf-8"))[split])
            samples = [sample for sample in samples if sample.name in names]
        elif any(sample.split == split for sample in samples):
            samples = [sample for sample in samples if sample.split == split]
    if not samples:
        raise SystemExit(f"'{folder}' has no images in the split '{split}'.")
    chosen = np.unique(np.linspace(0, len(samples) - 1, min(limit or len(samples), len(samples))).round())
    yield from (samples[int(k)] for k in chosen)


def ways(theirs: Any, network: OnnxNetwork, options: argparse.Namespace) -> dict[str, Way]:
    """All ways to segment an image, by the names of their rows."""
    card, keep = network.card, {"conf": options.confidence, "device": options.device}

    def theirs_with(prepare: Callable[[NDArray[Any]], NDArray[Any]], **more: Any) -> Way:
        return lambda pixels: predicted(theirs, prepare(pixels), **keep, **more)

    def ours(setting: Setting) -> Way:
        return lambda pixels: found_by_us(network, pixels, setting, options.confidence)

    scaled = partial(as_trained, card=card)
    fine, all_of_them = {"retina_masks": True}, {"retina_masks": True, "max_det": 100_000}
    rows: dict[str, Way] = {
        "`yolo predict` as it is": theirs_with(high_byte),
        "… given pictures scaled as in training": theirs_with(scaled),
        "… with `retina_masks`": theirs_with(scaled, **fine),
        "… and `max_det=100000`": theirs_with(scaled, **all_of_them),
        "… and `imgsz` of the image": lambda p: theirs_with(scaled, **all_of_them, imgsz=own_size(p))(p),
        "ours, everything off": ours(OFF),
    }
    setting = OFF
    for name, change in STEPS.items():
        setting = replace(setting, **change)
        rows[f"+ {name}"] = ours(setting)
    return {
        **rows,
        **{f"all, but {name}": ours(replace(Setting(), **one)) for name, one in OTHERWISE.items()},
    }


def score_folder(name: str, samples: list[Sample], rows: dict[str, Way]) -> dict[str, dict[str, float]]:
    """Score all ways on the images of a folder, and print the table."""
    images = [sample.pixels() for sample in samples]
    truth = [np.asarray(sample.annotation.labels) for sample in samples]
    kinds = sorted({f"{image.dtype}" for image in images})
    print(f"\n### {name}: {len(images)} images, {', '.join(kinds)}\n")
    print("| | AP50 | mean AP | mask IoU | found | of | invented |\n|---|---|---|---|---|---|---|")
    scores = {}
    for title, way in rows.items():
        found = [way(image) for image in images]
        summary = evaluate(found, truth).summary
        keys = ("AP50", "AP50_95", "SQ", "TP", "true_objects", "invented")
        scores[title] = {key: float(summary[key]) for key in keys}
        shares = " | ".join("–" if np.isnan(summary[key]) else f"{summary[key]:.3f}" for key in keys[:3])
        counts = " | ".join(f"{int(summary[key]):,}" for key in keys[3:])
        print(f"| {title} | {shares} | {counts} |", flush=True)
    return scores


def predicted(model: Any, pixels: NDArray[Any], **settings: Any) -> Labels:
    """What Ultralytics' predictor makes of 8-bit pixels."""
    import torch
    from ultralytics.utils.ops import scale_masks

    colour = np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels
    found = model.predict(np.ascontiguousarray(colour[..., ::-1]), verbose=False, save=False, **settings)[0]
    labels = np.zeros(pixels.shape[:2], np.int32)
    if found.masks is None:
        return labels
    masks = found.masks.data
    if tuple(masks.shape[1:]) != labels.shape:
        masks = scale_masks(masks[None].to(torch.float32), labels.shape)[0] > 0.5
    for k in np.argsort(found.boxes.conf.cpu().numpy()):
        labels[masks[int(k)].cpu().numpy() > 0] = k + 1
    return labels


def high_byte(pixels: NDArray[Any]) -> NDArray[Any]:
    """8-bit pixels as Ultralytics reads files: 16-bit ones lose their low byte, others stay as they are."""
    return (pixels >> 8).astype(np.uint8) if pixels.dtype == np.uint16 else pixels


def as_trained(pixels: NDArray[Any], card: ModelCard) -> NDArray[Any]:
    """8-bit pixels, scaled as those that the network learned from."""
    if card.scaling.keep_8bit and pixels.dtype == np.uint8:
        return pixels
    percentiles = (card.scaling.low_percentile, card.scaling.high_percentile)
    grey = pixels.astype(np.uint16) if pixels.ndim == 3 else pixels
    return picture(grey, percentiles)


def own_size(pixels: NDArray[Any]) -> int:
    """Edge of a network's input in which an image keeps its scale."""
    return -(-max(pixels.shape[:2]) // 32) * 32


def found_by_us(network: Remembering, pixels: NDArray[Any], setting: Setting, confidence: float) -> Labels:
    """What `segment` finds with these settings."""
    card = network.card
    shown = {"own range": lambda p: p, "high byte": high_byte, "8 bits": partial(as_trained, card=card)}
    fitting = None if setting.native else card.diameter * max(pixels.shape[:2]) / card.tile
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CellSegWarning)
        seen = shown[setting.depth](pixels)
        found = segment(seen, YoloVariant(network, setting), confidence=confidence, diameter=fitting)
    labels = np.asarray(found.labels)
    if setting.capped and len(found.features) > MOST:
        weakest = np.argsort(-found.features["confidence"].to_numpy(), kind="stable")[MOST:]
        labels = np.where(np.isin(labels, found.features["index"].to_numpy()[weakest]), 0, labels)
    return labels


class YoloVariant:
    """An instance model around an export, with some of our settings switched off."""

    def __init__(self, network: Remembering, setting: Setting) -> None:
        decoding = network.card.prototypes or PrototypeDecoding()
        decoding = decoding if setting.margin is None else replace(decoding, margin=setting.margin)
        self._decoding = decoding if setting.uncovered else replace(decoding, covered=1.0)
        scaling = network.card.scaling if setting.depth == "own range" else IntensityScaling(keep_8bit=True)
        changes = {"prototypes": self._decoding, "scaling": scaling, "own_scale": None}
        self.card: ModelCard = network.card.model_copy(update=changes)
        self.device = network.device
        self._network, self._fine = network, setting.fine

    def predict_instances(self, tiles: Tiles) -> list[Instances]:
        """Objects of a batch of tiles."""
        boxes, prototypes = self._network.run(np.ascontiguousarray(np.clip(tiles, 0, 1), np.float32))
        shape = tiles.shape[2], tiles.shape[3]
        return [self._objects(b, p, shape) for b, p in zip(boxes, prototypes, strict=True)]

    def _objects(self, boxes: Tiles, prototypes: Tiles, shape: tuple[int, int]) -> Instances:
        card, decoding = self.card, self._decoding
        found = read_detections(boxes, len(prototypes), len(card.classes), card.confidence_floor)
        if self._fine:
            return decode_prototypes(found, prototypes, shape, decoding)
        times = shape[0] // prototypes.shape[1]
        kept = suppress_boxes(found, decoding.box_iou)
        coarse = decode_masks(
            replace(kept, boxes=kept.boxes / times), prototypes, prototypes.shape[1:], decoding.margin
        )
        masks = tuple(mask.repeat(times, axis=0).repeat(times, axis=1) for mask in coarse.masks)
        objects = Instances(coarse.boxes * times, coarse.scores, coarse.classes, masks)
        objects = objects.take(objects.areas >= max(1, decoding.min_area))
        return objects if decoding.covered >= 1 else drop_covered(objects, shape, decoding.covered)


if __name__ == "__main__":
    sys.exit("Run yolo.py with the subcommand 'gains'.")
