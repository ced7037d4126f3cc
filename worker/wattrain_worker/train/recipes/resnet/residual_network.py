"""torchvision's residual networks for the pictures of a job. Imported where one is built: torchvision is optional."""

from __future__ import annotations

import functools
from typing import Any, Final

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

from wattrain_worker.train.recipes.recipe_protocol import ImageShape
from wattrain_worker.train.recipes.resnet.parameters import ResnetParameters

_GROUPS: Final = 32
"""Y. Wu, K. He, Group Normalization, 2018."""
_LEAST_STANDARD: Final = 64
"""Pixels of a picture; of smaller ones the standard stem leaves too little."""
_LAYERS: Final[dict[int, tuple[Any, list[int]]]] = {
    18: (BasicBlock, [2, 2, 2, 2]),
    34: (BasicBlock, [3, 4, 6, 3]),
    50: (Bottleneck, [3, 4, 6, 3]),
}
"""Of each depth the kind of block and how many there are of it (He et al., table 1), as torchvision has them."""


class _PixelResNet(ResNet):  # type: ignore[misc]  # torchvision is optional, and so unknown to the type checker
    """[samples, 3, size, size] uint8 -> [samples, classes]."""

    def __init__(self, shape: ImageShape, parameters: ResnetParameters) -> None:
        block, layers = _LAYERS[parameters.depth]
        groups = functools.partial(nn.GroupNorm, _GROUPS)
        norm = groups if parameters.norm == "group" else nn.BatchNorm2d
        super().__init__(block, layers, num_classes=shape.classes, norm_layer=norm)
        if parameters.stem == "small" or (parameters.stem == "auto" and shape.size < _LEAST_STANDARD):
            self.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
            nn.init.kaiming_normal_(self.conv1.weight, mode="fan_out", nonlinearity="relu")  # as torchvision's
            self.maxpool = nn.Identity()
        for name, values in (("pixel_mean", shape.mean), ("pixel_deviation", shape.deviation)):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1), persistent=False)

    def forward(self, pictures: Tensor) -> Tensor:
        """Scores of classes, before a softmax."""
        outputs: Tensor = super().forward((pictures.float() - self.pixel_mean) / self.pixel_deviation)
        return outputs


def build_network(shape: ImageShape, parameters: ResnetParameters) -> nn.Module:
    """The network of `parameters` for the pictures of `shape`; initial weights from torch's seed."""
    return _PixelResNet(shape, parameters)
