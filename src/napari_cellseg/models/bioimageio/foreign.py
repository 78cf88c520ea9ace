"""Networks of others in packages of bioimage.io, as cards; or, in words, why they cannot be used."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_cellseg.errors import ModelError
from napari_cellseg.images.scaling import IntensityRange, intensity_range, scale_intensity, standard_range
from napari_cellseg.instances.mask_decoding import MaskDecoding
from napari_cellseg.models.card import IntensityScaling, ModelCard, model_name

LARGEST_TILE = 512
"""Edge of a tile of a network that takes any, pixels."""

_LETTERS = {"batch": "b", "channel": "c", "time": "t", "index": "i"}
_FOREGROUND = re.compile(r"foreground|fg\b|nucle|cell|mask|prob|interior|object|semantic", re.IGNORECASE)
_DISTANCE = re.compile(r"dist|dt\b|edt", re.IGNORECASE)
_BOUNDARY = re.compile(r"bound|border|edge|contour|membrane", re.IGNORECASE)
_NOTHING = ("ensure_dtype",)


@dataclass(frozen=True, slots=True)
class Network:
    """What a description says about a network that can be used.

    Attributes
    ----------
    channels : int
        Of its image, 1 or 3.
    maps : tuple of str
        Names of its maps, a foreground first.
    scaling : IntensityScaling
        How intensities are scaled.
    size : tuple of int
        Smallest edge that it takes, and by what edges may grow; 0 where they may not.
    halo : int
        Pixels at each border that are not to be trusted.
    test_input, test_output : str or None
        Files of its test.
    """

    channels: int
    maps: tuple[str, ...]
    scaling: IntensityScaling
    size: tuple[int, int]
    halo: int
    test_input: str | None
    test_output: str | None


def network_of(description: Mapping[str, Any], source: str) -> Network:
    """What a description of format 0.4 or 0.5 says about its network.

    Parameters
    ----------
    description : mapping
        From its YAML.
    source : str
        Where that lies, for texts of errors.

    Raises
    ------
    ModelError
        Where the network is of a kind that cannot be used here; the text says why.
    """
    try:
        return _network(description)
    except _Unfit as error:
        raise ModelError(f"'{source}' cannot be used: {error}") from error


def foreign_card(description: Mapping[str, Any], network: Network, weights: str, sha256: str) -> ModelCard:
    """Card of a network that says little about sizes of objects and confidence: careful defaults.

    Parameters
    ----------
    description : mapping
        From its YAML.
    network : Network
        What that says.
    weights, sha256 : str
        Name and hash of the ONNX file.
    """
    smallest, step = network.size
    fixed = step == 0 or smallest % step != 0
    tile = smallest if fixed else max(smallest, LARGEST_TILE // step * step)
    authors = [str(said(author, "name")) for author in _list(description.get("authors"))]
    title, text = _text(description.get("name")), _text(description.get("description"))
    second = network.maps[1] if len(network.maps) > 1 else ""
    decoder = MaskDecoding("map" if second == "distance" else "boundary" if second == "boundary" else "shape")
    return ModelCard(
        name=model_name(_text(description.get("id")) or title, "zoo-model"),
        version=_text(description.get("version")) or "unknown",
        title=title or "A model of bioimage.io",
        description=f"{text} (From a package of bioimage.io, which does not say how large the objects were.)",
        kind="pixel",
        weights=weights,
        sha256=sha256,
        licence=_text(description.get("license")) or "not said in the package",
        channels=network.channels,
        scaling=network.scaling,
        maps=network.maps,
        decoder=decoder,
        classes=(_class_name(description),),
        confidence=0.5,
        confidence_floor=0.05,
        diameter=max(8.0, tile / 16),
        diameter_range=(4, max(8.0, tile / 2)),
        tile=tile,
        tile_multiple=1 if fixed else step,
        fixed_tile=fixed,
        overlap=min(tile // 2, max(2 * network.halo, tile // 8)),
        max_diameter=max(8.0, tile / 4),
        parameters=0,
        author=", ".join(authors) or None,
        created=_text(description.get("timestamp"))[:10] or "unknown",
    )


def scaled_as_told(raw: NDArray[np.float32], card: ModelCard) -> NDArray[np.float32]:
    """A test image (1, C, Y, X) with its intensities scaled as the card says."""
    scaling = card.scaling
    if scaling.method == "mean":
        return scale_intensity(raw, standard_range(raw))
    limits = intensity_range(raw, scaling.low_percentile, scaling.high_percentile)
    whole = bool((raw == np.round(raw)).all() and raw.min() >= 0 and raw.max() <= 255)
    return scale_intensity(raw, IntensityRange(0.0, 255.0) if scaling.keep_8bit and whole else limits)


def said(content: Any, *keys: str) -> Any:
    """What nested mappings say, None where one of them does not."""
    for key in keys:
        content = content.get(key) if isinstance(content, dict) else None
    return content


class _Unfit(Exception):
    """Why a network cannot be used."""


def _network(description: Mapping[str, Any]) -> Network:
    version = str(description.get("format_version"))
    if not version.startswith(("0.4.", "0.5.")):
        raise _Unfit(f"it is written in format {version}, and 0.4 and 0.5 are read here.")
    inputs, outputs = (_list(description.get(key)) for key in ("inputs", "outputs"))
    for what, tensors in (("takes", inputs), ("returns", outputs)):
        if len(tensors) != 1:
            raise _Unfit(f"its network {what} {len(tensors)} tensors, not one.")
    image, maps = inputs[0], outputs[0]
    if not (isinstance(image, dict) and isinstance(maps, dict)):
        raise _Unfit("it does not describe its images and maps.")
    for what, tensor in (("images", image), ("maps", maps)):
        if (axes := _axes(tensor)) != "bcyx":
            raise _Unfit(f"its {what} have the axes '{axes}', not 'bcyx': planes with channels in front.")
    sizes = [_size(image, axis) for axis in "yx"]
    if sizes[0] != sizes[1]:
        raise _Unfit("its images must be higher than wide, or wider than high.")
    channels = len(_channels(image))
    if channels not in (1, 3):
        raise _Unfit(f"its images have {channels} channels, not 1 or 3.")
    if steps := [
        _step_name(step) for step in _list(maps.get("postprocessing")) if _step_name(step) not in _NOTHING
    ]:
        raise _Unfit(f"its maps must be treated by '{steps[0]}' afterwards, which is not possible here.")
    return Network(
        channels,
        _maps(maps, image, description),
        _scaling(_list(image.get("preprocessing")), channels),
        sizes[0],
        max(_halo(maps, axis) for axis in "yx"),
        _test(image, description, "test_inputs"),
        _test(maps, description, "test_outputs"),
    )


def _axes(tensor: Mapping[str, Any]) -> str:
    axes = tensor.get("axes")
    if isinstance(axes, str):  # format 0.4
        return axes
    found = ""
    for axis in _list(axes):
        kind = str(said(axis, "type"))
        found += str(said(axis, "id") or "?")[:1] if kind == "space" else _LETTERS.get(kind, "?")
    return found


def _axis(tensor: Mapping[str, Any], letter: str) -> Mapping[str, Any]:
    axes = _list(tensor.get("axes"))
    axis = axes[_axes(tensor).index(letter)] if axes else None
    return axis if isinstance(axis, dict) else {}


def _size(tensor: Mapping[str, Any], letter: str) -> tuple[int, int]:
    """Smallest edge, and by what it may grow."""
    if isinstance(tensor.get("axes"), str):
        shape, at = tensor.get("shape"), _axes(tensor).index(letter)
        smallest, step = (said(shape, key) for key in ("min", "step"))
        pair = [
            value[at] if isinstance(value, list) and len(value) == 4 else None
            for value in ((smallest, step) if isinstance(shape, dict) else (shape, [0] * 4))
        ]
    else:
        size = _axis(tensor, letter).get("size")
        pair = [size, 0] if isinstance(size, int) else [said(size, "min"), said(size, "step")]
    least, growth = (value if type(value) is int else -1 for value in pair)
    if least < 0 and letter == "x" and isinstance(said(_axis(tensor, "x"), "size", "axis_id"), str):
        return _size(tensor, "y")
    if not (8 <= least <= 8192 and 0 <= growth <= 8192):
        raise _Unfit("it does not say how large its images must be, or they cannot be that large.")
    return least, growth


def _channels(tensor: Mapping[str, Any], image: Mapping[str, Any] | None = None) -> list[str]:
    """Names of the channels; in format 0.4, which has none, numbers."""
    if not isinstance(tensor.get("axes"), str):
        return [str(name) for name in _list(_axis(tensor, "c").get("channel_names"))]
    shape = tensor.get("shape")
    if image is not None and isinstance(shape, dict):  # size = scale * that of the image + 2 * offset
        scale, offset = (_second(shape.get(key)) for key in ("scale", "offset"))
        count = scale * len(_channels(image)) + 2 * offset
    else:
        count = _second(shape.get("min") if isinstance(shape, dict) else shape)
    return [str(i) for i in range(int(min(max(count, 0), 64)))]


def _second(values: Any) -> float:
    """What a list of four numbers says about the channels."""
    found = values[1] if isinstance(values, list) and len(values) == 4 else 0
    return float(found) if isinstance(found, int | float) and abs(found) < 1e6 else 0.0


def _maps(
    tensor: Mapping[str, Any], image: Mapping[str, Any], description: Mapping[str, Any]
) -> tuple[str, ...]:
    """What the maps are, by their names or, where two have none, by what the description speaks of."""
    names = _channels(tensor, image)
    if not 1 <= len(names) <= 8:
        raise _Unfit(f"it returns {len(names)} maps, whose meaning nobody says.")
    known = [_meaning(name, str(i)) for i, name in enumerate(names)]
    if len(names) == 1:
        known = ["foreground"]
    elif len(names) == 2 and known == ["map0", "map1"]:
        words = " ".join(
            _text(part.get(key)) for part in (description, tensor) for key in ("name", "description")
        )
        second = _meaning(words, "")
        known = ["foreground", second] if second in ("distance", "boundary") else known
    if known[0] != "foreground":
        told = ", ".join(names)
        raise _Unfit(f"its maps are called {told}: a foreground must come first, and its name must say so.")
    return tuple(known)


def _meaning(name: str, otherwise: str) -> str:
    for meaning, pattern in (("distance", _DISTANCE), ("boundary", _BOUNDARY), ("foreground", _FOREGROUND)):
        if pattern.search(name):
            return meaning
    return f"map{otherwise}"


def _scaling(steps: Sequence[Any], channels: int) -> IntensityScaling:
    """How intensities are scaled; what cutting them off does, the test shows."""
    kept = [step for step in steps if _step_name(step) not in (*_NOTHING, "clip")]
    if len(kept) != 1:
        names = ", ".join(_step_name(step) for step in kept) or "nothing"
        raise _Unfit(
            f"it does {names} with intensities; one scaling is possible here, by percentiles or by the mean."
        )
    name, kwargs = _step_name(kept[0]), said(kept[0], "kwargs")
    kwargs = kwargs if isinstance(kwargs, dict) else {}
    if name == "scale_linear" and _is_eighth_bit(kwargs):
        return IntensityScaling(keep_8bit=True)
    if name not in ("scale_range", "zero_mean_unit_variance"):
        raise _Unfit(f"it treats intensities by '{name}', which is not possible here.")
    axes = kwargs.get("axes")
    over = {str(axis)[:1] for axis in axes} if isinstance(axes, str | list) else {"c", "y", "x"}
    if not {"y", "x"} <= over or (channels > 1 and "c" not in over) or kwargs.get("mode") == "per_dataset":
        raise _Unfit("it scales each channel, or a whole set of images, by itself.")
    if name == "zero_mean_unit_variance":
        if kwargs.get("mode") == "fixed":
            raise _Unfit("it scales intensities by a fixed mean, whatever the image is like.")
        return IntensityScaling(method="mean")
    low, high = kwargs.get("min_percentile", 0), kwargs.get("max_percentile", 100)
    if not all(isinstance(value, int | float) and 0 <= value <= 100 for value in (low, high)) or low >= high:
        raise _Unfit(f"it scales intensities by the percentiles {low} and {high}.")
    return IntensityScaling(low_percentile=float(low), high_percentile=float(high))


def _is_eighth_bit(kwargs: Mapping[str, Any]) -> bool:
    gain, offset = kwargs.get("gain"), kwargs.get("offset", 0)
    gains = gain if isinstance(gain, list) else [gain]
    offsets = offset if isinstance(offset, list) else [offset]
    return all(isinstance(g, int | float) and abs(g * 255 - 1) < 1e-3 for g in gains) and not any(offsets)


def _step_name(step: Any) -> str:
    return str(said(step, "id") or said(step, "name"))


def _halo(tensor: Mapping[str, Any], letter: str) -> int:
    if isinstance(tensor.get("axes"), str):
        halos, at = tensor.get("halo"), _axes(tensor).index(letter)
        halo = halos[at] if isinstance(halos, list) and len(halos) == 4 else 0
    else:
        halo = _axis(tensor, letter).get("halo", 0)
    return halo if isinstance(halo, int) and 0 <= halo <= 4096 else 0


def _test(tensor: Mapping[str, Any], description: Mapping[str, Any], key: str) -> str | None:
    """File of the test's tensor."""
    tensors = _list(description.get(key))
    source = said(tensor, "test_tensor", "source") or (tensors[0] if tensors else None)
    source = said(source, "source") if isinstance(source, dict) else source
    return source if isinstance(source, str) else None


def _class_name(description: Mapping[str, Any]) -> str:
    words = " ".join([*map(str, _list(description.get("tags"))), _text(description.get("name"))]).lower()
    for pattern, name in (("nucle", "nucleus"), ("cell", "cell")):
        if pattern in words:
            return name
    return "object"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return "" if value is None else str(value)
