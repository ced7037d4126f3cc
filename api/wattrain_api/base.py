"""The base of all models: frozen, camelCase outside, with rules that hold in Python and in the API server."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

_CEL_KEYWORDS = frozenset({
    "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let",
    "loop", "package", "namespace", "return", "var", "void", "while",
})  # fmt: skip


def cel_name(name: str) -> str:
    """The field `name` as CEL writes it."""
    return f"__{name}__" if name in _CEL_KEYWORDS else name


@dataclass(frozen=True)
class Rule:
    """Something that a schema cannot say, written twice side by side: in CEL for the API server and in Python.

    `message` tells a person what to write instead. `check` gets the model and answers whether the rule holds.
    """

    cel: str
    message: str
    check: Callable[[Any], bool]


def exactly_one(*fields: str) -> Rule:
    """The rule that one of `fields`, two or more, is given and no other."""
    given = [to_camel(field) for field in fields]
    present = ", ".join(f"has(self.{name})" for name in given)
    return Rule(
        f"[{present}].filter(x, x).size() == 1",
        f"give exactly one of {', '.join(given[:-1])} and {given[-1]}",
        lambda model: sum(getattr(model, field) is not None for field in fields) == 1,
    )


class Model(BaseModel):
    """Frozen; unknown fields are refused. Read what an API server sends with `model_validate(..., extra="ignore")`,
    so that a newer definition cannot crash an older operator."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        populate_by_name=True,
        allow_inf_nan=False,
    )

    RULES: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="after")
    def _obey_rules(self) -> Self:
        for rule in self.RULES:
            if not rule.check(self):
                raise ValueError(rule.message)
        return self

    def to_json_object(self) -> dict[str, Any]:
        """The model as the API server knows it: camelCase, absent instead of null."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def without_defaults(self) -> dict[str, Any]:
        """The same without what has its default value, so that a field which a later version adds changes nothing."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)


QUANTITY_PATTERN = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$"
_FACTORS = {
    "": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50,
}  # fmt: skip


def _number_to_quantity(value: Any) -> Any:
    # Not floats: the API server takes an integer or a string, and a file must mean the same in both places.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Quantity = Annotated[str, Field(pattern=QUANTITY_PATTERN, max_length=32), BeforeValidator(_number_to_quantity)]
"""An amount as Kubernetes writes it: `500m`, `2`, `1.5`, `2Gi`."""


def quantity_value(quantity: str) -> float:
    """`quantity` as a plain number: CPUs for `500m`, bytes for `2Gi`. ValueError where it is none."""
    match = re.match(r"^([0-9.]+)([a-zA-Z]*)$", quantity)
    if match is None or match[2] not in _FACTORS:
        raise ValueError(
            f"{quantity!r} is no quantity: write a number with m, k, M, G, T, P, Ki, Mi, Gi, Ti, Pi or nothing"
        )
    return float(match[1]) * _FACTORS[match[2]]


Name = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63, min_length=1)]
"""A DNS label."""
ObjectName = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", min_length=1, max_length=253)]
"""Name of an object of Kubernetes that may have dots, such as a Secret or a claim."""
LabelKey = Annotated[str, Field(min_length=1, max_length=317)]
LabelValue = Annotated[str, Field(max_length=63)]
Line = Annotated[str, Field(max_length=1024)]
"""One line of text."""
Path = Annotated[str, Field(min_length=1, max_length=1024)]
