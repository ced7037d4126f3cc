"""The trained model as files that need no torch: weights in safetensors, and what they mean in JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from wattrain_api.atomic_file import write_atomically
from wattrain_api.facts.card_energy import FILE_CARD
from wattrain_api.names import FILE_MODEL, FILE_PREPARE, FILE_WEIGHTS
from wattrain_api.training import EvaluationMetric
from wattrain_worker.data.prepared_data import MODEL_VERSION, Prepared, companions_of
from wattrain_worker.errors import StorageUnavailable
from wattrain_worker.train.evaluation import Score
from wattrain_worker.train.onnx_export import FILE_ONNX, OnnxGraph
from wattrain_worker.train.rank_environment import RankEnvironment
from wattrain_worker.train.training_state import State


@dataclass(frozen=True)
class Choice:
    """Which model is exported."""

    step: int
    """Step after which it was like that."""
    metric: EvaluationMetric | None = None
    """What it is the best by, of all evaluations of the validation split; None: it is that of the last step."""
    value: float = 0.0
    """Of that metric."""
    ema: float | None = None
    """Decay of the average that its weights are; None: they are no average."""

    def __str__(self) -> str:
        why = f"best {self.metric} on the validation split: {self.value:.5g}" if self.metric else "the last step"
        return why if self.ema is None else f"{why}, weights averaged (ema {self.ema:g})"


def export_model(
    environment: RankEnvironment,
    model: State,
    prepared: Prepared,
    choice: Choice,
    test: Score | None,
    graph: OnnxGraph | None = None,
    card: str = "",
) -> None:
    """Write `model`, the whole of it, `graph` and `card`, the model card. model.json comes last: where it is,
    the other files belong to it.

    StorageUnavailable where its directory cannot be written.
    """
    from safetensors.torch import save

    directory = environment.model_dir
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.items()}
    document = {
        "version": MODEL_VERSION,
        "recipe": environment.recipe.name,
        "params": environment.recipe.params.to_json_object(),
        "samples": prepared.samples,
        "columns": list(prepared.columns),
        "task": prepared.task,
        "classes": list(prepared.classes),
        "training": environment.training.to_json_object(),
        "step": choice.step,
        "best": {"metric": choice.metric, "value": choice.value} if choice.metric else None,
        "test": test.to_json_object() if test else None,
        "onnx": {"samples": graph.samples, "largestDifference": graph.largest_difference} if graph else None,
    }
    try:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / FILE_MODEL).unlink(missing_ok=True)  # an older one must not vouch for new weights
        for name in (FILE_PREPARE, *companions_of(prepared.document)):
            write_atomically(directory / name, (environment.data_dir / name).read_bytes())
        write_atomically(directory / FILE_WEIGHTS, save(weights))
        (directory / FILE_ONNX).unlink(missing_ok=True)
        if graph is not None:
            write_atomically(directory / FILE_ONNX, graph.content)
        if card:
            write_atomically(directory / FILE_CARD, card.encode())
        write_atomically(directory / FILE_MODEL, _json(document))
    except OSError as error:
        raise StorageUnavailable(
            f"{directory}: the model cannot be written: {error.strerror or error}; make room there, or make it writable"
        ) from error


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False).encode() + b"\n"
