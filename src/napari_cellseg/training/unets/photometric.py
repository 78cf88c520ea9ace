"""Noise, colour and tone: operations of augmentation that change the values of single pixels."""

from typing import Annotated, ClassVar

import numpy as np
from numba import njit
from numpy.typing import NDArray
from pydantic import Field
from skimage import color, exposure

from napari_cellseg.training.unets.operation import Bounds, Image, Photometric, Share, draw, within

CHROMA = np.array([[0.0, -0.344136, 1.772], [1.402, -0.714136, 0.0]], np.float32)
"""Red, green and blue of a unit of Cb and of Cr (ITU-R BT.601); neither changes the luma."""

ORDERS = np.array([[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]])
"""All orders of three channels but their own."""


class GaussianNoise(Photometric):
    """Noise of the same strength everywhere, each channel its own: that of reading out a camera."""

    deviation: Share = Field((0.01, 0.05), description="Standard deviation, share of the image's range.")

    def _changed(self, image: Image, rng: np.random.Generator) -> NDArray[np.floating]:
        return image + np.float32(draw(self.deviation, rng)) * rng.standard_normal(image.shape, np.float32)


class ISONoise(Photometric):
    """Noise of a sensor of high gain, in the space of luma and chroma.

    Luma noise rises with the square root of the light, as that of photons does; chroma noise (Cb, Cr of
    ITU-R BT.601) is even. Grey images have luma only.
    """

    luma: Share = Field((0.02, 0.08), description="Standard deviation of the luma at full light.")
    chroma: Share = Field((0.01, 0.04), description="Standard deviation of Cb and Cr.")

    def _changed(self, image: Image, rng: np.random.Generator) -> NDArray[np.floating]:
        luma, chroma = np.float32(draw(self.luma, rng)), np.float32(draw(self.chroma, rng))
        light = image if image.ndim == 2 else color.rgb2gray(image)
        grain = luma * np.sqrt(light) * rng.standard_normal(light.shape, np.float32)
        if image.ndim == 2:
            return image + grain
        colours = chroma * rng.standard_normal((*light.shape, 2), np.float32)
        return image + grain[..., None] + colours @ CHROMA


class HueSaturationValue(Photometric):
    """Shift of hue, saturation and value of all pixels; grey images have a value only."""

    hue: Annotated[Bounds, within(-0.5, 0.5)] = Field((-0.06, 0.06), description="Shift of the hue, turns.")
    saturation: Annotated[Bounds, within(-1, 1)] = Field((-0.12, 0.12), description="Shift of saturation.")
    value: Annotated[Bounds, within(-1, 1)] = Field((-0.08, 0.08), description="Shift of the value.")

    def _changed(self, image: Image, rng: np.random.Generator) -> NDArray[np.floating]:
        hue, saturation, value = (draw(b, rng) for b in (self.hue, self.saturation, self.value))
        if image.ndim == 2:
            return image + np.float32(value)
        return _shifted(np.ascontiguousarray(image), hue, saturation, value)


class ChannelShuffle(Photometric):
    """Red, green and blue in another order."""

    needs_colour: ClassVar[bool] = True
    amount: Share = Field((1.0, 1.0), description="Share of the shuffled image in the mean with its own.")

    def _changed(self, image: Image, rng: np.random.Generator) -> NDArray[np.floating]:
        order = ORDERS[rng.integers(len(ORDERS))]
        amount = np.float32(draw(self.amount, rng))
        return image if image.ndim == 2 else mixed(image, image[..., order], amount)


class BrightnessContrast(Photometric):
    """More or less light, and more or less spread about the mean."""

    brightness: Annotated[Bounds, within(-1, 1)] = Field((-0.2, 0.2), description="Added to all values.")
    contrast: Annotated[Bounds, within(-1, 4)] = Field(
        (-0.3, 0.3), description="Change of the distance to the mean, -1: none is left, 1: twice as far."
    )

    def _changed(self, image: Image, rng: np.random.Generator) -> NDArray[np.floating]:
        brightness, contrast = np.float32(draw(self.brightness, rng)), np.float32(draw(self.contrast, rng))
        return image + contrast * (image - image.mean()) + brightness


class Gamma(Photometric):
    """Power of all values; dark and bright parts are as likely to gain."""

    gamma: Annotated[Bounds, within(0.1, 10)] = Field(
        (0.7, 1.43), description="The power; 1 changes nothing."
    )

    def _changed(self, image: Image, rng: np.random.Generator) -> NDArray[np.floating]:
        low, high = self.gamma
        gamma = np.exp(draw((float(np.log(low)), float(np.log(high))), rng))
        result: NDArray[np.floating] = exposure.adjust_gamma(image, gamma)
        return result


class CLAHE(Photometric):
    """Contrast limited adaptive histogram equalisation; colour images keep hue and saturation."""

    clip: Annotated[Bounds, within(0.0001, 1)] = Field(
        (0.003, 0.02), description="Limit of the contrast; more gives more."
    )
    tiles: int = Field(8, ge=1, le=64, description="Tiles along an edge whose histograms are equalised.")
    amount: Share = Field((1.0, 1.0), description="Share of the equalised image in the mean with its own.")

    def _changed(self, image: Image, rng: np.random.Generator) -> NDArray[np.floating]:
        clip, amount = draw(self.clip, rng), np.float32(draw(self.amount, rng))
        value = image if image.ndim == 2 else image.max(axis=2)
        if not value.max() > value.min():
            return image
        kernel = [max(1, n // self.tiles) for n in value.shape]
        equal = exposure.equalize_adapthist(value, kernel_size=kernel, clip_limit=clip).astype(np.float32)
        if image.ndim == 3:
            equal = image * (equal / np.maximum(value, np.float32(1e-6)))[..., None]
        return mixed(image, equal, amount)


class ToGrey(Photometric):
    """Luminance in place of colours."""

    needs_colour: ClassVar[bool] = True
    amount: Share = Field((1.0, 1.0), description="Share of the grey image in the mean with its own.")

    def _changed(self, image: Image, rng: np.random.Generator) -> NDArray[np.floating]:
        amount = np.float32(draw(self.amount, rng))
        return image if image.ndim == 2 else mixed(image, color.rgb2gray(image)[..., None], amount)


class Invert(Photometric):
    """Dark for bright, in every channel."""

    amount: Share = Field((1.0, 1.0), description="Share of the inverted image in the mean with its own.")

    def _changed(self, image: Image, rng: np.random.Generator) -> NDArray[np.floating]:
        return mixed(image, 1 - image, np.float32(draw(self.amount, rng)))


def mixed(image: Image, other: NDArray[np.floating], amount: np.float32) -> NDArray[np.floating]:
    """Weighted mean of two images; exactly one of them where the amount is 0 or 1."""
    if amount in (0, 1):
        return np.broadcast_to(other, image.shape) if amount else image
    return (1 - amount) * image + amount * other


@njit(cache=True, nogil=True)
def _shifted(image, hue, saturation, value):  # type: ignore[no-untyped-def]
    """(H, W, 3) with hue (turns, cyclic), saturation and value (both clipped) shifted; grey stays grey.

    As ``skimage.color.rgb2hsv`` and ``hsv2rgb`` give it, a tenth of the time.
    """
    out = np.empty_like(image)
    for i in range(image.shape[0]):
        for j in range(image.shape[1]):
            red, green, blue = image[i, j, 0], image[i, j, 1], image[i, j, 2]
            high = max(red, green, blue)
            chroma = high - min(red, green, blue)
            sector = np.float32(0)
            if chroma > 0:
                if high == red:
                    sector = (green - blue) / chroma
                elif high == green:
                    sector = 2 + (blue - red) / chroma
                else:
                    sector = 4 + (red - green) / chroma
            strength = min(max(chroma / high + saturation, 0.0), 1.0) if chroma > 0 else 0.0
            bright = min(max(high + value, 0.0), 1.0)
            for c in range(3):
                k = (5 - 2 * c + sector + 6 * hue) % 6
                out[i, j, c] = bright * (1 - strength * max(0.0, min(k, 4 - k, 1.0)))
    return out
