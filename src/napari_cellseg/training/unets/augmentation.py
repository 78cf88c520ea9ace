"""Augmentation in two stages: one photometric operation or none, then one geometric operation."""

from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from napari_cellseg.errors import OptionError
from napari_cellseg.training.unets.blurring import Defocus, MotionBlur, ZoomBlur
from napari_cellseg.training.unets.geometric import (
    Affine,
    Crowding,
    Elastic,
    GridDistortion,
    HorizontalFlip,
    PadAndCrop,
    ResizedCrop,
    Rotate90,
    Transpose,
    VerticalFlip,
)
from napari_cellseg.training.unets.operation import Geometric, Photometric, standing
from napari_cellseg.training.unets.photometric import (
    CLAHE,
    BrightnessContrast,
    ChannelShuffle,
    Gamma,
    GaussianNoise,
    HueSaturationValue,
    Invert,
    ISONoise,
    ToGrey,
)
from napari_cellseg.training.unets.warping import Patch, warped


class Pair(NamedTuple):
    """The operations of one variant, by their names in `AugmentationConfig`; None leaves out a stage."""

    photometric: str | None
    geometric: str | None


class AugmentationConfig(BaseModel):
    """All operations with their switches and strengths, and how they are dealt out.

    References
    ----------
    Das, Roy, Zun: High-Throughput Low-Cost Segmentation of Brightfield Microscopy Live Cell Images,
    section 3.3.2 and figure 2; motion blur and defocus have the strengths told there, of the others it
    tells none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    variants: int = Field(21, ge=1, description="Variants of each image in an epoch.")
    unaltered: int = Field(3, ge=0, description="Of these, variants without a photometric operation.")
    smooth: bool = Field(
        True, description="Interpolates moved images linearly; labels always come from the nearest pixel."
    )

    motion_blur: MotionBlur = MotionBlur()
    defocus: Defocus = Defocus()
    zoom_blur: ZoomBlur = ZoomBlur()
    gaussian_noise: GaussianNoise = GaussianNoise()
    iso_noise: ISONoise = ISONoise()
    hue_saturation_value: HueSaturationValue = HueSaturationValue()
    channel_shuffle: ChannelShuffle = ChannelShuffle()
    brightness_contrast: BrightnessContrast = BrightnessContrast()
    gamma: Gamma = Gamma()
    clahe: CLAHE = CLAHE()
    to_grey: ToGrey = ToGrey()
    invert: Invert = Invert()

    elastic: Elastic = Elastic()
    grid_distortion: GridDistortion = GridDistortion()
    division_shift: Affine = Affine()
    crowding_affine: Crowding = Crowding()
    motion_crop: ResizedCrop = ResizedCrop()
    pad_and_crop: PadAndCrop = PadAndCrop()
    horizontal_flip: HorizontalFlip = HorizontalFlip()
    vertical_flip: VerticalFlip = VerticalFlip()
    rotate90: Rotate90 = Rotate90()
    transpose: Transpose = Transpose()

    @model_validator(mode="after")
    def _some_altered(self) -> "AugmentationConfig":
        if self.unaltered > self.variants:
            raise ValueError(f"unaltered must be at most variants, {self.variants}, not {self.unaltered}")
        return self

    def photometric(self, *, colour: bool = True) -> dict[str, Photometric]:
        """Photometric operations that are switched on, by name; for grey images those that change them."""
        found = {n: o for n, o in self._operations() if isinstance(o, Photometric) and o.use}
        return {n: o for n, o in found.items() if colour or not o.needs_colour}

    def geometric(self) -> dict[str, Geometric]:
        """Geometric operations that are switched on, by name."""
        return {n: o for n, o in self._operations() if isinstance(o, Geometric) and o.use}

    def _operations(self) -> list[tuple[str, Any]]:
        return [(name, getattr(self, name)) for name in type(self).model_fields]

    def without(self, *names: str) -> "AugmentationConfig":
        """The same with these operations switched off.

        Raises
        ------
        OptionError
            Where there is no such operation.
        """
        known = {n: o for n, o in self._operations() if isinstance(o, Photometric | Geometric)}
        unknown = [name for name in names if name not in known]
        if unknown:
            raise OptionError(f"operation must be one of {', '.join(known)}, not '{unknown[0]}'.")
        return self.model_copy(update={n: known[n].model_copy(update={"use": False}) for n in names})

    def as_dict(self) -> dict[str, Any]:
        """All values, as JSON holds them."""
        return self.model_dump(mode="json")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "AugmentationConfig":
        """A configuration from what `as_dict` gave; what is absent has its default.

        Raises
        ------
        OptionError
            Where a value is unknown or not what it must be.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(str(part) for part in problem["loc"])
            raise OptionError(f"augmentation, {where}: {problem['msg']}.") from error


def deal_pairs(
    config: AugmentationConfig, rng: np.random.Generator, *, colour: bool = True
) -> tuple[Pair, ...]:
    """Operations of all variants of one image in one epoch.

    Photometric operations are dealt out evenly: none comes a time more before all others came. Each variant
    then has a geometric operation by chance.

    Parameters
    ----------
    config : AugmentationConfig
        What there is.
    rng : numpy.random.Generator
        Source of every draw.
    colour : bool
        Whether the image is in colour.

    Returns
    -------
    tuple of Pair
        As many as there are variants, in random order.
    """
    names, moves = list(config.photometric(colour=colour)), list(config.geometric())
    dealt: list[str | None] = [None] * config.unaltered
    while len(dealt) < config.variants:
        dealt += [names[i] for i in rng.permutation(len(names))] or [None]
    dealt = dealt[: config.variants]
    order = rng.permutation(config.variants)
    return tuple(Pair(dealt[i], moves[rng.integers(len(moves))] if moves else None) for i in order)


def variant_pair(
    config: AugmentationConfig, seed: int, image: int, epoch: int, variant: int, *, colour: bool = True
) -> Pair:
    """Operations of one variant; those above `config.variants` are dealt out anew, as in another epoch."""
    deal, number = divmod(variant, config.variants)
    rng = np.random.default_rng((seed, image, epoch, deal))
    return deal_pairs(config, rng, colour=colour)[number]


def apply_pair(
    patch: Patch,
    pair: Pair,
    config: AugmentationConfig,
    rng: np.random.Generator,
    frame: tuple[int, int, int, int] | None = None,
) -> Patch:
    """A patch after the operations of both stages.

    Parameters
    ----------
    patch : Patch
        Image, labels and ignored pixels.
    pair : Pair
        Names of the operations; they are applied whether switched on or not.
    config : AugmentationConfig
        Their strengths.
    rng : numpy.random.Generator
        Source of every draw.
    frame : (int, int, int, int), optional
        Top, left, height and width of the part that becomes the result, in pixels of the patch; it may
        reach beyond the patch, which is reflected there. All of the patch unless given.

    Returns
    -------
    Patch
        Of the frame's size, rows and columns swapped where the operation turns it.
    """
    top, left, *shape = frame or (0, 0, *patch.labels.shape)
    if pair.photometric is not None:
        patch = patch.with_image(getattr(config, pair.photometric)(patch.image, rng))
    whole = (top, left) == (0, 0) and tuple(shape) == patch.labels.shape
    if pair.geometric is None and whole:
        return patch
    size = (shape[0], shape[1])
    moves = None if pair.geometric is None else getattr(config, pair.geometric)
    coordinates = standing(size) if moves is None else moves.coordinates(size, rng)
    place = np.array((top, left), np.float32)[:, None, None]
    return warped(patch, coordinates + place, smooth=config.smooth)


def augment(
    patch: Patch,
    config: AugmentationConfig,
    *,
    seed: int = 0,
    image: int = 0,
    epoch: int = 0,
    variant: int = 0,
) -> Patch:
    """A variant of a patch; the same numbers give the same variant.

    Parameters
    ----------
    patch : Patch
        Image, labels and ignored pixels.
    config : AugmentationConfig
        Operations and strengths.
    seed, image, epoch, variant : int
        Of the run, and which image, epoch and variant; at least 0.

    Returns
    -------
    Patch
        Of the same size, rows and columns swapped where the operation turns it.
    """
    pair = variant_pair(config, seed, image, epoch, variant, colour=patch.is_colour)
    return apply_pair(patch, pair, config, variant_rng(seed, image, epoch, variant))


def variant_rng(seed: int, image: int, epoch: int, variant: int) -> np.random.Generator:
    """Source of the draws of one variant, independent of the one that its operations are dealt out by."""
    return np.random.default_rng((seed, image, epoch, variant, 1))
