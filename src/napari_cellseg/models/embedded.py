"""Cards of ONNX files that have none beside them: inside the file, or made from what its export says."""

import ast
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_cellseg.errors import ModelError
from napari_cellseg.instances.prototypes import PrototypeDecoding
from napari_cellseg.models.card import IntensityScaling, ModelCard, model_name, parse_card
from napari_cellseg.models.onnx import CARD_PROPERTY, read_metadata

CONFIDENCE, FLOOR = 0.25, 0.05
"""Confidence from which objects of a foreign network are kept, and from which they are candidates."""

_LONGEST = 100_000


@dataclass(frozen=True, slots=True)
class ExportedNetwork:
    """What Ultralytics' export writes into a file about a segmentation network.

    Attributes
    ----------
    classes : tuple of str
        Names, in order.
    channels : int
        Channels of the input, 1 or 3.
    tile, stride : int
        Edge of the images that it was exported for, and what edges are multiples of, pixels.
    fixed : bool
        Whether it takes no other size.
    texts : mapping of str to str
        All metadata.
    """

    classes: tuple[str, ...]
    channels: int
    tile: int
    stride: int
    fixed: bool
    texts: Mapping[str, str]


def embedded_card(path: str | Path) -> ModelCard | None:
    """Model card of an ONNX file, None where it holds neither a card nor an Ultralytics export's metadata.

    The card's weights and hash are those of the file itself, whatever it says.

    Raises
    ------
    ModelError
        Where the file is no readable ONNX file, its card is not valid, or its network gives no masks.
    """
    path = Path(path)
    content, metadata, inputs = read_metadata(path)
    digest = hashlib.sha256(content).hexdigest()
    if CARD_PROPERTY in metadata:
        known = {"weights": path.name, "sha256": digest}
        return parse_card(metadata[CARD_PROPERTY], f"The card inside '{path}'", **known)
    if metadata.get("author") != "Ultralytics" or len(inputs[0].shape) != 4:
        return None
    return exported_card(path, digest, read_export(path, metadata, inputs[0].shape))


def read_export(source: Path, metadata: Mapping[str, str], shape: list[Any]) -> ExportedNetwork:
    """What an Ultralytics export says about itself.

    Parameters
    ----------
    source : Path
        The file, for texts of errors.
    metadata : mapping of str to str
        ``task``, ``names``, ``stride``, ``imgsz`` … as text.
    shape : list
        Of its input, (N, C, H, W): numbers, or names where it takes any.

    Raises
    ------
    ModelError
        Where it is no segmentation network of 1 or 3 channels, or what it says makes no sense.
    """
    if metadata.get("task") != "segment":
        raise ModelError(
            f"'{source}' is a YOLO network for '{metadata.get('task')}', not for segmentation: it has no "
            f"masks."
        )
    names, stride = _literal(source, metadata, "names"), _literal(source, metadata, "stride")
    sizes = _literal(source, metadata, "imgsz")
    channels, edges = shape[1], shape[2:]
    fixed = all(isinstance(n, int) for n in edges)
    problems = {
        f"has the classes {names!r}": not isinstance(names, dict)
        or set(names) != set(range(len(names or ()))),
        f"has the stride {stride!r}": not isinstance(stride, int) or not 1 <= stride <= 256,
        f"was exported for images of {sizes!r}": not _are_edges(sizes),
        f"takes images of {channels} channels": isinstance(channels, int) and channels not in (1, 3),
        f"takes images of {edges[0]} x {edges[1]} pixels, not square ones": fixed and edges[0] != edges[1],
    }
    wrong = [text for text, is_wrong in problems.items() if is_wrong]
    if wrong or not names:
        raise ModelError(f"'{source}' cannot be used: it {' and '.join(wrong) or 'has no classes'}.")
    tile = int(edges[0]) if fixed else math.ceil(max(sizes) / stride) * stride
    return ExportedNetwork(
        tuple(str(names[i]) for i in range(len(names))),
        channels if isinstance(channels, int) else 3,
        tile,
        stride,
        fixed,
        metadata,
    )


def exported_card(path: Path, digest: str, network: ExportedNetwork) -> ModelCard:
    """Card of a network that says little about itself: its sizes, classes, and careful defaults.

    Parameters
    ----------
    path : Path
        Its file.
    digest : str
        SHA-256 of the file.
    network : ExportedNetwork
        What it says.
    """
    texts, tile = network.texts, network.tile
    return ModelCard(
        name=model_name(path.stem, "yolo"),
        version=texts.get("date", "unknown")[:10],
        title=texts.get("description", "YOLO segmentation").strip(),
        description=f"Written by Ultralytics {texts.get('version', '')}; the file does not say what it was "
        f"trained on, nor how large the objects were.",
        kind="instance",
        weights=path.name,
        sha256=digest,
        licence=texts.get("license", "not said in the file"),
        channels=network.channels,
        scaling=IntensityScaling(keep_8bit=True),
        prototypes=PrototypeDecoding(),
        classes=network.classes,
        confidence=CONFIDENCE,
        confidence_floor=FLOOR,
        diameter=tile / 16,
        diameter_range=(8, max(8, tile / 2)),
        tile=tile,
        tile_multiple=network.stride,
        fixed_tile=network.fixed,
        overlap=tile // 4 // network.stride * network.stride,
        max_diameter=tile / 2,
        parameters=0,
        created=texts.get("date", "unknown")[:10],
    )


def _are_edges(sizes: Any) -> bool:
    return (
        isinstance(sizes, list)
        and len(sizes) == 2
        and all(isinstance(s, int) and 32 <= s <= 8192 for s in sizes)
    )


def _literal(source: Path, metadata: Mapping[str, str], key: str) -> Any:
    """A Python literal in the metadata; nothing is run."""
    text = metadata.get(key, "")
    try:
        if len(text) > _LONGEST:
            raise ValueError("it is too long")
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise ModelError(f"'{source}' has metadata that cannot be read: '{key}' ({error}).") from error
