"""From a rank's environment to its engine: everything that can be refused is refused here, before the first step."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from wattrain_api.recipe_parameters import RecipeParameters
from wattrain_worker.data.prepared_data import FILE_INITIAL, Prepared, load_prepared, read_companion
from wattrain_worker.errors import BadData, BadSpec
from wattrain_worker.report import report
from wattrain_worker.train.class_weights import class_weights
from wattrain_worker.train.compiler import check_compiler
from wattrain_worker.train.elastic_sampler import BatchSampler
from wattrain_worker.train.engine import Engine
from wattrain_worker.train.loss_scaling import LossScaling
from wattrain_worker.train.manifest import Fence, spec_sha256
from wattrain_worker.train.onnx_export import check_onnx
from wattrain_worker.train.process_group import ProcessGroup
from wattrain_worker.train.rank_environment import RankEnvironment
from wattrain_worker.train.recipes import find_recipe
from wattrain_worker.train.recipes.recipe_protocol import BeginsWithModel, Recipe, Shape
from wattrain_worker.train.reporting import say
from wattrain_worker.train.restore import remembered_tuning
from wattrain_worker.train.sample_shapes import shape_of, wanted_classes
from wattrain_worker.train.stop import StopSignal
from wattrain_worker.train.strategies import find_strategy
from wattrain_worker.train.strategies.protocol import StrategyFactory
from wattrain_worker.train.task import Rows, Task
from wattrain_worker.train.tuning_trials import Trials, laid_out, still_possible


def run_rank(environment: RankEnvironment, stop: StopSignal) -> int:
    """Train as one rank of a group; returns the exit code."""
    report(phase="starting")
    wrap = find_strategy(environment.spec.parallelism.strategy, deterministic=environment.training.deterministic)
    prepared = load_prepared(environment.data_dir)
    recipe = _supported_recipe(environment, prepared)
    parameters = recipe.parameters.model_validate(environment.recipe.params.to_json_object())
    shape = _shape(environment, prepared, parameters)
    weights = class_weights(environment.training, prepared)
    _set_up_arithmetic(environment)
    torch.manual_seed(environment.training.seed)
    model = recipe.build_model(shape, parameters)
    if environment.training.initial_model is not None:
        _begin_with_model(recipe, model, environment, prepared)
    group = ProcessGroup(environment)
    if environment.training.compile:
        check_compiler(group.device.type)
    if environment.training.onnx:
        check_onnx()
    make_batch = functools.partial(recipe.make_batch, parameters=parameters)
    rows = Rows(prepared.train, group.device, make_batch, environment.training.seed)
    task = Task(
        model.to(group.device),
        recipe,
        environment.training,
        rows,
        outputs=shape.outputs,
        label_scale=prepared.label_scaling.scale,
        class_weights=weights,
        loss_scaling=LossScaling(group.device if environment.training.precision == "fp16" else None),
    )
    task = _tuned(environment, group, task, wrap)
    environment = replace(environment, training=task.training)
    strategy = wrap(group, task)
    fence = Fence(environment.attempt, environment.generation, group.size, spec_sha256(environment.spec))
    return Engine(environment, group, task, strategy, prepared, fence).train(stop)


def _tuned(environment: RankEnvironment, group: ProcessGroup, task: Task, wrap: StrategyFactory) -> Task:
    """`task` as `training.auto` would have it computed: as a checkpoint remembers, else as is measured now."""
    training = task.training
    if not training.auto:
        return task
    remembered = group.broadcast_object(remembered_tuning(environment.checkpoint_dir) if group.rank == 0 else None)
    if remembered is not None:
        tuning = still_possible(remembered, group, task.model)
    else:
        steps = BatchSampler(len(task.rows), training.batch_size, training.seed).steps_per_epoch
        tuning = Trials(group, task, wrap, training.max_steps or (training.epochs or 0) * steps).choose()
    if group.rank == 0:
        say(f"auto: {tuning.told}")
        report(tuning=tuning.told)
    settled = training.model_copy(update={"compile": tuning.compile})
    return replace(task, model=laid_out(task.model, tuning), training=settled, tuning=tuning)


def _begin_with_model(
    recipe: Recipe[Any, Any], model: nn.Module, environment: RankEnvironment, prepared: Prepared
) -> None:
    from safetensors.torch import load

    if not isinstance(recipe, BeginsWithModel):
        raise BadSpec(f"spec.training.initialModel: {environment.recipe.name} begins with no other model; remove it")
    if FILE_INITIAL not in prepared.document["files"]:
        raise BadData(f"{environment.data_dir}: prepared without the initial model; prepare the data anew")
    recipe.begin_with(model, load(read_companion(environment.data_dir, FILE_INITIAL, prepared.document)))


def _supported_recipe(environment: RankEnvironment, prepared: Prepared) -> Recipe[Any, Any]:
    parallelism, training = environment.spec.parallelism, environment.training
    for name, value in (("tensor", parallelism.tensor), ("pipeline", parallelism.pipeline)):
        if value != 1:
            raise BadSpec(f"spec.parallelism.{name}: {value} is not supported yet; write 1")
    recipe = find_recipe(environment.recipe.name, prepared.task)
    if (needed := recipe.parameters.SAMPLES) != prepared.samples:
        raise BadSpec(
            f"spec.recipe.name: {environment.recipe.name} needs samples of the kind {needed}, and the data is prepared "
            f"as {prepared.samples}; choose another recipe, or prepare the data for this one"
        )
    watched = {"bestMetric": training.best_metric}
    if training.early_stopping:
        watched["earlyStopping.metric"] = training.early_stopping.metric
    for field, metric in watched.items():
        if metric not in (None, "loss", *recipe.metrics):
            raise BadSpec(
                f"spec.training.{field}: {metric} is no metric of the recipe {environment.recipe.name}; write one of "
                f"{', '.join(('loss', *recipe.metrics))}"
            )
    return recipe


def _set_up_arithmetic(environment: RankEnvironment) -> None:
    if environment.training.deterministic:
        torch.use_deterministic_algorithms(True)  # refuse what is not reproducible
        torch.set_num_threads(1)  # how many there are would change the order of additions
    else:
        torch.set_num_threads(environment.threads)


def _shape(environment: RankEnvironment, prepared: Prepared, parameters: RecipeParameters) -> Shape:
    if not len(prepared.train):
        raise BadData(f"{environment.data_dir}: the training split is empty; give it a larger share or more rows")
    found, wanted = len(prepared.classes), wanted_classes(parameters)
    if prepared.task == "classification" and wanted is not None and wanted < found:
        raise BadSpec(f"spec.recipe.params.classes: {wanted}, but the data has {found}; raise it, or leave it out")
    return shape_of(prepared.document, wanted)
