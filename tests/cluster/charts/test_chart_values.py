"""values.yaml, its schema, its README and the templates speak of the same values."""

import importlib.util
import json
import re
import subprocess
import sys
import tomllib

import jsonschema
import pytest
import yaml

REFERENCE = re.compile(r"\.Values\.([A-Za-z.]+[A-Za-z])")


@pytest.fixture(scope="module")
def generate(root):
    spec = importlib.util.spec_from_file_location("chart_generate", root / "charts" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def documented(generate, chart):
    return list(generate.documented_values((chart / "values.yaml").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def schema(chart):
    return json.loads((chart / "values.schema.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def referenced(chart):
    """Paths of values that templates use."""
    files = [file for pattern in ("*.yaml", "*.tpl", "*.txt") for file in (chart / "templates").rglob(pattern)]
    return {path for file in files for path in REFERENCE.findall(file.read_text(encoding="utf-8"))}


def leaves(tree, prefix=""):
    """Paths of all values; a mapping without entries is a value."""
    for key, value in tree.items():
        yield from leaves(value, f"{prefix}{key}.") if isinstance(value, dict) and value else [f"{prefix}{key}"]


def within(path, others):
    """Whether `path` or something above it is among `others`."""
    return any(path == other or path.startswith(f"{other}.") for other in others)


def test_generated_files_are_current(root):
    command = [sys.executable, "charts/generate.py", "--check"]
    result = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr


def test_every_value_is_documented_in_a_sentence(documented, values):
    assert [path for path in leaves(values) if not within(path, {value.path for value in documented})] == []
    assert [value.path for value in documented if not value.meaning.endswith(".")] == []


def test_a_value_without_a_sentence_is_found(generate):
    found = [value.path for value in generate.documented_values("# -- One.\na: 1\nb: 2\nc:\n  # Why.\n  d: 3\n")]
    assert found == ["a"]


def test_a_sentence_over_several_lines_is_read_whole(generate):
    (value,) = generate.documented_values("# A heading.\na:\n  # -- One\n  # two.\n  b: {c: 1}\n")
    assert value == ("a.b", {"c": 1}, "One two.")


def test_every_value_is_used_in_a_template_and_every_use_is_a_value(documented, values, referenced):
    images = {f"{image}.{part}" for image in ("image", "worker.image") for part in ("repository", "tag", "digest")}
    assert {value.path for value in documented} - images - referenced == set()
    assert {"image", "worker.image"} <= referenced
    everything = {*leaves(values), *(value.path for value in documented), "image", "worker.image"}
    assert [path for path in referenced if path not in everything and not within(path, everything)] == []


def test_the_schema_knows_each_value_and_no_other(schema, values):
    def known(node, tree, prefix=""):
        node = schema["definitions"][node["$ref"].split("/")[-1]] if "$ref" in node else node
        properties = node.get("properties", {})
        if not properties:
            return
        assert node["additionalProperties"] is False, prefix
        assert set(properties) - {"global"} == set(tree), prefix
        for key, child in tree.items():
            known(properties[key], child, f"{prefix}{key}.")

    known(schema, values)


def test_the_defaults_keep_to_the_schema(schema, values):
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(values, schema, cls=jsonschema.Draft7Validator)


def nested(path, value):
    for key in reversed(path.split(".")):
        value = {key: value}
    return value


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("replicas", 0),
        ("replicas", "two"),
        ("replica", 2),
        ("image.repository", ""),
        ("image.repository", "wattrain/operator@sha256:0"),
        ("image.tag", "a tag"),
        ("image.digest", "sha256:short"),
        ("image.pullPolicy", "Sometimes"),
        ("imagePullSecrets", ["registry"]),
        ("worker.image.pullPolicy", "always"),
        ("worker.networkPolicy", "yes"),
        ("worker.requests.cpu", "some"),
        ("worker.credentials", "allowed"),
        ("worker.requests.gpu", "1"),
        ("watchNamespaces", "team-a"),
        ("watchNamespaces", ["Team_A"]),
        ("watchNamespaces", ["team-a", "team-a"]),
        ("reach", "Proxy"),
        ("env", [{"value": "x"}]),
        ("otlp.endpoint", "collector:4318"),
        ("otlp.headersSecretName", "Not A Name"),
        ("notifications.url", "hooks.example.com"),
        ("notifications.secretName", "Not A Name"),
        ("notifications.conditions", ["Suspended"]),
        ("notifications.conditions", []),
        ("crds.enabled", "true"),
        ("crds.install", True),
        ("serviceAccount.name", "Not A Name"),
        ("serviceAccount.annotations", {"a": 1}),
        ("rbac.create", 1),
        ("networkPolicy.apiServerPorts", [70000]),
        ("networkPolicy.metricsFrom", [{}]),
        ("monitoring.podMonitors.interval", "30"),
        ("monitoring.podMonitors.enabled", "yes"),
        ("monitoring.rules.runbooks", "docs/runbook"),
        ("resources.limit", {"memory": "1Gi"}),
        ("nodeSelector", {"gpu": True}),
        ("fullnameOverride", "Wattrain"),
    ],
)
def test_a_bad_value_is_refused_by_name(helm, path, value):
    said = helm.refusal(nested(path, value))
    assert all(key in said for key in path.split(".")), said


def test_a_service_account_that_is_not_made_must_be_named(helm):
    said = helm.refusal({"serviceAccount": {"create": False}})
    assert "serviceAccount.name" in said
    assert "serviceAccount.create" in said


def test_the_chart_the_manifests_and_the_package_have_one_version(root, chart):
    version = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    described = yaml.safe_load((chart / "Chart.yaml").read_text(encoding="utf-8"))
    assert described["version"] == described["appVersion"] == version
    manifest = (root / "manifests" / "operator" / "deployment.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"wattrain/(?:operator|worker):(\S+)", manifest)) == {version}


def test_a_definition_that_helm_would_take_for_a_template_is_not_copied(generate):
    with pytest.raises(ValueError, match="escape"):
        generate.crd_template("# Header\nmetadata:\n  name: x\nspec: '{{ x }}'\n")
