"""The process behind `wattrain recipes`: what models cost, from their operations on tensors without values.

    python -m wattrain_worker.train.recipe_costs --recipe NAME [--recipe NAME ...]
    python -m wattrain_worker.train.recipe_costs --spec SPEC.json

With `--recipe` a model has its default parameters and the example shape of its recipe; with `--spec` all is the job's,
whose data is prepared for it in a directory that is thrown away.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from wattrain_api.recipe_cost import RecipeCost, RecipeCosts
from wattrain_api.recipe_parameters import RecipeParameters
from wattrain_api.training import Optimizer, Training
from wattrain_worker.data.prepare import prepare
from wattrain_worker.data.prepared_data import task_of
from wattrain_worker.errors import BadSpec, StorageUnavailable, WorkerError
from wattrain_worker.job_spec import read_spec
from wattrain_worker.train.optimizers import make_optimizer
from wattrain_worker.train.recipes import find_recipe
from wattrain_worker.train.recipes.recipe_protocol import HasExample, Recipe, Shape
from wattrain_worker.train.sample_shapes import shape_of, wanted_classes

_BATCH_SIZE: Final = Training(epochs=1).batch_size


def cost_of(
    name: str, recipe: Recipe[Any, Any], shape: Shape, parameters: RecipeParameters, batch_size: int, chosen: Optimizer
) -> RecipeCost:
    """The cost of a training step of `recipe` on `batch_size` samples of `shape`. BadSpec where the recipe does not
    say what samples of a shape look like."""
    if not isinstance(recipe, HasExample):
        raise BadSpec(f"spec.recipe.name: {name} does not say what its samples look like, so its cost is not known")
    with torch.device("meta"):
        model = recipe.build_model(shape, parameters)
        optimizer = make_optimizer(model, model.parameters(), chosen)
        for group in optimizer.param_groups:
            group["fused"] = False  # its kernels are not there for tensors without values; what it keeps is the same
        recipe.loss_sum(*_outputs(recipe, shape, model, batch_size)).backward()  # type: ignore[no-untyped-call]
        _step(optimizer, chosen.name)
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        gradient_bytes = sum(_bytes(parameter.grad) for parameter in trained if parameter.grad is not None)
        optimizer.zero_grad()
        own = [*model.parameters(), *model.buffers()]
        states = (value for state in optimizer.state.values() for value in state.values())
        of_optimizer = [value for value in states if isinstance(value, Tensor)]
        counter, memory = FlopCounterMode(display=False), _Memory([*own, *of_optimizer])
        with counter, memory:
            loss = recipe.loss_sum(*_outputs(recipe, shape, model, batch_size))
            activation_bytes = memory.bytes - memory.bytes_before
            loss.backward()  # type: ignore[no-untyped-call]
    return RecipeCost(
        recipe=name,
        task=recipe.task,
        shape=recipe.told_shape(shape),
        batch_size=batch_size,
        optimizer=chosen.name,
        parameters=sum(parameter.numel() for parameter in trained),
        flops_per_sample=counter.get_total_flops() / batch_size,
        parameter_bytes=sum(map(_bytes, own)),
        gradient_bytes=gradient_bytes,
        optimizer_bytes=sum(map(_bytes, of_optimizer)),
        activation_bytes=activation_bytes,
        peak_bytes=memory.peak_bytes,
    )


def _step(optimizer: torch.optim.Optimizer, name: str) -> None:
    """Have the optimizer make what it keeps. BadSpec where it looks at values on the way, of which there are none."""
    try:
        optimizer.step()
    except (RuntimeError, NotImplementedError) as error:
        raise BadSpec(
            f"spec.training.optimizer.name: what {name} keeps cannot be told without training; ask for the cost with "
            "adamw, which keeps two numbers a weight"
        ) from error


def _outputs(recipe: Recipe[Any, Any], shape: Shape, model: nn.Module, samples: int) -> tuple[Tensor, Tensor]:
    """Outputs and labels of a batch, which nothing else holds."""
    assert isinstance(recipe, HasExample)
    features, labels = recipe.example_batch(shape, samples)
    return model(features), labels


class _Memory(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the memory of tensors as operations make them and as they are let go; each piece once."""

    def __init__(self, there: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._pieces: dict[int, tuple[StorageWeakRef, int]] = {}
        self._note(there)
        self.bytes_before = self.peak_bytes = self.bytes

    @property
    def bytes(self) -> int:
        """What is held now."""
        self._pieces = {key: piece for key, piece in self._pieces.items() if not _is_gone(piece[0])}
        return sum(size for _, size in self._pieces.values())

    def __torch_dispatch__(self, operation: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = operation(*args, **(kwargs or {}))
        results = made if isinstance(made, tuple | list) else (made,)
        self._note(each for each in results if isinstance(each, Tensor))
        self.peak_bytes = max(self.peak_bytes, self.bytes)
        return made

    def _note(self, tensors: Iterable[Tensor]) -> None:
        for tensor in tensors:
            storage = tensor.untyped_storage()
            reference = StorageWeakRef(storage)  # type: ignore[no-untyped-call]
            self._pieces[reference.cdata] = (reference, storage.nbytes())


def _is_gone(reference: StorageWeakRef) -> bool:
    return bool(reference.expired())  # type: ignore[no-untyped-call]


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def default_cost(name: str) -> RecipeCost:
    """The cost of the recipe called `name` with its defaults, at its example shape."""
    recipe = find_recipe(name)
    if not isinstance(recipe, HasExample):
        raise BadSpec(f"spec.recipe.name: {name} does not say what its samples look like, so its cost is not known")
    return cost_of(name, recipe, recipe.example_shape(), recipe.parameters(), _BATCH_SIZE, Optimizer())


def job_cost(file: Path) -> RecipeCost:
    """The cost of the job whose spec is in `file`, one rank of which has its share of a batch."""
    spec = read_spec(file)
    if spec.recipe is None or spec.training is None:
        raise BadSpec("spec.recipe: not given, and of a script nothing is known; name a job with a recipe")
    with tempfile.TemporaryDirectory(prefix="wattrain-recipes-") as directory:
        document = prepare(spec, Path(directory)).document
    recipe = find_recipe(spec.recipe.name, task_of(document))
    parameters = recipe.parameters.model_validate(spec.recipe.params.to_json_object())
    ranks = spec.workers.replicas * spec.workers.processes_per_worker
    share = -(-spec.training.batch_size // (ranks * spec.training.gradient_accumulation))
    shape = shape_of(document, wanted_classes(parameters))
    return cost_of(spec.recipe.name, recipe, shape, parameters, share, spec.training.optimizer)


def main(arguments: list[str]) -> int:
    """Answer with JSON on standard output, and return the exit code; what is wrong is one line on standard error."""
    parser = argparse.ArgumentParser(prog="python -m wattrain_worker.train.recipe_costs")
    parser.add_argument("--recipe", action="append", default=[])
    parser.add_argument("--spec", type=Path)
    chosen = parser.parse_args(arguments)
    costs, unknown = [], {}
    try:
        for name in chosen.recipe:
            try:
                costs.append(default_cost(name))
            except (WorkerError, NotImplementedError, ImportError) as error:  # the others are known all the same
                unknown[name] = " ".join(str(error).split())[:300]
        if chosen.spec is not None:
            costs.append(job_cost(chosen.spec))
    except WorkerError as error:
        sys.stderr.write(f"error: {' '.join(str(error).splitlines())}\n")
        return 1 if isinstance(error, StorageUnavailable) else 2
    except KeyboardInterrupt:
        return 130
    sys.stdout.write(RecipeCosts(costs=tuple(costs), unknown=unknown).model_dump_json(by_alias=True))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
