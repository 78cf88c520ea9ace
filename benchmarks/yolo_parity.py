"""Our decoding of an ONNX export, without torch, beside Ultralytics' own predictions of the same weights.

Both get the same letterboxed 8-bit pictures and Ultralytics' own settings: masks end at their box, at the
resolution of the network's input, and overlapping objects are all kept. Of the detections at the threshold +
0.02 and above, each must have its partner on the other side: box within 1 pixel, confidence within 0.01, mean
mask IoU of at least 0.99, and at least 0.97 for each object of more than 400 pixels.
"""

import argparse
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from napari_cellseg.datasets.picture import picture
from napari_cellseg.datasets.settings import PERCENTILES
from napari_cellseg.instances.prototypes import decode_masks, suppress_boxes
from napari_cellseg.models.embedded import embedded_card
from napari_cellseg.models.onnx import OnnxNetwork
from napari_cellseg.models.ultralytics_import import import_ultralytics
from napari_cellseg.models.yolo import PADDING, is_ranked, read_detections
from napari_cellseg.training.yolo.comparing import find_pictures

CONFIDENCE, BOX_IOU, SURE = 0.25, 0.7, 0.02
LARGE = 400
RANKED_LIMIT, NO_LIMIT = 300, 100_000
HEADS: dict[str, dict[str, Any]] = {"every anchor": {}, "end to end": {"nms": False}}
"""Kinds of export, in Ultralytics' words."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Options of this part."""
    parser.add_argument(
        "--images", type=Path, help="folder, image or dataset; shipped and simulated otherwise"
    )
    parser.add_argument(
        "--size", type=int, help="edge of the network's input, pixels; else as it was trained"
    )
    parser.add_argument("--exports", type=Path, help="folder for the exports; else beside the weights")


@dataclass(slots=True)
class Differences:
    """What was found to differ, over all pictures."""

    pairs: int = 0
    unpaired_theirs: int = 0
    unpaired_ours: int = 0
    box: float = 0.0
    score: float = 0.0
    ious: list[float] = field(default_factory=list)
    large_ious: list[float] = field(default_factory=list)

    @property
    def allowed(self) -> bool:
        """Whether all is within the limits."""
        paired = self.pairs > 0 and self.unpaired_theirs == self.unpaired_ours == 0
        masks = bool(self.ious) and np.mean(self.ious) >= 0.99 and min(self.large_ious, default=1.0) >= 0.97
        return paired and masks and self.box <= 1 and self.score <= 0.01

    def row(self, name: str) -> str:
        """A row of a table in Markdown."""
        mean = f"{np.mean(self.ious):.4f}" if self.ious else "–"
        least, large = (f"{min(v):.4f}" if v else "–" for v in (self.ious, self.large_ious))
        cells = (name, self.pairs, f"{self.unpaired_theirs} / {self.unpaired_ours}", f"{self.box:.1e}")
        cells += (f"{self.score:.1e}", mean, least, large, "yes" if self.allowed else "NO")
        return f"| {' | '.join(map(str, cells))} |"


@dataclass(frozen=True, slots=True)
class Found:
    """Objects of one picture: boxes (N, 4) as x0, y0, x1, y1, and masks (N, H, W)."""

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.int64]
    masks: NDArray[np.bool_]


def run(options: argparse.Namespace) -> int:
    """Compare and print."""
    yolo = import_ultralytics().YOLO
    ultralytics_model = yolo(str(options.weights), task="segment")
    edge = ultralytics_model.overrides.get("imgsz", 640)
    size = options.size or (max(edge) if isinstance(edge, list | tuple) else int(edge))
    found = find_pictures(options.images)
    tiles = [letterboxed(shot.read()[0], size) for shot in found.pictures]
    print(f"{options.weights.name}, {len(tiles)} {found.title}, {size} x {size} pixels\n")
    print("| export | pairs | unpaired, theirs / ours | worst box, px | worst confidence |", end="")
    print(f" mean IoU | worst IoU | worst over {LARGE} px | within the limits |\n{'|---' * 9}|")
    has_both = getattr(ultralytics_model.model.model[-1], "one2one_cv3", None) is not None
    allowed = True
    for name, settings in HEADS.items():
        if settings and not has_both:
            continue
        path = export(options.weights, size, options.exports, **settings)
        total = compare(path, yolo(str(options.weights), task="segment"), tiles, settings)
        print(total.row(name), flush=True)
        allowed &= total.allowed
    return 0 if allowed else 1


def letterboxed(pixels: NDArray[Any], size: int) -> NDArray[np.uint8]:
    """An 8-bit colour picture, brought to the size as Ultralytics does."""
    from ultralytics.data.augment import LetterBox

    shown = picture(pixels, PERCENTILES)
    colour = np.repeat(shown[..., None], 3, axis=2) if shown.ndim == 2 else shown
    boxed: NDArray[np.uint8] = LetterBox((size, size), auto=False, padding_value=round(PADDING * 255))(
        image=colour
    )
    return boxed


def export(weights: Path, size: int, folder: Path | None, **settings: Any) -> Path:
    """ONNX file of the weights, exported where it is not there yet."""
    folder = folder or weights.parent
    marks = "".join(f"_{key}_{value}" for key, value in settings.items())
    path = folder / f"{weights.stem}_{size}{marks}.onnx"
    if not path.exists() or path.stat().st_mtime < weights.stat().st_mtime:
        copy = path.with_suffix(".pt")
        shutil.copy(weights, copy)
        model = import_ultralytics().YOLO(str(copy), task="segment")
        model.export(format="onnx", imgsz=size, simplify=False, verbose=False, **settings)
        copy.unlink()
    return path


def compare(onnx: Path, theirs: Any, tiles: list[NDArray[np.uint8]], settings: dict[str, Any]) -> Differences:
    """Both on all pictures."""
    card = embedded_card(onnx)
    if card is None:
        raise SystemExit(f"'{onnx}' is no export of Ultralytics.")
    network = OnnxNetwork(card, onnx, "cpu")
    total = Differences()
    for tile in tiles:
        ours = found_by_us(network, len(card.classes), tile)
        pair(ours, found_by_ultralytics(theirs, tile, settings), total)
    return total


def found_by_ultralytics(model: Any, tile: NDArray[np.uint8], settings: dict[str, Any]) -> Found:
    """What Ultralytics' own predictor finds in a tile of the network's size."""
    limit = RANKED_LIMIT if settings else NO_LIMIT
    predicted = model.predict(
        tile[..., ::-1], imgsz=tile.shape[0], conf=CONFIDENCE, iou=BOX_IOU, max_det=limit, rect=False,
        device="cpu", verbose=False, save=False, **settings,
    )[0]  # fmt: skip
    if predicted.masks is None:
        empty = np.zeros(0, np.float32)
        return Found(
            np.zeros((0, 4), np.float32), empty, empty.astype(int), np.zeros((0, *tile.shape[:2]), bool)
        )
    boxes = predicted.boxes
    masks = predicted.masks.data.numpy().astype(bool)
    return Found(boxes.xyxy.numpy(), boxes.conf.numpy(), boxes.cls.numpy().astype(int), masks)


def found_by_us(network: OnnxNetwork, classes: int, tile: NDArray[np.uint8]) -> Found:
    """What the export gives, decoded without torch."""
    pixels = tile.transpose(2, 0, 1)[None].astype(np.float32) / 255
    boxes, prototypes = (values[0].astype(np.float32) for values in network.run(pixels))
    detections = read_detections(boxes, len(prototypes), classes, CONFIDENCE)
    kept = suppress_boxes(detections, 1.0 if is_ranked(boxes, len(prototypes), classes) else BOX_IOU)
    objects = decode_masks(kept, prototypes, tile.shape[:2])
    masks = np.zeros((len(objects), *tile.shape[:2]), bool)
    for plane, (y0, x0, y1, x1), mask in zip(masks, objects.boxes.tolist(), objects.masks, strict=True):
        plane[y0:y1, x0:x1] = mask
    seen = masks.any(axis=(1, 2))
    corners = np.clip(kept.boxes[:, [1, 0, 3, 2]], 0, tile.shape[0])
    return Found(corners[seen], kept.scores[seen], kept.classes[seen].astype(int), masks[seen])


def pair(ours: Found, theirs: Found, total: Differences) -> None:
    """Pair the objects of a picture by their boxes, one to one, and add up what differs."""
    likeness = box_ious(theirs.boxes, ours.boxes) * (theirs.classes[:, None] == ours.classes)
    rows, columns = linear_sum_assignment(-likeness)
    partner = {int(i): int(j) for i, j in zip(rows, columns, strict=True) if likeness[i, j] > 0.5}
    sure = [theirs.scores >= CONFIDENCE + SURE, ours.scores >= CONFIDENCE + SURE]
    total.unpaired_theirs += sum(int(i) not in partner for i in np.flatnonzero(sure[0]))
    total.unpaired_ours += sum(int(j) not in partner.values() for j in np.flatnonzero(sure[1]))
    for i, j in partner.items():
        if not (sure[0][i] or sure[1][j]):
            continue
        a, b = theirs.masks[i], ours.masks[j]
        iou = float((a & b).sum() / (a | b).sum())
        total.pairs += 1
        total.ious.append(iou)
        total.large_ious += [iou] if a.sum() > LARGE else []
        total.box = max(total.box, float(np.abs(theirs.boxes[i] - ours.boxes[j]).max()))
        total.score = max(total.score, float(abs(theirs.scores[i] - ours.scores[j])))


def box_ious(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    """IoU of each of N boxes with each of M."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    areas = [np.clip(v[:, 2:] - v[:, :2], 0, None).prod(axis=1) for v in (a, b)]
    return shared / np.maximum(areas[0][:, None] + areas[1] - shared, 1e-9)
