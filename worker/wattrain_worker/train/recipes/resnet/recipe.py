"""A residual network (K. He et al., "Deep residual learning for image recognition", CVPR 2016), cross-entropy over
classes, and training pictures that are moved and mirrored at random."""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from wattrain_worker.errors import BadSpec
from wattrain_worker.train.recipes.classifier import ClassMetrics
from wattrain_worker.train.recipes.drawing import uniform
from wattrain_worker.train.recipes.recipe_protocol import Draw, ImageShape, RawSamples, Recipe
from wattrain_worker.train.recipes.resnet.parameters import ResnetParameters


class Resnet(ClassMetrics):
    """The recipe `resnet`: pictures [samples, 3, size, size] uint8, as their shard has them."""

    parameters = ResnetParameters
    evaluated_at_once: int = 64

    def build_model(self, shape: ImageShape, parameters: ResnetParameters) -> nn.Module:
        """torchvision's network, which first normalises pixels; its weights have the names of torchvision's."""
        try:
            from wattrain_worker.train.recipes.resnet.residual_network import build_network
        except ImportError as error:
            raise BadSpec(
                f"spec.recipe.name: resnet needs torchvision ({error}); pip install 'wattrain[images]', or take a "
                "worker image that has it"
            ) from error
        return build_network(shape, parameters)

    def make_batch(
        self, raw: RawSamples, samples: Tensor, draw: Draw | None, parameters: ResnetParameters
    ) -> tuple[Tensor, Tensor]:
        """The pictures, in training moved and mirrored, and their labels."""
        pictures = raw["images"]
        if draw is not None and parameters.augment != "none":
            pictures = _cropped(pictures, uniform(draw, samples, 3), mirrors=parameters.augment == "flip-crop")
        return pictures, raw["labels"]

    def example_shape(self) -> ImageShape:
        """Small pictures, as of CIFAR-10."""
        return ImageShape(size=32, classes=10, mean=(127.5,) * 3, deviation=(64.0,) * 3)

    def example_batch(self, shape: ImageShape, samples: int) -> tuple[Tensor, Tensor]:
        """Black pictures of the first class."""
        pictures = torch.zeros(samples, 3, shape.size, shape.size, dtype=torch.uint8)
        return pictures, torch.zeros(samples, dtype=torch.int64)

    def told_shape(self, shape: ImageShape) -> str:
        """Pixels, as they are prepared."""
        return f"pictures of {shape.size} x {shape.size} pixels, {shape.classes:,} classes"

    def loss_sum(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """-log softmax(outputs)[label], summed over samples."""
        return F.cross_entropy(outputs.float(), labels, reduction="sum")


def _cropped(pictures: Tensor, drawn: Tensor, *, mirrors: bool) -> Tensor:
    """`pictures`, [samples, 3, size, size], each with a black border of an eighth of its size and cut out of it at
    random, and mirrored where `mirrors` and half of the time. `drawn`: [samples, 3] in [0, 1)."""
    size = pictures.shape[-1]
    border = size // 8
    first = (drawn[:, :2] * (2 * border + 1)).long()  # float32: below 1, and so below 2 border + 1 after rounding too
    along = torch.arange(size)
    rows = first[:, :1] + along
    columns = first[:, 1:] + along
    if mirrors:
        columns = torch.where(drawn[:, 2:] < 0.5, columns.flip(1), columns)
    bordered = F.pad(pictures, (border,) * 4)
    sample, channel = torch.arange(len(pictures))[:, None, None, None], torch.arange(3)[None, :, None, None]
    return bordered[sample, channel, rows[:, None, :, None], columns[:, None, None, :]]


RECIPE: Final[Recipe[ResnetParameters, ImageShape]] = Resnet()
