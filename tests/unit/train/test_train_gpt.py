from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from wattrain_worker.data.texts.windows import NO_TOKEN, windows_of
from wattrain_worker.errors import BadSpec
from wattrain_worker.train.recipes import find_recipe
from wattrain_worker.train.recipes.recipe_protocol import Draw, TextShape

GPT = find_recipe("gpt")
SHAPE = TextShape(vocabulary=40, sequence_length=8)
SMALL: dict[str, Any] = {"layers": 2, "width": 16, "heads": 4}


def model(**params: Any) -> nn.Module:
    torch.manual_seed(0)
    return GPT.build_model(SHAPE, GPT.parameters(**(SMALL | params))).eval()


def windows(tokens: int = 21) -> tuple[Tensor, Tensor]:
    """Three windows, the last of which has four tokens to predict; each token stands for two bytes."""
    stream = (np.arange(tokens) * 7 % 40).astype(np.uint16)
    raw = {
        name: torch.from_numpy(each) for name, each in windows_of(stream, 8, np.full(40, 2, np.int32)).tensors.items()
    }
    return GPT.make_batch(raw, torch.arange(3), Draw(0, 0), GPT.parameters(**SMALL))


def test_a_batch_has_each_token_and_the_one_after_it() -> None:
    features, labels = windows()
    assert features[0].tolist() == [0, 7, 14, 21, 28, 35, 2, 9]
    assert labels[0].tolist() == [7, 14, 21, 28, 35, 2, 9, 16, 16]
    assert labels[2].tolist() == [39, 6, 13, 20, -1, -1, -1, -1, 8]
    assert NO_TOKEN not in features


def test_no_token_sees_the_ones_after_it() -> None:
    features, _ = windows()
    net = model()
    before = net(features)
    changed = features.clone()
    changed[:, 5:] = 1
    torch.testing.assert_close(net(changed)[:, :5], before[:, :5], rtol=0, atol=0)
    assert not torch.equal(net(changed)[:, 5:], before[:, 5:])


def test_the_loss_of_a_window_is_the_mean_over_its_tokens_and_metrics_count_tokens_and_bytes() -> None:
    features, labels = windows()
    outputs = model()(features).detach()
    losses = [F.cross_entropy(outputs[row, :n], labels[row, :n]) for row, n in enumerate((8, 8, 4))]
    torch.testing.assert_close(GPT.loss_sum(outputs, labels), sum(losses))
    nats = sum(float(loss) * n for loss, n in zip(losses, (8, 8, 4), strict=True))
    found = GPT.metrics_of(GPT.metric_sums(outputs, labels).tolist(), 3, 1.0)
    assert found["bitsPerByte"] == pytest.approx(nats / math.log(2) / 40, rel=1e-5)
    assert found["perplexity"] == pytest.approx(math.exp(nats / 20), rel=1e-5)


def test_the_weights_begin_as_those_of_gpt_2() -> None:
    net = model(width=128)
    parameters = dict(net.named_parameters())
    assert float(parameters["embedding.weight"].detach().std()) == pytest.approx(0.02, rel=0.05)
    for name in ("blocks.0.attention.output.weight", "blocks.1.linear.2.weight"):
        assert float(parameters[name].detach().std()) == pytest.approx(0.02 / math.sqrt(4), rel=0.05)
    assert not any(
        each.detach().any() for name, each in parameters.items() if name.endswith("bias") and "norm" not in name
    )
    # 40 tokens and 8 positions, and in a layer 12 width**2 + 13 width; what is put out is the embedding again
    assert sum(each.numel() for each in parameters.values()) == 48 * 128 + 2 * (12 * 128**2 + 13 * 128) + 2 * 128


def test_a_width_that_the_heads_cannot_share_is_refused() -> None:
    said = r"params\.heads: 5, but 16 \(spec\.recipe\.params\.width\) is no multiple of it; write a width such as 20"
    with pytest.raises(BadSpec, match=said):
        model(heads=5)


def test_a_loss_beyond_all_bounds_leaves_the_perplexity_out() -> None:
    assert set(GPT.metrics_of([1e6, 10.0, 5.0], 1, 1.0)) == {"bitsPerByte"}
