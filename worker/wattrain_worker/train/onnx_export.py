"""The exported model as an ONNX graph, which counts only where ONNX Runtime computes from it what the model does."""

from __future__ import annotations

import copy
import importlib.util
import warnings
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from wattrain_worker.errors import BadSpec
from wattrain_worker.train.onnx_module import OnnxModule, told_in_a_line

FILE_ONNX: Final = "model.onnx"
MOST_SAMPLES: Final = 64
"""So many samples are compared, at most."""
_RELATIVE, _ABSOLUTE = 1e-3, 1e-4
"""How far an output may be from the model's: sums of float32 that are added in another order."""
_PACKAGES: Final = ("onnx", "onnxscript", "onnxruntime")


class NoOnnx(Exception):  # noqa: N818
    """The model is not written as ONNX; the text says why."""


@dataclass(frozen=True)
class OnnxGraph:
    """A graph that was compared with its model."""

    content: bytes
    """The file. Its input `features` and its output `outputs` are [samples, ...], for any number of samples."""
    samples: int
    """That were compared."""
    largest_difference: float
    """Of an output from the model's."""


def check_onnx() -> None:
    """BadSpec where `training.onnx: true` could not be done here."""
    missing = [package for package in _PACKAGES if importlib.util.find_spec(package) is None]
    if missing:
        raise BadSpec(
            f"spec.training.onnx: true needs {', '.join(missing)}; pip install 'wattrain[onnx]', take a worker image "
            "that has it, or write false"
        )


def onnx_graph(model: nn.Module, features: Tensor) -> OnnxGraph:
    """`model` as a graph, compared with it on `features`, [samples, ...] that it was not trained on. NoOnnx where torch
    cannot write it, or ONNX Runtime computes something else."""
    module = copy.deepcopy(model).cpu().eval()
    features = features[:MOST_SAMPLES].cpu()
    try:
        content = _written(module, features)
        largest = max(_difference(module, content, part) for part in (features, features[:1]))
    except NoOnnx:
        raise
    except Exception as error:  # of torch's exporter and of the runtime, each of which has errors of its own
        raise NoOnnx(f"it cannot be written ({told_in_a_line(error)})") from error
    return OnnxGraph(content, len(features), largest)


def _written(module: nn.Module, features: Tensor) -> bytes:
    # An example of one sample would be taken for a constant.
    example = features if len(features) > 1 else torch.cat([features, features])
    with warnings.catch_warnings(), torch.inference_mode(mode=False):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module,
            (example.clone(),),
            dynamo=True,
            verbose=False,
            input_names=["features"],
            output_names=["outputs"],
            dynamic_shapes=({0: torch.export.Dim("samples"), 1: torch.export.Dim.AUTO},),
        )
    assert program is not None
    content: bytes = program.model_proto.SerializeToString()
    return content


def _difference(module: nn.Module, content: bytes, features: Tensor) -> float:
    """The largest difference between the outputs of `module` and of the graph. NoOnnx where it is too large."""
    with torch.inference_mode():
        expected: npt.NDArray[Any] = module(features).float().numpy()
    found: npt.NDArray[Any] = OnnxModule(content, FILE_ONNX)(features).numpy()
    if found.shape != expected.shape:
        raise NoOnnx(f"ONNX Runtime computes outputs of shape {found.shape} from it, not {expected.shape}")
    finite = np.isfinite(expected)
    largest = float(np.abs(found[finite] - expected[finite]).max(initial=0.0))
    if not np.isclose(found, expected, _RELATIVE, _ABSOLUTE).all():
        raise NoOnnx(f"ONNX Runtime computes something else from it: outputs differ by up to {largest:.3g}")
    return largest
