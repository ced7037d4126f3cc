"""The recipe `resnet`: torchvision's networks, and pictures that are moved and mirrored."""

from __future__ import annotations

import itertools
import sys
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn

from wattrain_worker.errors import BadSpec
from wattrain_worker.train.recipes.recipe_protocol import Draw, ImageShape
from wattrain_worker.train.recipes.resnet.parameters import ResnetParameters
from wattrain_worker.train.recipes.resnet.recipe import RECIPE

MEAN, DEVIATION = (100.0, 120.0, 140.0), (50.0, 60.0, 70.0)


def built(size: int, **parameters: Any) -> nn.Module:
    torch.manual_seed(5)
    return RECIPE.build_model(ImageShape(size, 7, MEAN, DEVIATION), ResnetParameters(**parameters))


def pictures(count: int, size: int) -> Tensor:
    return torch.randint(0, 256, (count, 3, size, size), generator=torch.Generator().manual_seed(2)).to(torch.uint8)


def batch(images: Tensor, samples: Tensor, draw: Draw | None, augment: str) -> Tensor:
    raw = {"images": images[samples], "labels": samples}
    made, labels = RECIPE.make_batch(raw, samples, draw, ResnetParameters(augment=augment))
    assert torch.equal(labels, samples)
    return made


@pytest.mark.parametrize("depth", [18, 34, 50])
def test_it_computes_what_torchvisions_network_does_of_normalised_pixels_with_the_same_weights(depth: int) -> None:
    model = built(32, depth=depth, stem="standard").eval()
    theirs = getattr(torchvision.models, f"resnet{depth}")(num_classes=7).eval()
    theirs.load_state_dict(model.state_dict())
    images = pictures(2, 32)
    normal = (images.float() - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(DEVIATION).view(3, 1, 1)
    assert torch.equal(model(images), theirs(normal))


def test_its_first_weights_are_those_of_torchvisions_network_from_the_same_seed() -> None:
    model = built(64)
    torch.manual_seed(5)
    theirs = torchvision.models.resnet18(num_classes=7)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), theirs.parameters(), strict=True))


def test_small_pictures_keep_their_size_in_the_first_layers_unless_the_standard_ones_are_asked_for() -> None:
    sizes = {}
    for size, stem in itertools.product((32, 64), ("auto", "small", "standard")):
        model = built(size, stem=stem)
        first = model.get_submodule("maxpool")(model.get_submodule("conv1")(torch.zeros(1, 3, size, size)))
        sizes[size, stem] = first.shape[-1]
    assert sizes == {
        (32, "auto"): 32, (32, "small"): 32, (32, "standard"): 8,
        (64, "auto"): 16, (64, "small"): 64, (64, "standard"): 16,
    }  # fmt: skip


def test_with_group_norm_no_sample_depends_on_another_and_nothing_is_kept_of_any() -> None:
    model, images = built(32, norm="group").train(), pictures(3, 32)
    torch.testing.assert_close(model(images)[:1], model(images[:1]), rtol=1e-4, atol=1e-5)
    assert not [name for name, _ in model.named_buffers() if "running" in name]


@pytest.mark.parametrize("augment", ["crop", "flip-crop"])
def test_a_picture_is_augmented_by_seed_step_and_its_number_alone(augment: str) -> None:
    images, draw = pictures(40, 24), Draw(seed=3, step=11)
    whole = batch(images, torch.arange(40), draw, augment)
    some = torch.tensor([39, 4, 17])
    assert torch.equal(batch(images, some, draw, augment), whole[some])
    again = batch(images, torch.arange(40), Draw(3, 12), augment)
    assert sum(not torch.equal(a, b) for a, b in zip(whole, again, strict=True)) > 30


def test_crops_are_all_shifts_by_up_to_an_eighth_with_black_where_nothing_is_left() -> None:
    image = pictures(1, 16).clamp(min=1)
    bordered = torch.nn.functional.pad(image[0], (2, 2, 2, 2))
    shifts = {
        (flips, y, x): bordered[:, y : y + 16, x : x + 16].flip((2,) if flips else ())
        for flips, y, x in itertools.product((False, True), range(5), range(5))
    }
    for augment, expected in (("crop", 25), ("flip-crop", 50)):
        seen = set()
        for step in range(600):
            made = batch(image, torch.tensor([0]), Draw(1, step), augment)[0]
            (found,) = [key for key, shifted in shifts.items() if torch.equal(made, shifted)]
            seen.add(found)
        assert len(seen) == expected
        assert any(flips for flips, _, _ in seen) == (augment == "flip-crop")


def test_nothing_is_drawn_in_an_evaluation_or_without_augmentation() -> None:
    images = pictures(5, 24)
    assert torch.equal(batch(images, torch.arange(5), None, "flip-crop"), images)
    assert torch.equal(batch(images, torch.arange(5), Draw(1, 1), "none"), images)


def test_without_torchvision_the_refusal_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.models.resnet", None)
    monkeypatch.delitem(sys.modules, "wattrain_worker.train.recipes.resnet.residual_network", raising=False)
    words = r"^spec.recipe.name: resnet needs torchvision .*; pip install 'wattrain\[images\]'"
    with pytest.raises(BadSpec, match=words):
        built(32)
