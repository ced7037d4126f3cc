"""What a rank is told, read from the environment once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from wattrain_api import names
from wattrain_api.training import Recipe, Training
from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_worker.train.errors import BadSpec


@dataclass(frozen=True)
class RankEnvironment:
    """One rank's place in its group, its spec and its directories."""

    rank: int
    world_size: int
    local_rank: int
    local_world_size: int
    threads: int
    """Threads for arithmetic."""
    attempt: int
    generation: int
    spec: TrainingJobSpec
    recipe: Recipe
    training: Training
    data_dir: Path
    checkpoint_dir: Path
    model_dir: Path


def read_environment(environ: Mapping[str, str]) -> RankEnvironment:
    """The rank that `environ` describes. BadSpec names the variable or the field that is wrong, and what to write."""
    spec = read_spec(Path(_required(environ, names.ENV_SPEC)))
    if spec.recipe is None or spec.training is None:
        raise BadSpec("spec.recipe: missing; wattrain_worker.train runs recipes, a script is started by its command")
    world_size = _integer(environ, "WORLD_SIZE", minimum=1, default=1)
    rank = _integer(environ, "RANK", minimum=0, default=0)
    if rank >= world_size:
        raise BadSpec(f"RANK is {rank}: it must be below WORLD_SIZE, which is {world_size}")
    if world_size > 1:
        _required(environ, "MASTER_ADDR")
        _integer(environ, "MASTER_PORT", minimum=1)
    return RankEnvironment(
        rank=rank,
        world_size=world_size,
        local_rank=_integer(environ, "LOCAL_RANK", minimum=0, default=0),
        local_world_size=_integer(environ, "LOCAL_WORLD_SIZE", minimum=1, default=1),
        threads=_integer(environ, "OMP_NUM_THREADS", minimum=1, default=1),
        attempt=_integer(environ, names.ENV_ATTEMPT, minimum=1, default=1),
        generation=_integer(environ, names.ENV_GENERATION, minimum=0, default=0),
        spec=spec,
        recipe=spec.recipe,
        training=spec.training,
        data_dir=Path(_required(environ, names.ENV_DATA_DIR)),
        checkpoint_dir=Path(_required(environ, names.ENV_CHECKPOINT_DIR)),
        model_dir=Path(_required(environ, names.ENV_MODEL_DIR)),
    )


def read_spec(path: Path) -> TrainingJobSpec:
    """The spec in the JSON file `path`. Unknown fields are ignored: a newer operator may know more of them."""
    try:
        return TrainingJobSpec.model_validate_json(path.read_bytes(), extra="ignore")
    except OSError as error:
        raise BadSpec(f"{path}: {error.strerror}; {names.ENV_SPEC} must name a file with the job's spec") from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(("spec", *map(str, first["loc"])))
        value = f" (it is {str(first['input'])[:60]!r})" if first["loc"] else ""
        raise BadSpec(f"{field}: {first['msg']}{value}; correct it in {path}") from error


def _required(environ: Mapping[str, str], name: str) -> str:
    if value := environ.get(name):
        return value
    raise BadSpec(f"{name} is not set: the supervisor of the worker sets it; see docs/worker-contract.md")


def _integer(environ: Mapping[str, str], name: str, *, minimum: int, default: int | None = None) -> int:
    if default is not None and not environ.get(name):
        return default
    text = _required(environ, name)
    try:
        value = int(text)
    except ValueError:
        value = minimum - 1
    if value < minimum:
        raise BadSpec(f"{name} is {text!r}: write a whole number of at least {minimum}")
    return value
