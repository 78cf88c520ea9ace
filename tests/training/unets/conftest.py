"""A tiny encoder, for tests of all that is done with networks; the real ones have tests of their own."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def small_encoder() -> Iterator[None]:
    """MobileNetV2 has five convolutions while a module's tests run: it learns and is exported in no time."""
    pytest.importorskip("torchvision")
    import torchvision
    from torch import nn

    from napari_cellseg.models.networks.brightfield import encoders
    from napari_cellseg.models.networks.brightfield.config import BACKBONES

    widths = (3, *BACKBONES["mobilenet_v2"].channels)

    def tiny(name: str, **options: object) -> nn.Module:
        stages = [
            nn.Sequential(nn.Conv2d(a, b, 3 if b < 1000 else 1, 2, 1 if b < 1000 else 0), nn.BatchNorm2d(b))
            for a, b in zip(widths, widths[1:], strict=False)
        ]
        return nn.Sequential(*stages)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torchvision.models, "get_model", tiny)
        patch.setitem(encoders._CUTS, "mobilenet_v2", lambda whole: [[*stage, nn.ReLU()] for stage in whole])
        yield
