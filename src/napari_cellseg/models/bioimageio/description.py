"""The YAML that describes a package of bioimage.io."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from napari_cellseg.errors import ModelError
from napari_cellseg.images.scaling import CLIP_HIGH, CLIP_LOW
from napari_cellseg.models.bioimageio.page import SOURCE
from napari_cellseg.models.card import ModelCard
from napari_cellseg.models.registry import TRAINABLE_SUFFIX

DESCRIPTION = "rdf.yaml"
"""File inside a package that describes it."""

CONFIG_KEY = "napari_cellseg"
"""Where a description names the card and the trainable weights among its attachments."""

_FORMAT = "0.5.4"
_TEST_EDGE = 256
_LINK = re.compile(r"https?://[^\s'\"<>)\],;]+")
_DOI = re.compile(r"\b10\.\d{4,9}/[^\s'\"<>)\],;]+")
_MAP_WORDS = {
    "foreground": "probability that a pixel belongs to an object",
    "distance": "distance to the border, 1 at an object's deepest place",
    "offset_y": "rows to the object's centre, in units of the card's offset_unit",
    "offset_x": "columns to the object's centre, in the same units",
    "disagreement": "how far the networks of an ensemble disagree",
}


def describe(
    card: ModelCard,
    hashes: Mapping[str, str],
    weights: bytes,
    authors: Sequence[str],
    licence: str,
    highest: float,
) -> str:
    """YAML text that describes a package.

    Parameters
    ----------
    card : ModelCard
        Of the model, with the names that its files have in the package.
    hashes : mapping of str to str
        SHA-256 of every other file of the package, by name.
    weights : bytes
        The ONNX file.
    authors : sequence of str
        Names.
    licence : str
        SPDX identifier.
    highest : float
        Largest value of the test output, which the tolerance depends on.

    Raises
    ------
    ModelError
        Where the weights are no ONNX file.
    """
    import yaml

    content = {
        "format_version": _FORMAT,
        "type": "model",
        "name": _name(card),
        "description": card.description[:1000],
        "version": card.version if re.fullmatch(r"\d+(\.\d+){0,2}", card.version) else None,
        "authors": [{"name": name} for name in authors],
        "license": licence,
        "cite": _cite(card),
        "tags": sorted(
            {"napari-cellseg", "segmentation", "instance-segmentation", "2d", "onnx", *_tags(card)}
        ),
        "git_repo": SOURCE,
        "timestamp": f"{_day(card)}T00:00:00+00:00",
        "documentation": "README.md",
        "covers": ["cover.png"],
        "inputs": [_input(card, hashes)],
        "outputs": [_output(card, hashes)],
        "weights": {"onnx": {**_file(card.weights, hashes), "opset_version": opset_version(weights)}},
        "attachments": [_file(name, hashes) for name in _attached(card, hashes).values()],
        "config": {
            "bioimageio": {
                "model_parameter_count": card.parameters or None,
                "target_structure": list(card.classes),
                "task": "instance segmentation",
                "out_of_scope_use": "\n".join(f"- {text}" for text in card.not_for) or None,
                "reproducibility_tolerance": [_tolerance(highest)],
            },
            CONFIG_KEY: _attached(card, hashes),
        },
    }
    text: str = yaml.safe_dump(_without_none(content), allow_unicode=True, sort_keys=False, width=100)
    return text


def tested_edge(card: ModelCard) -> int:
    """Edge of the test image, pixels: one that the description allows."""
    if card.fixed_tile:
        return card.tile
    step = card.tile_multiple
    return max(-(-_TEST_EDGE // step) * step, _smallest(card))


def links(text: str) -> list[str]:
    """Links in a description, which need not be followed to check it."""
    return [link.rstrip(".") for link in _LINK.findall(text)] + [
        f"https://doi.org/{doi.rstrip('.')}" for doi in _DOI.findall(text)
    ]


def opset_version(weights: bytes) -> int:
    """Version of the operators that an ONNX file uses, from its own header.

    Raises
    ------
    ModelError
        Where it says none.
    """
    at, found = 0, 0
    try:
        while at < len(weights):
            tag, at = _varint(weights, at)
            if tag & 7 == 0:
                _, at = _varint(weights, at)
                continue
            if tag & 7 != 2:
                raise ValueError(f"a field of type {tag & 7}")
            size, at = _varint(weights, at)
            if tag >> 3 == 8:  # opset_import of ModelProto: domain 1, version 2
                found = max(found, _imported(weights[at : at + size]))
            at += size
    except (ValueError, IndexError) as error:
        raise ModelError(f"The ONNX file cannot be read: {error}.") from error
    if not found:
        raise ModelError("The ONNX file does not say which version of operators it uses.")
    return found


def _imported(message: bytes) -> int:
    """Version of the default operators, 0 where the message is about others."""
    at, version = 0, 0
    while at < len(message):
        tag, at = _varint(message, at)
        value, at = _varint(message, at)
        if tag == 2 << 3:
            version = value
        elif tag & 7 == 2:
            if message[at : at + value] not in (b"", b"ai.onnx"):
                return 0
            at += value
    return version


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _name(card: ModelCard) -> str:
    """The title, with the characters that a name may have."""
    name = re.sub(r"[^A-Za-z0-9_+\- ()]+", "", card.title).strip()[:64].strip()
    return name if len(name) >= 5 else f"napari-cellseg {re.sub(r'[^A-Za-z0-9_-]', '-', card.name)}"[:64]


def _day(card: ModelCard) -> str:
    try:
        return date.fromisoformat(card.created[:10]).isoformat()
    except ValueError:
        return "1970-01-01"


def _cite(card: ModelCard) -> list[dict[str, Any]]:
    """This package, and the data whose citations give a DOI or a link."""
    cited: list[dict[str, Any]] = [{"text": "napari-cellseg", "url": SOURCE}]
    for source in card.data:
        doi, link = _DOI.search(source.citation), _LINK.search(source.citation)
        if doi:
            cited.append({"text": source.citation, "doi": doi[0].rstrip(".")})
        elif link:
            cited.append({"text": source.citation, "url": link[0].rstrip(".")})
    return cited


def _tags(card: ModelCard) -> set[str]:
    return {re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") for name in card.classes} - {""}


def _input(card: ModelCard, hashes: Mapping[str, str]) -> dict[str, Any]:
    names = {1: ["intensity"], 3: ["red", "green", "blue"]}.get(
        card.channels, [f"channel{i}" for i in range(card.channels)]
    )
    low, high = card.scaling.low_percentile, card.scaling.high_percentile
    over = {"axes": ["channel", "y", "x"]}
    steps: list[dict[str, Any]] = [
        {"id": "scale_range", "kwargs": {**over, "min_percentile": low, "max_percentile": high}},
        {"id": "clip", "kwargs": {"min": CLIP_LOW, "max": CLIP_HIGH}},
    ]
    if card.scaling.method == "mean":
        steps = [{"id": "zero_mean_unit_variance", "kwargs": over}]
    return {
        "id": "image",
        "description": "Intensities as they are, of any range; a grey image is repeated in all channels.",
        "axes": [
            {"type": "batch"},
            {"type": "channel", "channel_names": names},
            *({"type": "space", "id": axis, "size": _size(card)} for axis in "yx"),
        ],
        "data": {"type": "float32"},
        "test_tensor": _file("test_input.npy", hashes),
        "preprocessing": steps,
    }


def _output(card: ModelCard, hashes: Mapping[str, str]) -> dict[str, Any]:
    told = "; ".join(f"{name}: {_MAP_WORDS[name]}" for name in card.maps if name in _MAP_WORDS)
    return {
        "id": "maps",
        "description": told if len(told) <= 128 else ", ".join(card.maps)[:128],
        "axes": [
            {"type": "batch"},
            {"type": "channel", "channel_names": list(card.maps)},
            *(
                {
                    "type": "space",
                    "id": axis,
                    "size": {"tensor_id": "image", "axis_id": axis},
                    "halo": _halo(card),
                }
                for axis in "yx"
            ),
        ],
        "data": {"type": "float32"},
        "test_tensor": _file("test_output.npy", hashes),
    }


def _halo(card: ModelCard) -> int:
    return card.overlap // 2


def _size(card: ModelCard) -> int | dict[str, int]:
    """Edges that the network takes; even the smallest keeps something once its halo is cut off."""
    if card.fixed_tile:
        return card.tile
    return {"min": _smallest(card), "step": card.tile_multiple}


def _smallest(card: ModelCard) -> int:
    return (2 * _halo(card) // card.tile_multiple + 1) * card.tile_multiple


def _tolerance(highest: float) -> dict[str, Any]:
    absolute = max(0.0, min(1e-3, 0.01 * highest))
    return {
        "relative_tolerance": 1e-3,
        "absolute_tolerance": absolute,
        "mismatched_elements_per_million": 100,
    }


def _attached(card: ModelCard, hashes: Mapping[str, str]) -> dict[str, str]:
    """Files for napari-cellseg itself, by what they are."""
    stem = card.weights.removesuffix(".onnx")
    files = {"card": f"{stem}.json", "trainable": f"{stem}{TRAINABLE_SUFFIX}"}
    return {role: name for role, name in files.items() if name in hashes}


def _file(name: str, hashes: Mapping[str, str]) -> dict[str, str]:
    return {"source": name, "sha256": hashes[name]}


def _without_none(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _without_none(value) for key, value in content.items() if value is not None}
    return content
