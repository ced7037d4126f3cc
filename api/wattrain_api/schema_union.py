"""A union of models told apart by a field, as one structural object: Kubernetes has no oneOf with properties inside.

The properties of all variants are merged, and rules say which variant takes which. pydantic has the union itself, so it
gives the same answers. The API server fills in no default of a parameter: it would do so for every variant. Each
description says what is used where the parameter is left out.
"""

from __future__ import annotations

import json
from typing import Any, Final

from wattrain_api.base import cel_name

Schema = dict[str, Any]
PARAMETERS: Final = "params"
"""The field that differs between variants; all else but their name is the same."""


def merged_union(node: Schema, variants: list[Schema], parameters: list[Schema]) -> Schema:
    """`node`, a `oneOf` of `variants`, as an object.

    `variants` and `parameters` are JSON schemas without references, in the order of the union: of each variant and of
    its `params`. ValueError where two variants have a parameter of the same name and of another kind.
    """
    name = node["discriminator"]["propertyName"]
    by_name = {variant["properties"][name]["const"]: own for variant, own in zip(variants, parameters, strict=True)}
    kinds = "; ".join(f"{known}: {_first_sentence(own)}" for known, own in by_name.items())
    owners: dict[str, list[str]] = {}
    for known, own in by_name.items():
        for field in own["properties"]:
            owners.setdefault(field, []).append(known)
    first = variants[0]["properties"]
    return {
        **{key: value for key, value in node.items() if key not in ("oneOf", "discriminator")},
        "type": "object",
        "properties": {
            name: {"type": "string", "enum": list(by_name), "description": f"{first[name]['description']} {kinds}."},
            PARAMETERS: {
                "type": "object",
                "description": first[PARAMETERS]["description"],
                "default": {},
                "properties": {field: _merged_field(field, names, by_name) for field, names in owners.items()},
            },
        },
        "required": [name],
        "x-kubernetes-validations": [
            *(_belongs(name, field, names) for field, names in owners.items() if len(names) < len(by_name)),
            *(
                _is_needed(name, field, known)
                for known, own in by_name.items()
                for field in own.get("required", ())
            ),
        ],
    }  # fmt: skip


def _first_sentence(schema: Schema) -> str:
    return _after_colon(" ".join(schema["description"].split()).rstrip("."))


def _after_colon(text: str) -> str:
    """`text` with a small first letter, unless its first word is an abbreviation such as SGD or L2."""
    return text if text[1:2].isupper() or text[1:2].isdigit() else text[:1].lower() + text[1:]


def _merged_field(field: str, names: list[str], by_name: dict[str, Schema]) -> Schema:
    """One parameter, described for all recipes that take it."""
    told: dict[str, list[str]] = {}
    kinds = []
    for known in names:
        own = dict(by_name[known]["properties"][field])
        default, description = own.pop("default", None), " ".join(own.pop("description").split())
        own.pop("title", None)
        kinds.append(own)
        suffix = "" if default is None else f" Default: {json.dumps(default)}."
        told.setdefault(f"{description}{suffix}", []).append(known)
    if any(kind != kinds[0] for kind in kinds):
        raise ValueError(
            f"params.{field} is not the same in the recipes {', '.join(names)}, and a CustomResourceDefinition has one "
            "type and one range for a field; make it the same in each of them, or choose another name"
        )
    sentences = [
        f"Of {', '.join(known)}: {_after_colon(text)}" if len(known) < len(by_name) else text
        for text, known in told.items()
    ]
    return {**kinds[0], "description": " ".join(sentences)}


def _belongs(name: str, field: str, names: list[str]) -> Schema:
    return {
        "rule": f"!has(self.{PARAMETERS}.{cel_name(field)}) || self.{name} in {json.dumps(names)}",
        "message": f"{field} is a parameter of {' and '.join(names)} alone: remove it, or choose another recipe",
        "fieldPath": f".{PARAMETERS}.{field}",
    }


def _is_needed(name: str, field: str, known: str) -> Schema:
    return {
        "rule": f"self.{name} != {json.dumps(known)} || has(self.{PARAMETERS}.{cel_name(field)})",
        "message": f"{known} needs the parameter {field}: add it",
        "fieldPath": f".{PARAMETERS}.{field}",
    }
