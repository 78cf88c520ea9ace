"""Photometric operations: each does what its name says, and nothing at zero strength."""

import numpy as np
import pytest
from scipy import ndimage
from skimage import color, exposure

from napari_cellseg.training.unets.augmentation import AugmentationConfig
from napari_cellseg.training.unets.blurring import Defocus, MotionBlur, ZoomBlur, disk_kernel
from napari_cellseg.training.unets.operation import Photometric
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

from .scenes import cells

NONE = (0.0, 0.0)
WITHOUT_STRENGTH: tuple[Photometric, ...] = (
    MotionBlur(length=(1, 1)),
    Defocus(radius=NONE),
    ZoomBlur(zoom=(1, 1)),
    GaussianNoise(deviation=NONE),
    ISONoise(luma=NONE, chroma=NONE),
    HueSaturationValue(hue=NONE, saturation=NONE, value=NONE),
    ChannelShuffle(amount=NONE),
    BrightnessContrast(brightness=NONE, contrast=NONE),
    Gamma(gamma=(1, 1)),
    CLAHE(amount=NONE),
    ToGrey(amount=NONE),
    Invert(amount=NONE),
)
DEFAULTS = tuple(AugmentationConfig().photometric().values())


def name(operation: Photometric) -> str:
    return type(operation).__name__


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def smooth(channels: int, seed: int = 0) -> np.ndarray:
    image = ndimage.gaussian_filter(rng(seed).random((64, 80, channels)), (2, 2, 0))
    return ((image - image.min()) / np.ptp(image)).astype(np.float32)


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("operation", WITHOUT_STRENGTH, ids=name)
def test_zero_strength_is_the_identity(operation: Photometric, colour: bool) -> None:
    image = cells(colour).image
    np.testing.assert_allclose(operation(image, rng()), image, atol=2e-6)


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("operation", DEFAULTS, ids=name)
def test_every_operation_has_an_effect_and_keeps_the_range(operation: Photometric, colour: bool) -> None:
    image = cells(colour).image
    for seed in range(4):
        changed = operation(image, rng(seed))
        assert changed.dtype == np.float32
        assert changed.shape == image.shape
        assert 0 <= changed.min() <= changed.max() <= 1
        np.testing.assert_array_equal(changed, operation(image, rng(seed)))
        assert (np.abs(changed - image).max() > 1e-3) == (colour or not operation.needs_colour)


@pytest.mark.parametrize("operation", DEFAULTS, ids=name)
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (5, 3), (2, 3, 3)])
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_tiny_and_even_images_are_fine(operation: Photometric, shape: tuple[int, ...], value: float) -> None:
    changed = operation(np.full(shape, value, np.float32), rng(1))
    assert changed.shape == shape
    assert np.isfinite(changed).all()


def test_blurs_keep_the_mean_and_lose_the_detail() -> None:
    image = cells(False).image
    for operation in (MotionBlur(), Defocus(), ZoomBlur()):
        blurred = operation(image, rng())
        assert blurred.mean() == pytest.approx(image.mean(), rel=0.02)
        assert np.std(ndimage.laplace(blurred)) < 0.5 * np.std(ndimage.laplace(image))


def test_a_point_out_of_focus_is_a_disk() -> None:
    point = np.zeros((31, 31), np.float32)
    point[15, 15] = 1
    disk = Defocus(radius=(4, 4))(point, rng())
    distance = np.hypot(*(np.mgrid[:31, :31] - 15))
    assert disk.sum() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(disk[distance <= 3.5], 1 / (np.pi * 4**2), rtol=0.05)
    assert (disk[distance >= 4.5] == 0).all()
    assert disk_kernel(0.0).tolist() == [[1.0]]


def test_a_point_in_motion_is_a_line() -> None:
    point = np.zeros((31, 31), np.float32)
    point[15, 15] = 1
    line = MotionBlur(length=(7, 7))(point, rng(3))
    y, x = np.nonzero(line > 0.02)
    spread = np.sort(np.linalg.eigvalsh(np.cov(np.stack([y, x]))))
    assert spread[1] > 3 * spread[0]
    assert 5 <= np.hypot(np.ptp(y), np.ptp(x)) <= 9


def test_zoom_blur_is_the_mean_of_magnified_images() -> None:
    image = smooth(1)[..., 0]
    blurred = ZoomBlur(zoom=(1.2, 1.2))(image, rng())
    middle = (np.array(image.shape) - 1) / 2
    factors = 1.2 ** np.linspace(-0.5, 0.5, 41)
    exposures = [
        ndimage.affine_transform(image, np.eye(2) / f, middle - middle / f, order=1, mode="nearest")
        for f in factors
    ]
    np.testing.assert_allclose(blurred, np.mean(exposures, axis=0), atol=0.02)
    centre = tuple(int(m) for m in middle)
    assert abs(blurred[centre] - image[centre]) < 0.02


def test_noise_has_the_strength_that_was_asked_for() -> None:
    even = np.full((200, 200, 3), 0.5, np.float32)
    noise = GaussianNoise(deviation=(0.04, 0.04))(even, rng()) - even
    assert noise.std() == pytest.approx(0.04, rel=0.03)
    assert abs(np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]) < 0.02


def test_luma_noise_grows_with_the_light_and_chroma_noise_does_not_change_the_luma() -> None:
    steps = np.repeat(np.array([0.16, 0.64], np.float32), 100)[:, None] * np.ones((200, 200), np.float32)
    grain = ISONoise(luma=(0.05, 0.05))(steps, rng()) - steps
    assert grain[:100].std() == pytest.approx(0.05 * 0.4, rel=0.05)
    assert grain[100:].std() == pytest.approx(0.05 * 0.8, rel=0.05)
    even = np.full((100, 100, 3), 0.5, np.float32)
    tinted = ISONoise(luma=NONE, chroma=(0.04, 0.04))(even, rng())
    assert tinted.std() > 0.02
    luma = tinted @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(luma, 0.5, atol=1e-5)


@pytest.mark.parametrize("shift", [(0.1, 0, 0), (-0.45, 0.2, -0.1), (0.3, -0.5, 0.3), (0, 1, 0), (0, 0, -1)])
def test_hue_saturation_and_value_are_those_of_scikit_image(shift: tuple[float, float, float]) -> None:
    image = rng().random((40, 50, 3)).astype(np.float32)
    image[:4] = image[:4, :, :1]
    hue, saturation, value = shift
    operation = HueSaturationValue(hue=(hue, hue), saturation=(saturation, saturation), value=(value, value))
    hsv = color.rgb2hsv(image)
    hsv[..., 0] = (hsv[..., 0] + hue) % 1
    hsv[..., 1] = np.where(hsv[..., 1] > 0, np.clip(hsv[..., 1] + saturation, 0, 1), 0)
    hsv[..., 2] = np.clip(hsv[..., 2] + value, 0, 1)
    np.testing.assert_allclose(operation(image, rng()), color.hsv2rgb(hsv), atol=3e-6)


def test_equalisation_is_that_of_scikit_image() -> None:
    operation = CLAHE(clip=(0.02, 0.02))
    for image in (smooth(1)[..., 0], smooth(3)):
        expected = exposure.equalize_adapthist(image, kernel_size=(8, 10), clip_limit=0.02)
        np.testing.assert_allclose(operation(image, rng()), expected, atol=2e-3)


def test_channels_are_shuffled_never_kept() -> None:
    image = smooth(3)
    orders = set()
    for seed in range(30):
        changed = ChannelShuffle()(image, rng(seed))
        order = tuple(
            next(c for c in range(3) if np.array_equal(changed[..., k], image[..., c])) for k in range(3)
        )
        assert sorted(order) == [0, 1, 2]
        orders.add(order)
    assert len(orders) == 5
    assert (0, 1, 2) not in orders


def test_tone_moves_as_told() -> None:
    image = smooth(3) * 0.5 + 0.2
    brighter = BrightnessContrast(brightness=(0.1, 0.1), contrast=NONE)(image, rng())
    np.testing.assert_allclose(brighter, image + 0.1, atol=1e-6)
    flat = BrightnessContrast(brightness=NONE, contrast=(-1, -1))(image, rng())
    np.testing.assert_allclose(flat, image.mean(), atol=1e-5)
    np.testing.assert_allclose(Gamma(gamma=(2, 2))(image, rng()), image**2, atol=1e-6)
    np.testing.assert_allclose(Invert()(image, rng()), 1 - image, atol=1e-6)
    grey = ToGrey()(image, rng())
    np.testing.assert_allclose(grey, np.repeat(color.rgb2gray(image)[..., None], 3, axis=2), atol=1e-6)
