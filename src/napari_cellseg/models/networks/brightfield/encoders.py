"""Encoders from torchvision, cut into five stages that each halve the resolution."""

from collections.abc import Callable, Iterator

import torch
import torchvision
from torch import Tensor, nn

from napari_cellseg.models.networks.brightfield.config import BACKBONES, STAGES, Backbone


class Encoder(nn.Module):
    """A classification network without its head, frozen except for its deepest stages.

    Frozen stages stay in evaluation mode whatever `train` says: the statistics of their batch norm are kept.

    Parameters
    ----------
    name : str
        A key of `BACKBONES`.
    fine_tune : int
        Stages that learn, counted from the deepest.

    Notes
    -----
    Input (N, 3, H, W), intensities from 0 to 1. Output: five feature maps, (N, C, H/s, W/s) with C from
    `BackboneInfo.channels` and s = f, 2f, 4f, 8f, 16f for the first stride f. Weights are random until
    `load_imagenet` of `weights` fills them.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, name: Backbone, fine_tune: int = 0) -> None:
        super().__init__()
        info = BACKBONES[name]
        options = {"init_weights": False, "aux_logits": True} if name == "inception_v3" else {}
        # The heads of these networks, most of VGG16's weights, are never filled.
        with torch.device("meta"):
            whole = torchvision.models.get_model(name, weights=None, **options)
            stages = _CUTS[name](whole)
        names = {id(module): path for path, module in whole.named_modules()}
        self.name = name
        self.stages = nn.ModuleList([nn.Sequential(*stage) for stage in stages]).to_empty(device="cpu")
        self.library_names = dict(_renamed(self.stages, names))
        self.stages.apply(_initialise)
        self.register_buffer("mean", torch.tensor(info.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(info.std).view(1, 3, 1, 1), persistent=False)
        self.set_fine_tune(fine_tune)

    def set_fine_tune(self, stages: int) -> None:
        """Let so many stages learn, counted from the deepest, and freeze the others."""
        self.fine_tune = stages
        for stage in self.frozen_stages:
            stage.requires_grad_(False)
        for stage in self.stages[STAGES - stages :]:
            stage.requires_grad_(True)
        self.train(self.training)

    @property
    def frozen_stages(self) -> nn.ModuleList:
        """The stages that do not learn."""
        return self.stages[: STAGES - self.fine_tune]

    def train(self, mode: bool = True) -> "Encoder":
        """Set training mode; frozen stages stay in evaluation mode."""
        super().train(mode)
        for stage in self.frozen_stages:
            stage.eval()
        return self

    def forward(self, image: Tensor) -> list[Tensor]:
        """Features of the five stages, the shallowest first."""
        x = (image - self.mean) / self.std
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


def _renamed(stages: nn.ModuleList, names: dict[int, str]) -> Iterator[tuple[str, str]]:
    """Name of every tensor of the stages, and its name in the library's network."""
    for path, module in stages.named_modules():
        own = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
        for tensor, _ in own:
            yield f"{path}.{tensor}", f"{names[id(module)]}.{tensor}"


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        module.reset_parameters()


def _densenet(whole: nn.Module) -> list[list[nn.Module]]:
    f = whole.features
    one, two, three = f.transition1, f.transition2, f.transition3
    return [
        [f.conv0, f.norm0, f.relu0],
        [f.pool0, f.denseblock1, one.norm, one.relu],
        [one.conv, one.pool, f.denseblock2, two.norm, two.relu],
        [two.conv, two.pool, f.denseblock3, three.norm, three.relu],
        [three.conv, three.pool, f.denseblock4, f.norm5, nn.ReLU(inplace=True)],
    ]


def _inception(m: nn.Module) -> list[list[nn.Module]]:
    """Inception v3 with padding where it has none, so that each stage halves the resolution exactly."""
    m.Conv2d_2a_3x3.conv.padding = (1, 1)
    m.Conv2d_4a_3x3.conv.padding = (1, 1)
    return [
        [nn.ZeroPad2d(1), m.Conv2d_1a_3x3, m.Conv2d_2a_3x3, m.Conv2d_2b_3x3],
        [nn.ZeroPad2d(1), m.maxpool1, m.Conv2d_3b_1x1, m.Conv2d_4a_3x3],
        [nn.ZeroPad2d(1), m.maxpool2, m.Mixed_5b, m.Mixed_5c, m.Mixed_5d],
        [nn.ZeroPad2d(1), m.Mixed_6a, m.Mixed_6b, m.Mixed_6c, m.Mixed_6d, m.Mixed_6e],
        [nn.ZeroPad2d(1), m.Mixed_7a, m.Mixed_7b, m.Mixed_7c],
    ]


def _vgg(whole: nn.Module) -> list[list[nn.Module]]:
    f = list(whole.features)
    return [f[:4], f[4:9], f[9:16], f[16:23], f[23:30]]


def _mobilenet(whole: nn.Module) -> list[list[nn.Module]]:
    f = list(whole.features)
    expanding = list(f[2].conv)
    return [
        [f[0], f[1], expanding[0]],
        [*expanding[1:], f[3]],
        f[4:7],
        f[7:14],
        f[14:19],
    ]


def _resnet(m: nn.Module) -> list[list[nn.Module]]:
    return [[m.conv1, m.bn1, m.relu], [m.maxpool, m.layer1], [m.layer2], [m.layer3], [m.layer4]]


def _efficientnet(whole: nn.Module) -> list[list[nn.Module]]:
    f = list(whole.features)
    second, fourth = list(f[2][0].block), list(f[4][0].block)
    return [
        [f[0], f[1], second[0]],
        [*second[1:], *f[2][1:]],
        [f[3], fourth[0]],
        [*fourth[1:], *f[4][1:], f[5]],
        f[6:9],
    ]


_CUTS: dict[str, Callable[[nn.Module], list[list[nn.Module]]]] = {
    "densenet121": _densenet,
    "inception_v3": _inception,
    "vgg16": _vgg,
    "mobilenet_v2": _mobilenet,
    "resnet50": _resnet,
    "efficientnet_b0": _efficientnet,
}
