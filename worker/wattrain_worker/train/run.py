"""From a rank's environment to its engine: everything that can be refused is refused here, before the first step."""

from __future__ import annotations

import torch

from wattrain_worker.data.prepared import Prepared, load_prepared
from wattrain_worker.report import report
from wattrain_worker.train.checkpoint import Fence
from wattrain_worker.train.deterministic import Deterministic, be_deterministic
from wattrain_worker.train.engine import Engine
from wattrain_worker.train.environment import RankEnvironment
from wattrain_worker.train.errors import BadData, BadSpec
from wattrain_worker.train.group import Group
from wattrain_worker.train.manifest import spec_sha256
from wattrain_worker.train.recipes import Recipe, find_recipe
from wattrain_worker.train.stepping import DataParallel, Rows, Stepper, Task
from wattrain_worker.train.stop import StopSignal


def run_rank(environment: RankEnvironment, stop: StopSignal) -> int:
    """Train as one rank of a group; returns the exit code."""
    report(phase="starting")
    recipe = _supported_recipe(environment)
    prepared = load_prepared(environment.data_dir)
    classes = _number_of_classes(environment, prepared)
    if environment.training.deterministic:
        be_deterministic()
    else:
        torch.set_num_threads(environment.threads)
    torch.manual_seed(environment.training.seed)
    model = recipe.build_model(len(prepared.columns), classes, environment.recipe.params)
    group = Group(environment)
    task = Task(model.to(group.device), recipe, environment.training, Rows(prepared.train, group.device))
    stepper: Stepper = Deterministic(group, task) if environment.training.deterministic else DataParallel(group, task)
    fence = Fence(environment.attempt, environment.generation, group.size, spec_sha256(environment.spec))
    return Engine(environment, group, task, stepper, prepared, fence).train(stop)


def _supported_recipe(environment: RankEnvironment) -> Recipe:
    parallelism, training = environment.spec.parallelism, environment.training
    if parallelism.strategy != "DDP":
        raise BadSpec(f"spec.parallelism.strategy: {parallelism.strategy} is not supported yet; write DDP")
    for name, value in (("tensor", parallelism.tensor), ("pipeline", parallelism.pipeline)):
        if value != 1:
            raise BadSpec(f"spec.parallelism.{name}: {value} is not supported yet; write 1")
    if training.precision == "fp16":
        raise BadSpec("spec.training.precision: fp16 is not supported yet; write bf16, or fp32")
    if training.deterministic and training.compile:
        # What torch.compile makes of a shape depends on the shapes it saw before, and so on restarts.
        raise BadSpec("spec.training.compile: true is not possible with deterministic: true; leave one of them out")
    if training.deterministic and environment.world_size > training.logical_shards:
        raise BadSpec(
            f"spec.training.logicalShards: {training.logical_shards} is less than the {environment.world_size} ranks; "
            "raise it, or start fewer ranks"
        )
    return find_recipe(environment.recipe.name)


def _number_of_classes(environment: RankEnvironment, prepared: Prepared) -> int:
    found, wanted = len(prepared.classes), environment.recipe.params.classes
    if not len(prepared.train.labels):
        raise BadData(f"{environment.data_dir}: the training split is empty; give it a larger share or more rows")
    if wanted is not None and wanted < found:
        raise BadSpec(f"spec.recipe.params.classes: {wanted}, but the data has {found}; raise it, or leave it out")
    return wanted or found
