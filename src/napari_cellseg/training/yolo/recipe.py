"""How a YOLO segmentation network is trained: one set of values for forms, commands, run folder and card."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from napari_cellseg.training.runs.recipe import (
    JsonRecipe,
    Preset,
    absolute_path,
    check_model_file,
    preset_values,
)

FAMILIES = {
    "yolov8": ("n", "s", "m", "l", "x"),
    "yolov9": ("c", "e"),
    "yolo11": ("n", "s", "m", "l", "x"),
    "yolo12": ("n", "s", "m", "l", "x"),
    "yolo26": ("n", "s", "m", "l", "x"),
}
"""Sizes of each family of segmentation networks that ultralytics describes."""

STRIDE = 32
"""Edges of what a network sees are multiples of this, pixels."""

Metric: TypeAlias = Literal["mAP50-95", "mAP50", "precision", "recall", "F1"]
Optimizer: TypeAlias = Literal["auto", "SGD", "MuSGD", "Adam", "Adamax", "AdamW", "NAdam", "RAdam", "RMSProp"]
Share = Annotated[float, Field(ge=0, le=1)]


def architectures() -> tuple[str, ...]:
    """Names of the segmentation networks that can be trained from scratch, smallest of a family first."""
    return tuple(f"{family}{size}-seg" for family, sizes in FAMILIES.items() for size in sizes)


class YoloRecipe(JsonRecipe):
    """How a YOLO segmentation network is trained; every value is kept in the run's folder and in the card.

    Raises
    ------
    pydantic.ValidationError
        Where a value is not what it must be; `YoloRecipe.from_dict` raises an `OptionError` instead.
    """

    backend: ClassVar[str] = "napari_cellseg.training.yolo.training"

    data: str = Field(description="Folder of the dataset with the corrected images.")
    model: str = Field(description="File to write, ending in .pt; its card, .json, goes beside it.")
    start: str = Field(
        "yolo11n-seg",
        description="What to begin with: the name of a network, yolo11n-seg, which then learns from scratch, "
        "or a file of weights (.pt) to train further.",
    )
    epochs: int = Field(100, ge=1, description="How often the network sees all training images.")
    batch: int = Field(16, ge=1, description="Pictures at once; less needs less memory.")
    nominal_batch: int = Field(
        64,
        ge=1,
        description="Pictures after which the weights are changed: smaller batches are added up to it. Fewer "
        "than ultralytics' 64 learn faster from small datasets.",
    )
    imgsz: int = Field(
        640,
        ge=64,
        le=4096,
        multiple_of=STRIDE,
        description="Edge of the pictures that it learns from, pixels.",
    )
    scale: Literal["own", "fit"] = Field(
        "own",
        description="own: images keep their scale and are cut into overlapping pictures; "
        "fit: each image is shrunk or enlarged until its longest edge fits.",
    )
    channel: int | Literal["mean", "max"] | None = Field(
        None,
        description="Channel to learn from, where images have several: a number from 0, mean or max. "
        "None: colour images in colour, of others the first.",
    )
    single_class: bool = Field(False, description="Takes all classes for one.")
    best_by: Metric = Field(
        "mAP50-95", description="Score of the masks, on the validation images, that picks the best epoch."
    )
    patience: int = Field(
        30, ge=0, description="Stops after this many epochs without a better score; 0 never stops early."
    )
    freeze: int = Field(
        0, ge=0, description="First layers that stay as they are; 10 is the part that sees, in most networks."
    )
    optimizer: Optimizer = Field("auto", description="How weights are changed; auto also picks the rate.")
    rate: float | None = Field(None, gt=0, lt=10, description="Learning rate at the start.")
    momentum: float | None = Field(None, ge=0, lt=1, description="Share of the last step that is kept.")
    weight_decay: float | None = Field(None, ge=0, lt=1, description="Pull of the weights towards zero.")
    mosaic: Share = Field(1.0, description="How often four pictures are joined to one.")
    close_mosaic: int = Field(10, ge=0, description="Last epochs without joined pictures.")
    flipud: Share = Field(0.5, description="How often a picture is turned upside down.")
    fliplr: Share = Field(0.5, description="How often left and right are swapped.")
    degrees: float = Field(0.0, ge=0, le=180, description="Largest rotation to either side, degrees.")
    translate: Share = Field(0.1, description="Largest shift, share of the picture.")
    scale_jitter: float = Field(
        0.5, ge=0, lt=1, description="Largest change of size, 0.5: half to 1.5 times."
    )
    brightness: Share = Field(0.4, description="Largest change of brightness.")
    saturation: Share = Field(0.7, description="Largest change of how strong colours are; grey stays grey.")
    hue: Share = Field(0.015, description="Largest change of colours; grey stays grey.")
    elastic: Share = Field(0.0, description="How often a picture is bent like rubber.")
    grid: Share = Field(0.0, description="How often a picture is stretched cell by cell of a grid.")
    seed: int = Field(0, ge=0, description="The same seed gives the same training on the same machine.")
    device: str = Field("auto", description="auto, cpu, cuda or cuda:N.")
    threads: int | None = Field(None, ge=1, le=1024, description="Processor cores; all where none is given.")

    @field_validator("data", "model", mode="before")
    @classmethod
    def _absolute(cls, value: Any) -> Any:
        return absolute_path(value)

    @field_validator("model")
    @classmethod
    def _weights_file(cls, value: str) -> str:
        return check_model_file(value, ".pt")

    @field_validator("start", mode="before")
    @classmethod
    def _known_start(cls, value: Any) -> Any:
        if isinstance(value, str | Path) and Path(value).suffix.lower() == ".pt":
            return str(Path(value).absolute())
        if value not in architectures():
            raise ValueError(
                f"start must be a file ending in .pt or one of {', '.join(architectures())}; got '{value}'"
            )
        return value

    @model_validator(mode="after")
    def _consistent(self) -> "YoloRecipe":
        if self.optimizer == "auto" and (self.rate is not None or self.momentum is not None):
            raise ValueError("rate and momentum need an optimizer by name, since 'auto' chooses its own")
        if self.freeze and self.from_scratch:
            raise ValueError(
                "freeze needs weights to begin with: a network that learns from scratch has none"
            )
        return self

    @property
    def from_scratch(self) -> bool:
        """Whether `start` names a network rather than a file."""
        return Path(self.start).suffix.lower() != ".pt"


ARTICLE = (
    "“Cell Segmentation in Microscopy Images: Accelerating Biomedical Insights with YOLOv9-Seg”, whose table "
    "marks the values as typical settings"
)
MORPHOMETRY = (
    "“Cell Instance Segmentation and Morphometric Analysis with YOLO11”, trained on Sartorius' cells"
)

AS_YOLO_TRAIN = {"scale": "fit", "flipud": 0.0, "patience": 0}
"""What `yolo train` does where the documents say nothing; all epochs are trained."""


def _morphometry(epochs: int, help: str) -> Preset:
    values = {"start": "yolo11s-seg", "epochs": epochs, "imgsz": 640, **AS_YOLO_TRAIN}
    return Preset(f"yolo11s-{epochs}", f"YOLO11s, {epochs} epochs", help, values, MORPHOMETRY)


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            "cells",
            "Cells, at their own scale",
            "For a graphics card: tiles of 640 pixels, no up or down, stops when nothing gets better.",
            {"start": "yolo11s-seg", "epochs": 150, "batch": 8, "nominal_batch": 16},
        ),
        Preset(
            "quick",
            "Quick, for computers without a graphics card",
            "The smallest network on tiles of 320 pixels; also to try out a new dataset.",
            {"start": "yolo11n-seg", "epochs": 30, "batch": 8, "nominal_batch": 16, "imgsz": 320},
        ),
        Preset(
            "yolov9c-30",
            "YOLOv9c, 30 epochs, best by precision",
            "As in the article on YOLOv9c-seg; large, it needs a graphics card.",
            {
                "start": "yolov9c-seg",
                "epochs": 30,
                "batch": 4,
                "optimizer": "SGD",
                "momentum": 0.95,
                "rate": 0.001,
                "weight_decay": 0.0005,
                "best_by": "precision",
                **AS_YOLO_TRAIN,
            },
            ARTICLE,
        ),
        _morphometry(50, "As in the repository on YOLO11 morphometry; split the dataset 80 to 20."),
        _morphometry(25, "Its short training, to compare with the one of 100 epochs."),
        _morphometry(100, "Its long training, to compare with the one of 25 epochs."),
    )
}


def preset(name: str, **changes: Any) -> YoloRecipe:
    """A recipe by name.

    Parameters
    ----------
    name : str
        One of `PRESETS`.
    **changes
        `data` and `model`, and whatever is to differ.

    Raises
    ------
    OptionError
        Where there is no such preset, or a value is not what it must be.
    """
    return YoloRecipe.from_dict({**preset_values(PRESETS, name), **changes})
