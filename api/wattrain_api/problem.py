"""What is wrong with an input, where, and what to write instead."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pydantic_core import ErrorDetails

Path = tuple[str | int, ...]
"""Where a value lies in a document: names of fields and indices of lists."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong. As text: `job.yaml:12: spec.training.optimizer.lr: -0.1 is not allowed: ...; ...`."""

    file: str
    """Path as the user gave it, or `--set`."""
    line: int
    """1-based; 0 where there is none."""
    field: str
    """Path of the field, such as `spec.workers.env[0].name`; empty for the document as a whole."""
    value: str
    """The refused value as YAML; empty where a value is not the point."""
    message: str
    """What is wrong, in words."""
    remedy: str
    """What to write instead."""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        what = f"{self.value} is not allowed: {self.message}" if self.value else self.message
        text = ": ".join(filter(None, (place, self.field, what))) + (f"; {self.remedy}" if self.remedy else "")
        # A stranger's file must not be able to move the cursor of whoever reads this.
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class InvalidInput(Exception):  # noqa: N818 (it says what is wrong better than InvalidInputError)
    """The user's input cannot be used. `problems` says everything that is wrong with it, at least one thing."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(explain(self.problems))


def explain(problems: Iterable[Problem]) -> str:
    """One line for each problem."""
    return "\n".join(str(problem) for problem in problems)


def field_path(path: Path) -> str:
    """`("spec", "workers", "env", 0, "name")` as `spec.workers.env[0].name`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def plain_details(details: ErrorDetails) -> ErrorDetails:
    """An error of pydantic's in a TrainingJob or its spec, as if there were no union of recipes.

    Its place loses the name of the recipe, which pydantic puts behind `recipe` to say whose fields it tried; and what
    is wrong with `recipe.name` is said of that field, not of the recipe.
    """
    place = details["loc"]
    for recipe in (("recipe",), ("spec", "recipe")):
        if place[: len(recipe)] == recipe:
            place = (*recipe, *place[len(recipe) + 1 :])
    if not details["type"].startswith("union_tag_"):
        return {**details, "loc": place}
    context = details["ctx"]
    name = context["discriminator"].strip("'")
    plain: ErrorDetails = {**details, "loc": (*place, name), "type": "missing", "msg": "Field required"}
    if details["type"] == "union_tag_invalid":
        plain |= {"type": "literal_error", "msg": f"must be one of {context['expected_tags']}"}
        plain["input"] = details["input"][name]
    return plain
