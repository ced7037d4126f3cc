"""The trained model as files that need no torch: weights in safetensors, and what they mean in JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from wattrain_api.names import FILE_PREPARE
from wattrain_worker.data.prepared import Prepared, atomic_file
from wattrain_worker.train.environment import RankEnvironment
from wattrain_worker.train.errors import StorageUnavailable
from wattrain_worker.train.evaluation import Score
from wattrain_worker.train.stepping import Task

_VERSION: Final = 1
FILE_WEIGHTS: Final = "model.safetensors"
FILE_MODEL: Final = "model.json"


def export_model(environment: RankEnvironment, task: Task, prepared: Prepared, step: int, test: Score | None) -> None:
    """Write the model into its directory. model.json comes last: where it is, the other files belong to it.

    StorageUnavailable where the directory cannot be written.
    """
    from safetensors.torch import save

    directory = environment.model_dir
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in task.model.state_dict().items()}
    document = {
        "version": _VERSION,
        "recipe": environment.recipe.name,
        "params": environment.recipe.params.to_json_object(),
        "columns": list(prepared.columns),
        "classes": list(prepared.classes),
        "step": step,
        "test": test.to_json_object() if test else None,
    }
    try:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / FILE_MODEL).unlink(missing_ok=True)  # an older one must not vouch for new weights
        _write(directory / FILE_PREPARE, (environment.data_dir / FILE_PREPARE).read_bytes())
        _write(directory / FILE_WEIGHTS, save(weights))
        _write(directory / FILE_MODEL, _json(document))
    except OSError as error:
        raise StorageUnavailable(
            f"{directory}: the model cannot be written: {error.strerror or error}; make room there, or make it writable"
        ) from error


def _write(path: Path, content: bytes) -> None:
    with atomic_file(path) as file:
        file.write(content)


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False).encode() + b"\n"
