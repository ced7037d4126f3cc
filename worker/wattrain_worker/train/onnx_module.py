"""A graph in an ONNX file in the place of the model that it was written from: ONNX Runtime computes its outputs."""

from __future__ import annotations

import importlib
from typing import Any

import torch
from torch import Tensor, nn

from wattrain_worker.errors import BadData, BadSpec


class OnnxModule(nn.Module):
    """Takes features [samples, ...] and gives the outputs of the model, on the CPU."""

    def __init__(self, content: bytes, where: str) -> None:
        """`content`: of the file, which `where` names to a person. BadSpec where ONNX Runtime is not installed, BadData
        where it cannot read the file."""
        super().__init__()
        self._where = where
        try:
            runtime: Any = importlib.import_module("onnxruntime")
        except ImportError as error:
            raise BadSpec(
                f"{where}: onnxruntime is not installed ({error}), which computes such a file; pip install "
                "'wattrain[onnx]', or give the model's directory"
            ) from error
        try:
            self._session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
            [self._input] = [each.name for each in self._session.get_inputs()]
        except Exception as error:  # the runtime has a dozen of its own, with Exception alone in common
            raise BadData(
                f"{where}: no graph that can be run ({told_in_a_line(error)}); copy it again, or train anew"
            ) from error

    def forward(self, features: Tensor) -> Tensor:
        """[samples, ...]: what the graph computes of `features` [samples, ...]. BadData where these do not fit it."""
        try:
            [outputs] = self._session.run(None, {self._input: features.cpu().numpy()})
        except Exception as error:
            why = told_in_a_line(error)
            raise BadData(
                f"{self._where}: ONNX Runtime cannot compute it for features {list(features.shape)} ({why}); is it of "
                "the same training as model.json? Copy the whole directory of the model"
            ) from error
        return torch.from_numpy(outputs)


def told_in_a_line(error: Exception) -> str:
    """Its class and its text, cut to what a line of a message holds."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
