"""Model cards: what a model expects, where it comes from, and what it is not for."""

import hashlib
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from napari_cellseg.errors import CellSegError, ModelError
from napari_cellseg.instances.decoding import VoteDecoding
from napari_cellseg.instances.mask_decoding import MaskDecoding
from napari_cellseg.instances.prototypes import PrototypeDecoding
from napari_cellseg.outputs import replacing

CARD_FORMAT = 1
"""Version of the card's own layout that this package reads and writes."""

NAME_PATTERN = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
"""What a model may be called: letters, digits, dots, dashes and underscores; it is part of a file name."""

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]


DISAGREEMENT = "disagreement"
"""Name of a map that says how far the members of an ensemble disagree, 0 to 1."""


def _decoding_method(value: Any) -> str:
    """What tells the decoders apart: that of votes came first, and does not name itself."""
    method = value.get("method", "votes") if isinstance(value, dict) else getattr(value, "method", "votes")
    return str(method)


Decoder = Annotated[
    Annotated[VoteDecoding, Tag("votes")] | Annotated[MaskDecoding, Tag("mask")],
    Discriminator(
        _decoding_method,
        custom_error_type="decoder",
        custom_error_message="method must be 'votes' or 'mask'",
    ),
]


class _Described(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class IntensityScaling(_Described):
    """Percentiles of a plane that become 0 and 1 before the network sees it; or its mean, 0."""

    method: Literal["percentiles", "mean"] = Field(
        "percentiles",
        description="'percentiles': two of them become 0 and 1, and what is far outside is cut off; 'mean': "
        "the mean becomes 0 and one standard deviation 1, and nothing is cut off.",
    )
    low_percentile: float = Field(1.0, ge=0, le=100, description="Percentile of the pixels scaled to 0.")
    high_percentile: float = Field(99.8, ge=0, le=100, description="Percentile scaled to 1.")
    keep_8bit: bool = Field(
        False, description="8-bit images are taken as they are: 0 becomes 0 and 255 becomes 1."
    )

    @model_validator(mode="after")
    def _ordered(self) -> "IntensityScaling":
        if not self.low_percentile < self.high_percentile:
            raise ValueError("low_percentile must be below high_percentile")
        return self


class DataSource(_Described):
    """A set of images that the model was trained or checked on."""

    name: str = Field(description="Short name of the set.")
    title: str = Field(description="What the images show.")
    licence: str = Field(description="Licence of the images and their annotations.")
    citation: str = Field(description="Whom to cite, with the source.")
    train_images: Count = Field(description="Images that the network learnt from.")
    train_objects: Count = Field(description="Annotated objects in those images.")
    validation_images: Count = Field(description="Images held back to choose and to score the model.")
    validation_objects: Count = Field(description="Annotated objects in those images.")


class Score(_Described):
    """A number that says how good the model is on images that it was not trained on."""

    data: str = Field(description="Name of the set that was scored.")
    metric: str = Field(description="Name of the metric, for example AP50.")
    value: float = Field(description="Its value.")
    images: Count = Field(description="Images that were scored.")
    objects: Count = Field(description="Annotated objects in those images.")


class CalibrationBin(_Described):
    """How often objects of about the same confidence are right, on images the network was not trained on."""

    confidence: Share = Field(description="Mean confidence of the objects.")
    objects: Count = Field(description="Objects that the model found with about such a confidence.")
    precision: Share = Field(description="Share of them that match an annotated object at IoU 0.5.")


class Latency(_Described):
    """How long a model takes for an image, from its pixels to its labels."""

    format: str = Field(description="Kind of file that was run: 'pt', 'onnx' or 'engine'.")
    device: str = Field(description="What it ran on.")
    seconds: Positive = Field(description="Median over the images, in seconds.")


class ExportComparison(_Described):
    """What a model and its export find in the same images, cut into the same tiles."""

    images: str = Field(description="Which images, in words.")
    count: int = Field(ge=1, description="How many images.")
    source_objects: Count = Field(description="Objects that the source finds.")
    export_objects: Count = Field(description="Objects that the export finds.")
    pairs: Count = Field(description="Objects that both find: masks with an IoU of 0.5 and more.")
    mean_iou: Share | None = Field(description="Mean IoU of the pairs' masks; none where there is no pair.")
    worst_iou: Share | None = Field(description="IoU of the pair that differs most.")
    latencies: tuple[Latency, ...] = Field(description="How long each takes for an image.")

    @property
    def lost(self) -> int:
        """Objects of the source that the export does not find."""
        return self.source_objects - self.pairs

    @property
    def added(self) -> int:
        """Objects of the export that the source does not find."""
        return self.export_objects - self.pairs


class ExportRecord(_Described):
    """How weights were exported from others, and whether both find the same objects."""

    format: Literal["onnx", "engine"] = Field(description="ONNX, or an engine of TensorRT.")
    precision: Literal["fp32", "fp16"] = Field(description="Numbers that it computes with.")
    source: str = Field(description="File that it was exported from.")
    source_sha256: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of that file.")
    made_with: str = Field(description="Packages that exported it, with their versions.")
    gpu: str | None = Field(None, description="GPU that an engine was built on, the only kind that runs it.")
    comparison: ExportComparison | None = Field(None, description="Source and export on the same images.")


class ModelCard(_Described):
    """All that is known about a model besides its weights."""

    format: Literal[1] = Field(1, description="Version of the card's layout.")
    name: str = Field(pattern=f"^{NAME_PATTERN}$", max_length=80, description="Name to choose the model by.")
    version: str = Field(description="Version of the weights.")
    title: str = Field(description="The model in a few words.")
    description: str = Field(description="What it finds, in which images, and how.")
    kind: Literal["pixel", "instance"] = Field(
        description="'pixel': returns maps that are decoded; 'instance': returns objects per tile."
    )
    backend: str = Field("onnx", description="What runs it: 'onnx', or a backend that another package adds.")
    weights: str = Field(description="Name of the weights file, beside the card.")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of the weights file.")
    licence: str = Field(description="Licence of the weights.")
    channels: int = Field(ge=1, description="Channels of the network's input; a grey image is repeated.")
    scaling: IntensityScaling = Field(IntensityScaling(), description="How intensities are scaled.")
    maps: tuple[str, ...] = Field((), description="What each output map holds, in order; pixel models only.")
    decoder: Decoder | None = Field(None, description="How maps become objects; pixel models only.")
    prototypes: PrototypeDecoding | None = Field(
        None, description="How boxes and prototype masks become objects; instance models of that kind only."
    )
    classes: tuple[str, ...] = Field(min_length=1, description="Names of the classes of objects, in order.")
    confidence: Share = Field(description="Objects at or above this confidence are kept by default.")
    confidence_floor: Share = Field(description="Objects below this confidence are never reported.")
    diameter: Positive = Field(description="Object diameter that the network knows best, in network pixels.")
    diameter_range: tuple[Positive, Positive] = Field(description="Smallest and largest it copes with.")
    default_diameter: Positive | Literal["auto"] | None = Field(
        None, description="Object diameter assumed when none is given; none keeps the image as it is."
    )
    own_scale: tuple[Positive, Positive] | None = Field(
        None,
        description="Images whose objects measure between these, in image pixels, keep their own scale; "
        "others are scaled halfway from the nearer of these to the best diameter; none scales all.",
    )
    pixel_size: Positive | None = Field(None, description="Pixel size of the training images, in µm.")
    tile: int = Field(gt=0, description="Edge of a tile, in pixels at network scale.")
    tile_multiple: int = Field(1, ge=1, description="The edges of a tile must be multiples of this.")
    fixed_tile: bool = Field(
        False, description="The network takes tiles of no other size; smaller ones are padded."
    )
    overlap: int = Field(ge=0, description="Overlap of neighbouring tiles, in pixels at network scale.")
    max_diameter: Positive = Field(description="Largest object that comes out whole, in network pixels.")
    parameters: Count = Field(description="Number of weights of the network.")
    data: tuple[DataSource, ...] = Field((), description="What it was trained and checked on.")
    scores: tuple[Score, ...] = Field((), description="How good it is on images it was not trained on.")
    calibration: tuple[CalibrationBin, ...] = Field((), description="What a confidence is worth.")
    recipe: dict[str, Any] = Field(default_factory=dict, description="How it was trained, to repeat it.")
    not_for: tuple[str, ...] = Field((), description="What it should not be used for.")
    parent: str | None = Field(None, description="Name or hash of the model that it was trained from.")
    trained_on: tuple[str, ...] = Field(
        (), description="Hashes of the pixels of the images that its weights, or its parent's, learnt from."
    )
    validated_on: tuple[str, ...] = Field(
        (), description="Hashes of the pixels of the images that picked its best epoch, or its thresholds."
    )
    author: str | None = Field(None, description="Who trained it.")
    export: ExportRecord | None = Field(
        None, description="How it was exported from other weights, if it was."
    )
    created: str = Field(description="When it was made, as an ISO date.")

    @field_validator("weights")
    @classmethod
    def _plain_file_name(cls, value: str) -> str:
        if not value or value in {".", ".."} or re.search(r"[/\\:\0]", value):
            raise ValueError("weights must be a plain file name, without a folder")
        return value

    @field_validator("decoder", "prototypes", mode="before")
    @classmethod
    def _known_parameters(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, dict):
            known: type[VoteDecoding | MaskDecoding | PrototypeDecoding] = PrototypeDecoding
            if info.field_name == "decoder":
                known = MaskDecoding if _decoding_method(value) == "mask" else VoteDecoding
            unknown = sorted(set(value) - {"method"} - set(known.__dataclass_fields__))
            if unknown:
                raise ValueError(f"unknown decoder parameters: {', '.join(unknown)}")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> "ModelCard":
        if self.confidence_floor > self.confidence:
            raise ValueError("confidence_floor must not be above confidence")
        if self.diameter_range[0] > self.diameter_range[1]:
            raise ValueError("diameter_range must be (smallest, largest)")
        if self.own_scale is not None and self.own_scale[0] > self.own_scale[1]:
            raise ValueError("own_scale must be (smallest, largest)")
        if self.tile % self.tile_multiple:
            raise ValueError(f"tile must be a multiple of {self.tile_multiple}")
        if self.overlap >= self.tile:
            raise ValueError("overlap must be smaller than tile")
        if self.kind == "pixel" and (self.decoder is None or not self.maps):
            raise ValueError("a pixel model needs maps and a decoder")
        if isinstance(self.decoder, MaskDecoding):
            second = {"map": ("distance",), "boundary": ("boundary",)}.get(self.decoder.separation, ())
            wanted = ("foreground", *second)
            if self.maps[: len(wanted)] != wanted:
                raise ValueError(f"this decoder needs the map {' and then '.join(wanted)} first")
        return self


def model_name(stem: str, default: str) -> str:
    """A name that a model may have, from that of its file; `default` where nothing of it may be in one."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("._-")[:80].strip("._-")
    return name if re.fullmatch(NAME_PATTERN, name) else default


def parse_card(text: str | bytes, source: str, **known: Any) -> ModelCard:
    """Model card from its JSON text.

    Parameters
    ----------
    text : str or bytes
        JSON.
    source : str
        Where it comes from, for the error's text.
    **known
        Fields of the card that hold whatever the text says.

    Raises
    ------
    ModelError
        Where the text is not a card, or a card of a newer layout.
    """
    try:
        raw = json.loads(text)
    except ValueError as error:
        raise ModelError(f"{source} is not a model card: it is not valid JSON ({error}).") from error
    if isinstance(raw, dict) and isinstance(raw.get("format"), int) and raw["format"] > CARD_FORMAT:
        raise ModelError(
            f"{source} is a model card of format {raw['format']}, this version of napari-cellseg reads "
            f"format {CARD_FORMAT}. Update napari-cellseg to use this model."
        )
    try:
        return ModelCard.model_validate({**raw, **known} if isinstance(raw, dict) else raw)
    except ValidationError as error:
        raise ModelError(f"{source} is not a valid model card: {in_words(error)}.") from error


def read_card(path: str | Path) -> ModelCard:
    """Model card of a JSON file.

    Raises
    ------
    ModelError
        Where the file cannot be read or is not a card.
    """
    path = Path(path)
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ModelError(f"The model card '{path}' cannot be read: {error.strerror or error}.") from error
    return parse_card(text, f"'{path}'")


def card_text(card: ModelCard) -> str:
    """JSON text of a card, as `write_card` writes it."""
    return json.dumps(card.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"


def write_card(card: ModelCard, path: str | Path) -> None:
    """Write a card as JSON, all at once: a reader sees the old card or the new one.

    Raises
    ------
    OutputError
        Where the file cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(card_text(card), encoding="utf-8")


def file_hash(path: str | Path) -> str:
    """SHA-256 of a file, as 64 hexadecimal digits.

    Raises
    ------
    ModelError
        Where the file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"The weights '{path}' cannot be read: {error.strerror or error}.") from error


def refresh_card(path: str | Path) -> ModelCard:
    """Put the hash of the weights beside a card into the card, after the weights were replaced on purpose.

    Raises
    ------
    ModelError
        Where the card or its weights cannot be read.
    OutputError
        Where the card cannot be written.
    """
    path = Path(path)
    card = read_card(path)
    refreshed = card.model_copy(update={"sha256": file_hash(path.with_name(card.weights))})
    if refreshed != card:
        write_card(refreshed, path)
    return refreshed


def in_words(error: ValidationError) -> str:
    """What is wrong with a text that should be a card, or something like it."""
    problems = []
    for problem in error.errors():
        where = ".".join(str(part) for part in problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        problems.append(f"{where}: {message}" if where else message)
    return "; ".join(problems)


def _refresh(paths: Sequence[str]) -> None:
    for path in paths:
        try:
            card = refresh_card(path)
        except CellSegError as error:
            sys.exit(f"Error: {error}")
        sys.stdout.write(f"{path}: {card.weights} has sha256 {card.sha256}\n")


if __name__ == "__main__":  # python -m napari_cellseg.models.card CARD.json …
    _refresh(sys.argv[1:])
