"""Models that the worker brings, a folder each: what is particular to one of them. The engine does the rest.

Which recipes there are follows from the folders: `make generate` copies their names and parameters to where the API
finds them. See `recipe_protocol.py` for what a recipe is.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from wattrain_api.recipe_parameters import TaskKind
from wattrain_worker.errors import BadSpec
from wattrain_worker.train.recipes.recipe_protocol import Recipe


def recipe_folders() -> dict[str, str]:
    """The package of each recipe, by the recipe's name."""
    found = sorted(module.name for module in iter_modules(__path__) if module.ispkg)
    return {name.replace("_", "-"): f"{__name__}.{name}" for name in found}


def find_recipe(name: str, task: TaskKind | None = None) -> Recipe[Any, Any]:
    """The recipe called `name` for `task`; without one for the first that it does. BadSpec where this worker has none,
    naming those that it has."""
    folders = recipe_folders()
    if name not in folders:
        raise BadSpec(f"spec.recipe.name: {name} is not in this version; write one of {', '.join(folders)}")
    module = import_module(f"{folders[name]}.recipe")
    recipe: Recipe[Any, Any] = module.RECIPE
    if task in (None, recipe.task):
        return recipe
    further: tuple[Recipe[Any, Any], ...] = getattr(module, "FURTHER", ())
    other = next((each for each in further if each.task == task), None)
    if other is None:
        raise BadSpec(
            f"spec.recipe.name: {name} does no {task}, and the data is prepared for one; choose another recipe, or set "
            f"spec.data.task to {recipe.task}"
        )
    return other
