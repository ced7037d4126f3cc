"""A model as a structural schema: the part of OpenAPI that Kubernetes accepts for a custom resource.

pydantic writes JSON Schema 2020-12. A structural schema has no references, no null, no const, and the boolean
exclusiveMinimum of OpenAPI 3.0. A keyword without a structural form is an error here, never dropped silently.
"""

from __future__ import annotations

from dataclasses import is_dataclass
from functools import cache
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from wattrain_api.base import QUANTITY_PATTERN, Model
from wattrain_api.field_docstrings import field_docstrings
from wattrain_api.schema_union import PARAMETERS, merged_union

Schema = dict[str, Any]

_KEPT = (
    "type", "format", "enum", "pattern", "minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems",
    "maxProperties",
)  # fmt: skip
_REWRITTEN = frozenset({
    "$ref", "$defs", "anyOf", "const", "exclusiveMinimum", "exclusiveMaximum", "description", "default", "properties",
    "items", "additionalProperties", "propertyNames", "required", "x-kubernetes-validations",
})  # fmt: skip
_DROPPED = frozenset({"title"})
_INT32 = range(-(2**31), 2**31)


class _WithRules(GenerateJsonSchema):
    """Writes each model's rules where the API server looks for them, and the docstrings of fields as descriptions."""

    def dataclass_schema(self, schema: core_schema.DataclassSchema) -> JsonSchemaValue:
        return _described(super().dataclass_schema(schema), schema)

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        result = _described(super().model_schema(schema), schema)
        rules = getattr(schema["cls"], "RULES", ())
        if rules:
            result["x-kubernetes-validations"] = [{"rule": rule.cel, "message": rule.message} for rule in rules]
        return result

    def encode_default(self, dft: Any) -> Any:
        """A part of a status by default is one in which nothing has been entered."""
        if is_dataclass(dft) and not isinstance(dft, type):
            if dft != type(dft)():
                raise ValueError(
                    f"a default of {type(dft).__name__} other than its own has no structural form: {dft!r}"
                )
            return {}
        return super().encode_default(dft)


def _described(
    result: JsonSchemaValue, schema: core_schema.ModelSchema | core_schema.DataclassSchema
) -> JsonSchemaValue:
    """`result` with the docstrings of the fields of the class that it is of; a field's own description wins."""
    inner: Any = schema["schema"]
    while "fields" not in inner:
        inner = inner["schema"]  # a validator around the fields
    fields = inner["fields"].items() if isinstance(inner["fields"], dict) else ((f["name"], f) for f in inner["fields"])
    told = field_docstrings(schema["cls"])
    for name, field in fields:
        node = result["properties"].get(field.get("validation_alias", name))
        if node is not None and name in told:
            node.setdefault("description", told[name])
    return result


@cache
def structural_schema(model: type[Model]) -> Schema:
    """`model` as a structural schema, in the order of its fields. The result is shared: copy it before a change."""
    raw = model.model_json_schema(by_alias=True, mode="validation", schema_generator=_WithRules)
    return _structural(raw, raw.get("$defs", {}))


def _structural(node: Schema, definitions: Schema) -> Schema:
    node = _inlined(node, definitions)
    unknown = set(node) - set(_KEPT) - _REWRITTEN - _DROPPED
    if unknown:
        raise ValueError(f"no structural form is known for {', '.join(sorted(unknown))} in {node!r}")
    if node.get("pattern") == QUANTITY_PATTERN:
        return _quantity(node)
    result: Schema = {}
    if "description" in node:
        result["description"] = " ".join(node["description"].split())
    result |= {keyword: node[keyword] for keyword in _KEPT if keyword in node}
    _rewrite_values(node, result)
    _rewrite_children(node, result, definitions)
    if node.get("default") is not None:
        result["default"] = _minimal_default(node["default"], result)
    return result


def _inlined(node: Schema, definitions: Schema) -> Schema:
    """`node` with its reference and its `anyOf` with null replaced by what they stand for; its own words win."""
    if "anyOf" in node:
        choices = [choice for choice in node["anyOf"] if choice.get("type") != "null"]
        if len(choices) != 1:
            raise ValueError(f"a choice of types has no structural form: {node!r}")
        node = choices[0] | {key: value for key, value in node.items() if key != "anyOf"}
        return _inlined(node, definitions)
    if "$ref" in node:
        target = definitions[node["$ref"].rsplit("/", 1)[1]]
        return _inlined(target | {key: value for key, value in node.items() if key != "$ref"}, definitions)
    if "oneOf" in node:
        variants = [_inlined(variant, definitions) for variant in node["oneOf"]]
        parameters = [_inlined({"$ref": v["properties"][PARAMETERS]["$ref"]}, definitions) for v in variants]
        return merged_union(node, variants, parameters)
    return node


def _quantity(node: Schema) -> Schema:
    """An int-or-string, which has no type. The pattern holds for strings alone, so `minimum` keeps -1 out."""
    return {
        **({"description": " ".join(node["description"].split())} if "description" in node else {}),
        "anyOf": [{"type": "integer"}, {"type": "string"}],
        "x-kubernetes-int-or-string": True,
        "pattern": node["pattern"],
        "maxLength": node["maxLength"],
        "minimum": 0,
        **({"default": node["default"]} if node.get("default") is not None else {}),
    }


def _rewrite_values(node: Schema, result: Schema) -> None:
    if "const" in node:
        result["enum"] = [node["const"]]
    for bound in ("Minimum", "Maximum"):
        if f"exclusive{bound}" in node:
            result[bound.lower()] = node[f"exclusive{bound}"]
            result[f"exclusive{bound}"] = True
    if node.get("type") == "integer":
        small = result.get("minimum", -(2**63)) in _INT32 and result.get("maximum", 2**63) in _INT32
        result["format"] = "int32" if small else "int64"


def _rewrite_children(node: Schema, result: Schema, definitions: Schema) -> None:
    if "items" in node:
        result["items"] = _structural(node["items"], definitions)
    if isinstance(node.get("additionalProperties"), dict):
        result["additionalProperties"] = _structural(node["additionalProperties"], definitions)
    if "propertyNames" in node:
        result["x-kubernetes-validations"] = [_key_rule(node["propertyNames"])]
    if node.get("required"):
        result["required"] = node["required"]
    if "properties" in node:
        result["properties"] = {name: _structural(child, definitions) for name, child in node["properties"].items()}
    if "x-kubernetes-validations" in node:
        result["x-kubernetes-validations"] = [
            {key: rule[key] for key in ("rule", "message", "fieldPath") if key in rule}
            for rule in node["x-kubernetes-validations"]
        ]


def _key_rule(names: Schema) -> Schema:
    """Kubernetes has no propertyNames: the bounds of a map's keys become a rule."""
    least, most = names.get("minLength", 0), names["maxLength"]
    return {
        "rule": f"self.all(key, {least} <= key.size() && key.size() <= {most})",
        "message": f"each key must have {least} to {most} characters",
    }


def _minimal_default(value: Any, schema: Schema) -> Any:
    """`value` without what the API server fills in from the defaults of the fields inside."""
    if not isinstance(value, dict) or "properties" not in schema:
        return value
    fields = schema["properties"]
    shortened = {name: _minimal_default(child, fields[name]) for name, child in value.items() if child is not None}
    return {name: child for name, child in shortened.items() if child != fields[name].get("default")}
