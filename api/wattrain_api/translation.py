"""What pydantic says about a document, in plain words: what is wrong, and what to write instead."""

from __future__ import annotations

import json
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from wattrain_api.base import QUANTITY_PATTERN
from wattrain_api.document import Document
from wattrain_api.problem import Path, Problem, field_path, plain_details
from wattrain_api.registered import RECIPE_PARAMETERS
from wattrain_api.schema import Schema, structural_schema
from wattrain_api.variables import FIELD_PATH_PATTERN

Words = tuple[str, str, str]
"""The refused value (empty where it is not the point), what is wrong, and the remedy."""

PATTERNS = {
    QUANTITY_PATTERN: ("must be a quantity", 'write a number with m, k, M, G, T, P, Ki, Mi, Gi, Ti, Pi or nothing'),
    r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$": (
        "must be a DNS label", "use lowercase letters, digits and hyphens, with a letter or digit at both ends",
    ),
    r"^[A-Za-z_][A-Za-z0-9_]*$": (
        "must be the name of a variable", "use letters, digits and underscores, and no digit at the start",
    ),
    r"^([A-Za-z_][A-Za-z0-9_]*)?$": (
        "must begin the name of a variable", "use letters, digits and underscores, and no digit at the start",
    ),
    r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$": (
        "must be the name of an object",
        "use lowercase letters, digits, hyphens and dots, with a letter or digit at both ends",
    ),
    r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$": (
        "must be the name of an object",
        "use lowercase letters, digits, hyphens and dots, with a letter or digit at both ends",
    ),
    r"^[-._a-zA-Z0-9]+$": ("must be a key", "use letters, digits, hyphens, underscores and dots"),
    FIELD_PATH_PATTERN: (
        "must be a field of a pod",
        "write one such as metadata.name, metadata.labels['team'], spec.nodeName or status.podIP",
    ),
    r"^https?://[^\s/@?#]+(/[^\s@?#]*)?$": (
        "must be the address of a server",
        "write one such as http://mlflow:5000; user and password go into workers.env",
    ),
    r"^https?://[^\s@]+$": ("must be an address", "begin with http:// or https://, and leave a password out"),
    r"^/.+": ("must be an absolute path", "begin with / and name a directory below it"),
    r"^([01][0-9]|2[0-3]):[0-5][0-9]$": ("must be a time of day", "write HH:MM, from 00:00 to 23:59"),
    r"^[A-Z]{3}$": ("must be a currency code", "write the three capital letters of ISO 4217, such as EUR"),
}  # fmt: skip
"""Every pattern of what a user writes, in words. A test compares it with the schemas."""

_NOUNS = {
    "integer": "a whole number", "number": "a number", "string": "text", "boolean": "true or false", "array": "a list",
    "object": "a map of fields",
}  # fmt: skip
_EXAMPLES = {
    "string": "one value", "array": "[a, b], or lines that begin with a hyphen", "object": "fields with their values",
}  # fmt: skip
_PARAMETERS = ("spec", "recipe", "params")
_BOUNDS = frozenset(("greater_than", "greater_than_equal", "less_than", "less_than_equal"))
_SIZES = frozenset(("string_too_short", "string_too_long", "too_short", "too_long"))


def problems_of(error: ValidationError, document: Document, schema: Schema) -> list[Problem]:
    """One problem for each finding of pydantic's. `schema` is the structural schema of the model."""
    return [_problem(details, document, schema) for details in error.errors(include_url=False)]


def schema_at(schema: Schema, path: Path) -> Schema | None:
    """What `schema` says of the value at `path`; None where it knows no such field."""
    for step in path:
        below = schema.get("items") if isinstance(step, int) else schema.get("properties", {}).get(step)
        schema = below or schema.get("additionalProperties") or {}
    return schema or None


def nearest(name: str, names: list[str]) -> str | None:
    """The one of `names` that `name` was probably meant to be."""
    same = [known for known in names if known.casefold() == name.replace("_", "").replace("-", "").casefold()]
    return next(iter(same or get_close_matches(name, names, n=1, cutoff=0.6)), None)


def unknown_field(name: str, names: list[str]) -> tuple[str, str]:
    """Message and remedy for a field that does not exist among `names`."""
    guess = nearest(name, names)
    return "there is no such field", f"did you mean {guess}?" if guess else f"fields here are {', '.join(names)}"


def _problem(details: ErrorDetails, document: Document, schema: Schema) -> Problem:
    plain = plain_details(details)
    path = tuple(step for step in plain["loc"] if step != "[key]")
    if plain["type"] == "extra_forbidden" and path[:-1] == _PARAMETERS:
        value, message, remedy = _unknown_parameter(str(path[-1]), details, document.written.get(path))
    else:
        value, message, remedy = _words(plain, path, document, schema)
    return Problem(document.file, document.line_of(path), field_path(path), value, message, remedy)


def _words(details: ErrorDetails, path: Path, document: Document, schema: Schema) -> Words:
    kind, context = details["type"], details.get("ctx", {})
    here = schema_at(schema, path) or {}
    written = document.written.get(path)
    typed = isinstance(details["input"], str) and "string" not in kind and here.get("type") != "string"
    shown = _shown(details["input"], None if typed else written)  # with its quotes where they are what is wrong
    if kind == "value_error" and here.get("format") != "date-time":
        return "", str(context["error"]), ""
    if kind == "missing":
        return "", "required, but missing", _add(str(path[-1]), here)
    if kind == "extra_forbidden":
        around = schema_at(schema, path[:-1]) or {}
        return "", *unknown_field(str(path[-1]), list(around.get("properties", {})))
    if details["loc"][-1] == "[key]":
        return shown, "not a good key here", "use a key of 1 to 253 characters"
    if (quoted := _needs_quotes(details["input"], here, written)) is not None:
        return quoted
    if kind == "literal_error":
        return shown, f"must be {_choices(here)}", _guess(details["input"], here)
    if kind == "string_pattern_mismatch":
        return shown, *PATTERNS[context["pattern"]]
    if kind in _BOUNDS:
        return shown, f"must be {_bound(kind, context)}", f"write {_how(here)}"
    if kind in _SIZES:
        return shown, *_size(kind, context, here)
    if kind == "finite_number":
        return shown, "must be a finite number", f"write {_how(here)}"
    if details["input"] is None:
        return "", "empty", f"write {_how(here)}, or remove the field"
    return shown, f"must be {_noun(here)}", f"write {_how(here)}"


def _unknown_parameter(name: str, details: ErrorDetails, written: str | None) -> Words:
    """For a parameter that the recipe does not take. The schema has those of all recipes, so it cannot say."""
    shown, recipe = _shown(details["input"], written), str(details["loc"][2])
    taken = {known: list(structural_schema(model)["properties"]) for known, model in RECIPE_PARAMETERS.items()}
    others = [known for known, names in taken.items() if name in names]
    if others:
        return shown, f"no parameter of {recipe}", f"remove it, or write {' or '.join(others)} for recipe.name"
    return shown, *unknown_field(name, taken[recipe])


def _shown(value: Any, written: str | None) -> str:
    text = written or json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _add(name: str, here: Schema) -> str:
    description = here.get("description", "").split(". ")[0].rstrip(".")
    return f"add {name}" + (f": {description[:1].lower()}{description[1:]}" if description else "")


def _needs_quotes(value: Any, here: Schema, written: str | None) -> Words | None:
    """YAML reads off, yes or 5 as something else than text, also where text is meant."""
    if here.get("type") != "string" or not isinstance(value, bool | int | float) or not written:
        return None
    choices = here.get("enum")
    if choices and written not in choices:
        return written, f"must be {_choices(here)}", _guess(written, here)
    read_as = "a truth value" if isinstance(value, bool) else "a number"
    return written, f"must be text, and YAML reads it as {read_as}", f'put it in quotes: "{written}"'


def _choices(here: Schema) -> str:
    choices = [str(choice) or '""' for choice in here.get("enum", ())]
    return choices[0] if len(choices) == 1 else f"one of {', '.join(choices)}"


def _guess(value: Any, here: Schema) -> str:
    guess = nearest(str(value), [str(choice) for choice in here.get("enum", ())])
    return f"did you mean {guess}?" if guess else "choose one of these"


def _bound(kind: str, context: dict[str, Any]) -> str:
    words: dict[str, tuple[str, str]] = {
        "greater_than": ("greater than", "gt"), "greater_than_equal": ("at least", "ge"),
        "less_than": ("less than", "lt"), "less_than_equal": ("at most", "le"),
    }  # fmt: skip
    text, key = words[kind]
    return f"{text} {_number(context[key])}"


def _size(kind: str, context: dict[str, Any], here: Schema) -> tuple[str, str]:
    unit = "characters" if kind.startswith("string") else "items" if here.get("type") == "array" else "entries"
    if kind.endswith("short"):
        return f"must not have fewer {unit} than {context['min_length']}", "fill it in, or remove the field"
    actual = f", and has {context['actual_length']:,}" if "actual_length" in context else ""
    return f"must have at most {context['max_length']:,} {unit}{actual}", "make it shorter"


def _noun(here: Schema) -> str:
    if here.get("x-kubernetes-int-or-string"):
        return "a whole number or text"
    if here.get("format") == "date-time":
        return "a time with its zone"
    return _NOUNS.get(here.get("type", ""), "something else")


def _how(here: Schema) -> str:
    """What can be written at `here`: the noun with its bounds, or the choices."""
    if here.get("x-kubernetes-int-or-string"):
        return 'a quantity such as 2, "1.5", 500m or 2Gi'
    if here.get("format") == "date-time":
        return "a time such as 2026-12-01T18:00:00Z"
    if "enum" in here:
        return _choices(here)
    return _EXAMPLES.get(here.get("type", ""), _noun(here)) + _range(here)


def _range(here: Schema) -> str:
    parts = []
    if "minimum" in here:
        parts.append(f"{'greater than' if here.get('exclusiveMinimum') else 'at least'} {_number(here['minimum'])}")
    if "maximum" in here:
        parts.append(f"{'less than' if here.get('exclusiveMaximum') else 'at most'} {_number(here['maximum'])}")
    return f", {' and '.join(parts)}" if parts else ""


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:g}"
