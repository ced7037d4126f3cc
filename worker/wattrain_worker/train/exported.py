"""A model that `export.py` wrote, read back: the module with its weights, its classes, and what makes its features."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from wattrain_api.names import FILE_MODEL, FILE_WEIGHTS
from wattrain_api.recipe_parameters import RecipeParameters, TaskKind
from wattrain_api.training import MetricName, Training
from wattrain_worker.data.prepared_data import MODEL_VERSION, Label, label_scaling_of, read_document, task_of
from wattrain_worker.errors import BadData, InputMissing
from wattrain_worker.train.evaluation import chunks_of
from wattrain_worker.train.onnx_export import FILE_ONNX
from wattrain_worker.train.onnx_module import OnnxModule, told_in_a_line
from wattrain_worker.train.recipes import find_recipe, recipe_folders
from wattrain_worker.train.recipes.recipe_protocol import HasClassScores, Recipe
from wattrain_worker.train.roc_auc import roc_auc_of, with_roc_auc
from wattrain_worker.train.sample_shapes import shape_of, wanted_classes
from wattrain_worker.train.task import autocast

_REMEDY = "train it again with this Wattrain"


@dataclass(frozen=True)
class ExportedModel:
    """A trained model, ready to be asked."""

    module: nn.Module
    recipe: Recipe[Any, Any]
    parameters: RecipeParameters
    training: Training
    """How it was trained, of which precision and chunks make its outputs what they were in the run."""
    task: TaskKind
    classes: tuple[Label, ...]
    """None in a regression."""
    written: tuple[str, ...]
    """Each class as the file that it was trained on writes it."""
    document: dict[str, Any]
    """prepare.json of its data."""

    @torch.inference_mode()
    def outputs(self, features: npt.NDArray[Any]) -> Tensor:
        """What the recipe's loss and metrics take, one row a sample of `features` [samples, ...]: computed in the same
        chunks and precision as an evaluation in the run."""
        at_once = self.recipe.evaluated_at_once
        chunks = [features[chunk] for chunk in chunks_of(len(features), self.training.logical_shards, at_once)]
        with autocast(self.training, torch.device("cpu")):
            return torch.cat([self.module(torch.from_numpy(np.array(chunk))) for chunk in chunks if len(chunk)])

    def answers(self, outputs: Tensor) -> list[str] | list[float]:
        """[rows]: the class of each as the training's file writes it, or in a regression the number in the label's own
        unit. A job may ask for more classes than its data has."""
        if self.task == "regression":
            mean, scale = label_scaling_of(self.document)
            return [float(f"{number * scale + mean:.7g}") for number in outputs[:, 0].double().tolist()]
        return [self.written[code] for code in outputs[:, : len(self.classes)].argmax(dim=1).tolist()]

    def probabilities(self, outputs: Tensor) -> npt.NDArray[np.float64] | None:
        """[rows, classes]: how probable each class is, in the order of `written`; None where there are no classes. What
        a model gives to classes that its data does not have is in none of them."""
        if self.task != "classification":
            return None
        assert isinstance(self.recipe, HasClassScores)
        return self.recipe.probabilities(outputs)[:, : len(self.classes)].numpy()

    def metrics(self, outputs: Tensor, labels: Tensor, rows: int) -> dict[str, float]:
        """The recipe's metrics over `rows` rows by name, as the run computes them, to five digits. `labels`: of those
        rows that have `outputs`; the others count as wrong."""
        found = self.metrics_of(self.recipe.metric_sums(outputs, labels), rows)
        if "rocAuc" in self.recipe.metrics and len(labels) == rows:
            assert isinstance(self.recipe, HasClassScores)
            found = with_roc_auc(found, roc_auc_of(self.recipe.class_scores(outputs), labels))
        return rounded(found)

    def metrics_of(self, sums: Tensor, rows: int) -> dict[MetricName, float]:
        """The recipe's metrics from its sums over `rows` samples."""
        return self.recipe.metrics_of(sums.tolist(), rows, label_scaling_of(self.document).scale)


def rounded(metrics: Mapping[MetricName, float]) -> dict[str, float]:
    """To five digits, as people read them."""
    return {name: float(f"{value:.5g}") for name, value in metrics.items()}


def load_exported(directory: Path, *, as_onnx: bool = False) -> ExportedModel:
    """The model in `directory`; `as_onnx`: computed by ONNX Runtime from its graph, without the weights. InputMissing
    where none is there, BadData where it is not what was exported."""
    model = _read_model_json(directory / FILE_MODEL)
    document = read_document(directory)
    try:
        name, classes, written = model["recipe"], tuple(model["classes"]), tuple(document.get("classesAsWritten", ()))
        if name not in recipe_folders():
            raise BadData(
                f"{directory / FILE_MODEL}: the recipe {name} is not installed here; use the Wattrain that trained it"
            )
        task = task_of(document)
        recipe = find_recipe(name, task)
        parameters = recipe.parameters.model_validate(model["params"])
        if as_onnx:
            module: nn.Module = _graph(directory / FILE_ONNX)
        else:
            module = recipe.build_model(shape_of(document, wanted_classes(parameters)), parameters)
            module.load_state_dict(_weights(directory / FILE_WEIGHTS))
        training = Training.model_validate(model["training"])
        if any(model[name] != document.get(name, []) for name in ("columns", "classes")):
            raise ValueError("its columns or classes are not those of prepare.json")
        return ExportedModel(module.eval(), recipe, parameters, training, task, classes, written, document)
    except (KeyError, TypeError, ValueError, RuntimeError, ValidationError) as error:
        raise BadData(
            f"{directory}: not a model that this Wattrain can read ({told_in_a_line(error)}); {_REMEDY}"
        ) from error


def _read_model_json(path: Path) -> dict[str, Any]:
    try:
        model = json.loads(path.read_bytes())
    except OSError as error:
        raise InputMissing(
            f"{path}: {error.strerror}; give the directory of a run that is complete, or its model/"
        ) from error
    except ValueError as error:
        raise BadData(f"{path}: not JSON ({error}); {_REMEDY}") from error
    version = model.get("version") if isinstance(model, dict) else None
    if version != MODEL_VERSION:
        raise BadData(f"{path}: a model of version {version!r}, here version {MODEL_VERSION} is read; {_REMEDY}")
    return dict(model)


def _weights(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load

    try:
        return dict(load(path.read_bytes()))
    except OSError as error:
        raise InputMissing(f"{path}: {error.strerror}; copy the whole directory of the model") from error
    except safetensors.SafetensorError as error:
        raise BadData(f"{path}: damaged ({error}); copy it again, or {_REMEDY}") from error


def _graph(path: Path) -> OnnxModule:
    try:
        return OnnxModule(path.read_bytes(), str(path))
    except OSError as error:
        raise InputMissing(
            f"{path}: {error.strerror}; train with spec.training.onnx: true, or give the directory of the model"
        ) from error
