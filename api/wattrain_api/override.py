"""`--set workers.replicas=3`: values from the command line, put into a document before it is validated."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from wattrain_api.document import read_documents
from wattrain_api.problem import InvalidInput, Path, Problem, field_path
from wattrain_api.schema import Schema, structural_schema
from wattrain_api.trainingjob import TrainingJob
from wattrain_api.translation import schema_at, unknown_field

FILE = "--set"
"""What stands for the file in a problem with an override."""
_EXAMPLE = "write it as workers.replicas=3"


def apply_overrides(document: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """A copy of the TrainingJob `document` with `overrides` applied in their order.

    Each is `path=value`: a path below `spec` (`workers.env[0].value`, `workers.resources.limits.nvidia.com/gpu`) and
    a YAML value; an empty value removes the field. InvalidInput names every path that does not exist.
    """
    result = copy.deepcopy(document)
    problems: list[Problem] = []
    for override in overrides:
        try:
            path, value = parse_override(override)
            _assign(result, path, value)
        except InvalidInput as error:
            problems += error.problems
    if problems:
        raise InvalidInput(problems)
    return result


def parse_override(override: str) -> tuple[Path, Any]:
    """`override` as a path from the document's root, which the schema knows, and a value."""
    left, equals, right = override.partition("=")
    words = [word for word in left.strip().removeprefix("spec.").replace("[", ".").replace("]", "").split(".") if word]
    if not equals or not words:
        raise _refused(override, "not a path and a value", _EXAMPLE)
    schema = structural_schema(TrainingJob)
    path: Path = ("spec",)
    while words:
        here = schema_at(schema, path) or {}
        step, words = _step(here, words)
        if schema_at(schema, (*path, step)) is None:
            names = list(here.get("properties", {}))
            message, remedy = unknown_field(str(step), names) if names else ("there is nothing below it", _EXAMPLE)
            raise _refused(field_path((*path, step)), message, remedy)
        path = (*path, step)
    documents = read_documents(right, FILE)
    return path, documents[0].value if documents else None


def _step(here: Schema, words: list[str]) -> tuple[str | int, list[str]]:
    """The next step of a path. Keys of a map of plain values may hold dots (nvidia.com/gpu): they take all words."""
    if here.get("type") == "array" and words[0].isdigit():
        return int(words[0]), words[1:]
    values = here.get("additionalProperties")
    if values is not None and "properties" not in values:
        return ".".join(words), []
    return words[0], words[1:]


def _assign(document: dict[str, Any], path: Path, value: Any) -> None:
    target: Any = document
    for step, following in pairwise(path):
        target = _entered(target, step, [] if isinstance(following, int) else {}, path)
    last = path[-1]
    if isinstance(target, dict) and value is None:
        target.pop(last, None)
    else:
        _entered(target, last, value, path)
        target[last] = value


def _entered(target: Any, step: str | int, new: Any, path: Path) -> Any:
    """What lies at `step` in `target`; `new`, put there, where it is absent or the next item of a list."""
    if isinstance(target, dict) and target.get(step) is None:
        target[step] = new
    elif isinstance(target, list) and step == len(target):
        target.append(new)
    try:
        return target[step]
    except (IndexError, TypeError):
        raise _refused(field_path(path), f"there is no {step} to set it in", "add it to the file first") from None


def _refused(field: str, message: str, remedy: str) -> InvalidInput:
    return InvalidInput([Problem(FILE, 0, field, "", message, remedy)])
