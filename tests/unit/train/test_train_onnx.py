"""Models as ONNX: of every recipe, for any number of samples, and none that computes something else."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from wattrain_worker.errors import BadSpec
from wattrain_worker.train import onnx_export
from wattrain_worker.train.onnx_export import NoOnnx, check_onnx, onnx_graph
from wattrain_worker.train.recipes import find_recipe, recipe_folders
from wattrain_worker.train.recipes.recipe_protocol import HasExample

for package in ("onnx", "onnxscript", "onnxruntime"):
    pytest.importorskip(package, reason="what writes and runs ONNX: pip install --editable '.[dev]'")


def model_and_features(name: str, samples: int = 5) -> tuple[nn.Module, Tensor]:
    recipe = find_recipe(name)
    assert isinstance(recipe, HasExample)
    torch.manual_seed(0)
    shape = recipe.example_shape()
    features, _ = recipe.example_batch(shape, samples)
    drawn = torch.randn_like(features) if features.is_floating_point() else torch.randint_like(features, 0, 2)
    return recipe.build_model(shape, recipe.parameters()), drawn


@pytest.mark.parametrize("name", recipe_folders())
def test_the_graph_of_every_recipe_computes_what_its_model_does_for_any_number_of_samples(name: str) -> None:
    import onnxruntime

    model, features = model_and_features(name)
    graph = onnx_graph(model, features)
    assert graph.samples == 5
    assert graph.largest_difference < 1e-4
    session = onnxruntime.InferenceSession(graph.content, providers=["CPUExecutionProvider"])
    for samples in (1, 2, 3):
        [outputs] = session.run(None, {"features": features[:samples].numpy()})
        with torch.inference_mode():
            torch.testing.assert_close(
                torch.from_numpy(outputs), model.eval()(features[:samples]), rtol=1e-3, atol=1e-4
            )


def test_a_graph_that_computes_something_else_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    model, features = model_and_features("mlp")
    other = onnx_graph(model_and_features("mlp")[0], features)
    with torch.no_grad():
        model[-1].bias += 0.01
    monkeypatch.setattr(onnx_export, "_written", lambda *_: other.content)
    with pytest.raises(NoOnnx, match=r"ONNX Runtime computes something else from it: outputs differ by up to 0\.01"):
        onnx_graph(model, features)


def test_a_model_that_torch_cannot_write_is_told_in_a_sentence() -> None:
    class Branches(nn.Module):
        def forward(self, features: Tensor) -> Tensor:
            return features if float(features.sum()) > 0 else -features

    with pytest.raises(NoOnnx, match=r"^it cannot be written \(\w+: ") as caught:
        onnx_graph(Branches(), torch.randn(4, 2))
    assert "\n" not in str(caught.value)


def test_a_job_that_wants_onnx_is_refused_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    check_onnx()
    find = importlib.util.find_spec

    def found(name: str, *rest: Any) -> Any:
        return None if name.startswith("onnxr") else find(name, *rest)

    monkeypatch.setattr(importlib.util, "find_spec", found)
    with pytest.raises(BadSpec, match=r"spec\.training\.onnx: true needs onnxruntime; pip install 'wattrain\[onnx\]'"):
        check_onnx()
