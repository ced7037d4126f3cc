"""What a rank is told, read from the environment once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from wattrain_api import names
from wattrain_api.registered import Recipe
from wattrain_api.training import Training
from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_worker.errors import BadSpec
from wattrain_worker.job_spec import read_spec


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
    directive_file: str
    """Where rank 0 finds the newest directive; empty: none comes."""
    job: str
    """Name of the job; empty: it was not told."""


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
        directive_file=environ.get(names.ENV_RANK_DIRECTIVE_FILE, ""),
        job=environ.get(names.ENV_JOB, ""),
    )


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
