"""A graph in the place of a model: what it computes, and what is said where it cannot."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from wattrain_worker.errors import BadData, BadSpec
from wattrain_worker.predict.__main__ import main
from wattrain_worker.train.onnx_module import OnnxModule

onnx = pytest.importorskip("onnx", reason="what makes a graph: pip install --editable '.[dev]'")
pytest.importorskip("onnxruntime", reason="what runs ONNX: pip install --editable '.[dev]'")


def doubling() -> bytes:
    """A graph that adds features [samples, 3] to themselves."""
    told, number = onnx.helper.make_tensor_value_info, onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Add", ["features", "features"], ["outputs"])],
        "doubling",
        [told("features", number, ["samples", 3])],
        [told("outputs", number, ["samples", 3])],
    )
    made = onnx.helper.make_model(graph, ir_version=8, opset_imports=[onnx.helper.make_opsetid("", 17)])
    return bytes(made.SerializeToString())


def test_a_graph_stands_in_the_place_of_a_module() -> None:
    features = torch.arange(6.0).reshape(2, 3)
    assert torch.equal(OnnxModule(doubling(), "model.onnx")(features), 2 * features)


def test_features_that_do_not_fit_the_graph_are_told_with_their_shape() -> None:
    with pytest.raises(BadData, match=r"^m.onnx: ONNX Runtime cannot compute it for features \[2, 4\] \(.*same train"):
        OnnxModule(doubling(), "m.onnx")(torch.zeros(2, 4))


def test_a_damaged_graph_is_told_with_its_name() -> None:
    with pytest.raises(BadData, match=r"^m.onnx: no graph that can be run \(.*\); copy it again, or train anew$"):
        OnnxModule(b"not a graph", "m.onnx")


def test_a_machine_without_onnx_runtime_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(BadSpec, match=r"^m.onnx: onnxruntime is not installed .* pip install 'wattrain\[onnx\]', or"):
        OnnxModule(doubling(), "m.onnx")


def test_a_graph_alone_is_no_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "model.onnx").write_bytes(doubling())
    assert main([str(tmp_path / "model.onnx"), "--file", "digits"]) == 2
    assert "model.json: No such file or directory; give" in capsys.readouterr().err
