"""The definitions against the rules of apiextensions.k8s.io/v1, checked here without an API server."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft4Validator  # the exclusiveMinimum of OpenAPI 3.0 is that of draft 4

from wattrain_api.base import Model
from wattrain_api.crd import main, power_domain_crd, render, training_job_crd
from wattrain_api.immutable import immutable_paths
from wattrain_api.powerdomain import PowerDomain
from wattrain_api.registered import RECIPE_PARAMETERS
from wattrain_api.trainingjob import MUTABLE, TrainingJob

DEFINITIONS = {"TrainingJob": training_job_crd(), "PowerDomain": power_domain_crd()}
KEYWORDS = {
    "description", "type", "format", "enum", "pattern", "minLength", "maxLength", "minimum", "maximum",
    "exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems", "maxProperties", "required", "default",
    "properties", "items", "additionalProperties", "anyOf", "x-kubernetes-int-or-string",
    "x-kubernetes-validations", "x-kubernetes-list-type", "x-kubernetes-list-map-keys",
}  # fmt: skip
RULES = "x-kubernetes-validations"
Node = tuple[str, dict[str, Any]]


def version(kind: str) -> dict[str, Any]:
    return DEFINITIONS[kind]["spec"]["versions"][0]


def root(kind: str) -> dict[str, Any]:
    return version(kind)["schema"]["openAPIV3Schema"]


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[Node]:
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for keyword, step in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(schema.get(keyword), dict):
            yield from nodes(schema[keyword], path + step)


def structural_errors(schema: dict[str, Any]) -> list[str]:
    errors = []
    for path, node in nodes(schema):
        errors += [f"{path}: {keyword}" for keyword in set(node) - KEYWORDS]
        int_or_string = node.get("x-kubernetes-int-or-string", False)
        if ("type" in node) == int_or_string:
            errors.append(f"{path}: type must be there, but for an int-or-string")
        if ("anyOf" in node) != int_or_string:
            errors.append(f"{path}: anyOf is for an int-or-string alone")
        if not isinstance(node.get("additionalProperties", {}), dict) or {"properties", "additionalProperties"} <= set(
            node
        ):
            errors.append(f"{path}: either properties or a schema of additionalProperties")
        if node.get("type") == "array" and "items" not in node:
            errors.append(f"{path}: items")
        if not {bool} >= {type(node[k]) for k in ("exclusiveMinimum", "exclusiveMaximum") if k in node}:
            errors.append(f"{path}: exclusive bounds are truth values in OpenAPI 3.0")
        errors += [
            f"{path}: required {name} is unknown"
            for name in set(node.get("required", [])) - set(node.get("properties", []))
        ]
    return errors


@pytest.mark.parametrize("kind", DEFINITIONS)
def test_the_schema_is_structural(kind):
    assert structural_errors(root(kind)) == []


@pytest.mark.parametrize(
    "broken",
    [
        {"type": "object", "properties": {"a": {"$ref": "#/x", "type": "string"}}},
        {"type": "object", "properties": {"a": {}}}, {"type": "object", "additionalProperties": False},
        {"type": "integer", "exclusiveMinimum": 0}, {"type": "array"},
        {"type": "string", "anyOf": [{"type": "null"}]}, {"type": "object", "required": ["a"]},
    ],
)  # fmt: skip
def test_the_check_of_structure_finds_what_is_not_structural(broken):
    assert structural_errors(broken) != []


@pytest.mark.parametrize("kind", DEFINITIONS)
def test_everything_that_a_user_writes_is_bounded(kind):
    unbounded = []
    for path, node in nodes(root(kind)["properties"]["spec"]):
        bounded = {
            "string": {"maxLength", "enum"} & set(node) or node.get("format") == "date-time",
            "array": "maxItems" in node,
            "integer": {"minimum", "maximum"} <= set(node) or "enum" in node,
            "object": "properties" in node or "maxProperties" in node,
        }.get(node.get("type"), True)
        unbounded += [] if bounded else [path]
    assert unbounded == []


@pytest.mark.parametrize("kind", DEFINITIONS)
def test_every_field_of_the_spec_is_described(kind):
    undescribed = [path for path, node in nodes(root(kind)["properties"]["spec"]) if "description" not in node]
    assert [path for path in undescribed if not path.endswith(("[]", "{}"))] == []


def filled(value: Any, schema: dict[str, Any]) -> Any:
    """`value` as the API server fills it in: an object's own defaults first, then those inside."""
    if isinstance(value, list):
        return [filled(item, schema["items"]) for item in value]
    if not isinstance(value, dict):
        return value
    fields = schema.get("properties", {})
    missing = {name: field["default"] for name, field in fields.items() if "default" in field and name not in value}
    inner = {name: fields.get(name, schema.get("additionalProperties")) for name in value | missing}
    return {name: filled(child, inner[name]) for name, child in (value | missing).items()}


@pytest.mark.parametrize("kind", DEFINITIONS)
def test_defaults_are_valid_where_they_stand(kind):
    for path, node in nodes(root(kind)["properties"]["spec"]):
        if "default" in node:
            errors = [error.message for error in Draft4Validator(node).iter_errors(filled(node["default"], node))]
            assert errors == [], path


@pytest.mark.parametrize("kind", DEFINITIONS)
def test_a_default_of_an_object_with_rules_names_its_fields(kind):
    # The API server checks it against the rules before it fills in anything, and refuses the definition otherwise.
    for path, node in nodes(root(kind)):
        if "x-kubernetes-validations" in node and "default" in node and "properties" in node:
            expected = {name for name, child in node["properties"].items() if "default" in child}
            assert expected <= set(node["default"]), path


SPECS: list[tuple[type[Model], dict[str, Any]]] = [
    (TrainingJob, {
        "recipe": {"name": "mlp"}, "data": {"source": {"builtin": "digits"}},
        "training": {"maxSteps": 3, "earlyStopping": {}},
    }),
    (TrainingJob, {
        "script": {"command": ["python", "train.py"]},
        "workers": {"volumes": [{"mountPath": "/d", "emptyDir": "1Gi"}], "env": [{"name": "A"}], "tolerations": [{}]},
        "checkpoint": {"every": {"steps": 5}}, "storage": {"ephemeral": {}},
        "energy": {"budget": {"cost": 3}, "carbon": {"mode": "Off"}, "powerCap": {"jobWatts": 300}},

    }),
    (TrainingJob, {
        "recipe": {"name": "mlp", "params": {"hidden": [3]}},
        "data": {"source": {"claim": {"name": "c", "path": "x.csv"}}, "schema": {"age": {"min": 0}},
                 "clean": {"outliers": {"method": "mad"}}, "split": {"method": "group", "column": "id"}},
        "training": {"epochs": 1},
    }),
    (PowerDomain, {}),
    (PowerDomain, {"tariff": {"pricePerKWh": 1, "windows": [{"start": "22:00", "end": "06:00", "pricePerKWh": 0}]}}),
]  # fmt: skip


@pytest.mark.parametrize(("model", "spec"), SPECS)
def test_the_api_server_fills_in_the_defaults_that_the_models_have(model, spec):
    """But for parameters of recipes, which the models alone fill in: a definition has one default for all recipes. And
    what the models then hold is valid by the schema."""
    parsed = model.model_validate({"metadata": {"name": "x"}, "spec": spec}).to_json_object()["spec"]
    schema = root(model.__name__)["properties"]["spec"]
    expected = filled(spec, schema)
    if "recipe" in expected:
        recipe = expected["recipe"]
        recipe["params"] = RECIPE_PARAMETERS[recipe["name"]](**recipe["params"]).to_json_object()
    assert expected == parsed
    assert [error.message for error in Draft4Validator(schema).iter_errors(parsed)] == []


def test_the_status_that_the_operator_writes_is_valid_and_has_no_defaults():
    status = root("TrainingJob")["properties"]["status"]
    assert [path for path, node in nodes(status) if "default" in node] == []
    written = TrainingJob.model_validate({"metadata": {"name": "x"}, "spec": SPECS[0][1]}).status.to_json_object()
    assert [error.message for error in Draft4Validator(status).iter_errors(written)] == []


def spec_at(path: str) -> dict[str, Any]:
    schema = root("TrainingJob")["properties"]["spec"]
    for name in filter(None, path.split(".")):
        schema = schema["properties"][name]
    return schema


def rules(path: str = "") -> list[str]:
    return [rule["rule"] for rule in spec_at(path)["x-kubernetes-validations"]]


def test_each_rule_of_the_models_is_in_a_definition():
    models = [model for model in Model.__subclasses__() if model.__module__.startswith("wattrain_api.")]
    expected = {rule.cel for model in models for rule in model.RULES}
    assert len(expected) > 10
    assert expected <= {r["rule"] for k in DEFINITIONS for _, n in nodes(root(k)) for r in n.get(RULES, [])}


def test_every_field_is_either_mutable_or_guarded_by_a_rule_at_the_field_that_says_why():
    for path in immutable_paths():
        message = f"spec.{path} cannot change after creation: it would be another training; create a new TrainingJob"
        same = {"rule": "self == oldSelf", "message": message}
        assert same in spec_at(path)[RULES]
        assert len([n for _, n in nodes(root("TrainingJob")) if same in n.get(RULES, [])]) == 1
    messages = [rule["message"] for _, node in nodes(root("TrainingJob")) for rule in node.get(RULES, [])]
    guarded = [m.split()[0].removeprefix("spec.") for m in messages if "cannot change after creation" in m]
    assert set(guarded).isdisjoint(MUTABLE)


def test_a_field_without_a_default_may_neither_come_nor_go():
    assert "has(self.recipe) == has(oldSelf.recipe)" in rules()
    assert "has(self.minReplicas) == has(oldSelf.minReplicas)" in rules("workers")
    assert not [rule for rule in rules() if "has(self.image)" in rule]


def test_replicas_may_change_only_where_both_objects_are_elastic():
    elastic = "self.replicas == oldSelf.replicas || (has(self.minReplicas) && has(oldSelf.minReplicas))"
    assert elastic in rules("workers")


def test_the_name_leaves_room_for_the_names_of_pods():
    rule = root("TrainingJob")["x-kubernetes-validations"][0]["rule"]
    assert rule.startswith("self.metadata.name.size() <= 47 && ")


def test_columns_show_what_the_status_holds():
    for kind in DEFINITIONS:
        for column in version(kind)["additionalPrinterColumns"]:
            schema = root(kind)
            path = re.sub(r"\[0\]|\[\?\(@\.type==\"\w+\"\)\]", ".items", column["jsonPath"])  # one of a list
            for name in path.strip(".").split("."):
                if name == "items":
                    schema = schema["items"]
                    continue
                schema = {"type": "date"} if name == "creationTimestamp" else schema["properties"][name]
            assert schema["type"] == column["type"], column["name"]


def test_conditions_are_a_map_by_type():
    conditions = root("TrainingJob")["properties"]["status"]["properties"]["conditions"]
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]
    assert "type" in conditions["items"]["required"]


def test_the_text_is_the_same_every_time_and_has_no_aliases():
    assert render(training_job_crd()) == render(training_job_crd())
    assert not re.search(r"[&*]id\d", render(training_job_crd()))
    assert yaml.safe_load(render(training_job_crd())) == training_job_crd()


def test_check_finds_a_stale_file_and_writes_nothing(tmp_path, capsys):
    assert main([str(tmp_path)]) == 0
    assert main(["--check", str(tmp_path)]) == 0
    stale = tmp_path / "trainingjobs.wattrain.dev.yaml"
    stale.write_text("old")
    assert main(["--check", str(tmp_path)]) == 1
    assert stale.read_text() == "old"
    assert "trainingjobs.wattrain.dev.yaml is not current: run python -m wattrain_api.crd" in capsys.readouterr().err
