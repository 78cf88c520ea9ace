"""How a U-Net of this package is trained further on a user's corrected images."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from napari_cellseg.training.runs.recipe import JsonRecipe, absolute_path, check_model_file

STRIDE = 16
"""Edges of what a network sees are multiples of this, pixels."""

FILES = (".onnx", ".safetensors", ".json")
"""Endings of a model's files."""


class FineTuneRecipe(JsonRecipe):
    """How a U-Net is trained further; every value is kept in the run's folder and in the card.

    Raises
    ------
    pydantic.ValidationError
        Where a value is not what it must be; `FineTuneRecipe.from_dict` raises an `OptionError` instead.
    """

    backend: ClassVar[str] = "napari_cellseg.training.finetuning.training"

    data: str = Field(description="Folder of the dataset with the corrected images.")
    model: str = Field(
        description="File to write, ending in .onnx; its card (.json) and weights to train it further "
        "(.safetensors) go beside it."
    )
    start: str = Field(
        "nuclei",
        description="What to begin with: the name of a model, or its file (.onnx), with trainable "
        "weights (.safetensors) beside it.",
    )
    epochs: int = Field(16, ge=1, le=10_000, description="Looks at the validation images; the best counts.")
    steps: int = Field(30, ge=1, le=10_000, description="Changes of the weights between two such looks.")
    batch: int = Field(4, ge=1, le=512, description="Pictures at once; less needs less memory.")
    edge: Annotated[int, Field(ge=64, le=1024, multiple_of=STRIDE)] = Field(
        192, description="Edge of the pictures that it learns from, pixels."
    )
    rate: float = Field(1e-3, gt=0, lt=1, description="Learning rate at its highest.")
    keep: float = Field(
        2.0,
        ge=0,
        le=100,
        description="How strongly it is to remember what it could do before; 0 lets it forget.",
    )
    patience: int = Field(
        5, ge=0, description="Stops after this many looks without a better score; 0 never stops early."
    )
    channel: int | Literal["mean", "max"] | None = Field(
        None,
        description="Channel to learn from, where images have several: a number from 0, mean or max. "
        "None: colour images in colour, of others the first.",
    )
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
        return check_model_file(value, ".onnx")

    @field_validator("start", mode="before")
    @classmethod
    def _name_or_file(cls, value: Any) -> Any:
        if not isinstance(value, str | Path) or not str(value):
            return value
        path = Path(value).expanduser()
        is_file = len(path.parts) > 1 or path.suffix.lower() in FILES
        return str(path.absolute()) if is_file else str(value)
