"""`wattrain recipes`: the models that Wattrain brings, their parameters, and what they cost."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from pydantic.alias_generators import to_camel

from wattrain_api.atomic_file import write_atomically
from wattrain_api.field_docstrings import field_docstrings
from wattrain_api.load import InvalidInput, load_files
from wattrain_api.recipe_cost import RecipeCost, RecipeCosts
from wattrain_api.recipe_parameters import RecipeParameters
from wattrain_api.registered import RECIPE_PARAMETERS
from wattrain_operator.cli.worker_answer import ask_worker
from wattrain_operator.local.preflight import missing_packages
from wattrain_operator.local.refused import EXIT_BAD_INPUT

_COSTS = "wattrain_worker.train.recipe_costs"


class Listing(StrEnum):
    """How recipes are listed."""

    TEXT = "text"
    JSON = "json"


def recipes(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME]",
            help="A recipe, or a job's file: the costs are then those of the job. Default: all recipes.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[Listing, typer.Option(help="json: one object.")] = Listing.TEXT,
) -> None:
    """List the recipes: what each does, its parameters, operations a sample and memory.

    Costs are computed from the model, which is not trained: docs/recipes.md says what they hold and how far they are
    from what was measured. Without a job they are those of the default parameters at an example of its samples.
    Exit code: 0, 1 failed, 2 bad input.
    """
    if name is None or name in RECIPE_PARAMETERS:
        names = list(RECIPE_PARAMETERS) if name is None else [name]
        found = _costs_of(names)
    else:
        names, found = _of_job(Path(name))
    listed = [_facts(each, RECIPE_PARAMETERS[each]) for each in names]
    if output is Listing.JSON:
        by_name = {cost.recipe: cost.to_json_object() for cost in found.costs}
        document = [{**facts, "cost": by_name.get(str(facts["name"]))} for facts in listed]
        typer.echo(json.dumps({"recipes": document, "costUnknown": found.unknown}, ensure_ascii=False))
        return
    for facts in listed:
        cost = next((each for each in found.costs if each.recipe == facts["name"]), None)
        for line in _lines(facts, cost, found.unknown.get(str(facts["name"]), "")):
            typer.echo(line)


def _costs_of(names: list[str]) -> RecipeCosts:
    if missing := missing_packages():
        return RecipeCosts(costs=(), unknown=dict.fromkeys(names, missing))
    return ask_worker(_COSTS, [f"--recipe={name}" for name in names], RecipeCosts)


def _of_job(file: Path) -> tuple[list[str], RecipeCosts]:
    """The recipe of the job in `file`, and what it costs there."""
    if not file.exists():
        _refuse(f"{file}: there is no such recipe, and no such file; write one of {', '.join(RECIPE_PARAMETERS)}")
    try:
        jobs = load_files([file]).jobs
    except InvalidInput as error:
        _refuse(*map(str, error.problems))
    if len(jobs) > 1:
        _refuse(f"{file}: has {len(jobs)} TrainingJobs; give a file with one")
    recipe = jobs[0].spec.recipe
    if recipe is None:
        _refuse(f"{file}: spec.script: of a script nothing is known; give a job with a recipe")
    if missing := missing_packages():
        return [recipe.name], RecipeCosts(costs=(), unknown={recipe.name: missing})
    with tempfile.TemporaryDirectory(prefix="wattrain-recipes-") as directory:
        spec = Path(directory) / "spec.json"
        write_atomically(spec, jobs[0].spec.model_dump_json(by_alias=True).encode())
        return [recipe.name], ask_worker(_COSTS, [f"--spec={spec}"], RecipeCosts)


def _facts(name: str, parameters: type[RecipeParameters]) -> dict[str, Any]:
    """What the API knows of a recipe, as JSON."""
    told = field_docstrings(parameters)
    schema = parameters.model_json_schema(by_alias=False)
    return {
        "name": name,
        "samples": parameters.SAMPLES,
        "tasks": list(parameters.TASKS),
        "description": " ".join((parameters.__doc__ or "").split()),
        "parameters": [
            {
                "name": to_camel(field),
                "type": _type(part),
                "default": part.get("default"),
                "required": field in schema.get("required", ()),
                "description": " ".join(told.get(field, "").split()),
            }
            for field, part in schema["properties"].items()
        ],
    }


def _type(schema: dict[str, Any]) -> str:
    """The type of a parameter with its limits, in words."""
    if "anyOf" in schema:
        return " or ".join(_type(part) for part in schema["anyOf"] if part.get("type") != "null")
    if "enum" in schema or "const" in schema:
        return "one of " + ", ".join(map(str, schema.get("enum", [schema.get("const")])))
    if schema.get("type") == "array":
        return f"list of {_range(schema, 'minItems', 'maxItems')}: {_type(schema.get('items', {}))}"
    words = {"integer": "whole number", "number": "number", "boolean": "true or false", "string": "text"}
    return f"{words.get(str(schema.get('type')), 'value')} {_range(schema, 'minimum', 'maximum')}".rstrip()


def _range(schema: dict[str, Any], least: str, most: str) -> str:
    """Limits in words: `1 to 16`, `0 to below 1`; empty where there are none."""
    above, below = (f"exclusive{name.capitalize()}" for name in (least, most))
    low = f"{schema[least]:,}" if least in schema else f"above {schema[above]:,}" if above in schema else ""
    high = f"{schema[most]:,}" if most in schema else f"below {schema[below]:,}" if below in schema else ""
    return " to ".join(filter(None, (low, high)))


def _lines(facts: dict[str, Any], cost: RecipeCost | None, unknown: str) -> Iterator[str]:
    yield f"{facts['name']}: {' or '.join(facts['tasks'])}, on samples of the kind {facts['samples']}"
    yield f"  {facts['description']}"
    for each in facts["parameters"]:
        default = "" if each["default"] is None else f"; default {json.dumps(each['default'])}"
        yield f"  {each['name']}: {each['type']}{'; required' if each['required'] else default}. {each['description']}"
    if cost is None:
        yield f"  cost: not known: {unknown}"
    else:
        yield (
            f"  cost with {cost.shape}, {cost.batch_size:,} samples a batch, {cost.optimizer}: {cost.parameters:,} "
            f"weights, {_scaled(cost.flops_per_sample)}FLOP a sample and step, at most {_scaled(cost.peak_bytes)}B of "
            "memory"
        )
        yield (
            f"    (weights {_scaled(cost.parameter_bytes)}B, gradients {_scaled(cost.gradient_bytes)}B, optimizer "
            f"{_scaled(cost.optimizer_bytes)}B, activations {_scaled(cost.activation_bytes)}B; not all at one time)"
        )


def _scaled(value: float) -> str:
    """`value` with three digits and a factor of a thousand, ready for its unit."""
    for factor in ("", "k", "M", "G", "T"):
        if value < 1000:
            return f"{value:.3g} {factor}"
        value /= 1000
    return f"{value:.3g} P"


def _refuse(*lines: str) -> NoReturn:
    for line in lines:
        typer.echo(f"error: {line}", err=True)
    raise typer.Exit(EXIT_BAD_INPUT)
