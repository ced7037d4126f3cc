from __future__ import annotations

import pytest
import torch

from wattrain_api.training import Training
from wattrain_worker.train.arithmetic_speed import OperationCount, peak_of, sheet_peak
from wattrain_worker.train.recipes import find_recipe
from wattrain_worker.train.recipes.recipe_protocol import TextShape


def small_gpt() -> tuple[torch.nn.Module, torch.Tensor]:
    torch.manual_seed(0)
    recipe = find_recipe("gpt")
    model = recipe.build_model(TextShape(50, 8), recipe.parameters(layers=1, heads=2, width=16, dropout=0.0))
    return model, torch.randint(0, 50, (3, 8))


def gradients_of(model: torch.nn.Module, tokens: torch.Tensor) -> list[torch.Tensor]:
    return list(torch.autograd.grad(model(tokens).float().square().sum(), list(model.parameters())))


def test_counting_changes_no_bit_and_counts_what_torch_counts() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    model, tokens = small_gpt()
    plain = gradients_of(model, tokens)
    with OperationCount() as count:
        counted = gradients_of(model, tokens)
    with FlopCounterMode(display=False) as torchs:
        gradients_of(model, tokens)
    assert all(torch.equal(a, b) for a, b in zip(plain, counted, strict=True))
    assert count.flops == torchs.get_total_flops() > 0


@pytest.mark.parametrize(
    ("device", "precision", "tera"),
    [
        ("NVIDIA H200", "bf16", 989.0),
        ("NVIDIA A100-SXM4-40GB", "fp32", 19.5),
        ("Tesla T4", "bf16", None),
        ("NVIDIA L40S", "bf16", None),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", "bf16", None),
        ("NVIDIA GeForce RTX 9999", "fp32", None),
    ],
)
def test_of_a_gpu_that_is_not_known_nothing_is_said(device: str, precision: str, tera: float | None) -> None:
    peak = sheet_peak(device, precision)
    assert (None if peak is None else peak.flops_per_second / 1e12) == tera


def test_the_most_of_a_cpu_is_measured() -> None:
    peak = peak_of(torch.device("cpu"), Training(epochs=1))
    assert peak is not None
    assert peak.source == "measured"
    assert 1e6 < peak.flops_per_second < 1e16
