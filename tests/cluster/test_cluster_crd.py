"""Our CRDs against a real API server: what it takes, what it refuses, and what a person then reads."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from harness.api import DOMAINS, JOBS

from wattrain_api.crd import power_domain_crd, training_job_crd
from wattrain_api.immutable import immutable_paths
from wattrain_api.registered import RECIPE_PARAMETERS
from wattrain_api.schema import structural_schema
from wattrain_api.trainingjob import MUTABLE

EXAMPLES = Path(__file__).parents[2] / "examples"
DEFINITIONS = {"TrainingJob": training_job_crd(), "PowerDomain": power_domain_crd()}
RULES = "x-kubernetes-validations"
Spec = dict[str, Any]

DATA = {"source": {"builtin": "digits"}}
RECIPE: Spec = {"recipe": {"name": "mlp"}, "data": DATA, "training": {"epochs": 2}}
SCRIPT: Spec = {"script": {"command": ["python", "train.py"]}}


@pytest.fixture(scope="module")
def api(cluster):
    with cluster.api() as connection:
        yield connection


def document(kind: str, spec: Spec, name: str = "digits") -> dict[str, Any]:
    return {"apiVersion": "wattrain.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def tried(api, kind: str, spec: Spec, name: str = "digits"):
    """What the API server says to a creation that it does not carry out, as strict as kubectl asks it to be."""
    path = JOBS.format("default") if kind == "TrainingJob" else DOMAINS
    return api.request("POST", f"{path}?dryRun=All&fieldValidation=Strict", document(kind, spec, name))


def schema_of(kind: str) -> dict[str, Any]:
    root = DEFINITIONS[kind]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return root["properties"]["spec"]


# --- What it takes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["trainingjobs.wattrain.dev", "powerdomains.wattrain.dev"])
def test_a_real_api_server_finds_nothing_wrong_with_a_definition(api, name):
    definition = api.get(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}")
    conditions = {condition["type"]: condition["status"] for condition in definition["status"]["conditions"]}
    assert conditions.pop("Established") == conditions.pop("NamesAccepted") == "True"
    assert conditions == {}  # NonStructuralSchema, KubernetesAPIApprovalPolicyConformant ... would stand here


@pytest.mark.parametrize(
    "file",
    [f for f in sorted(EXAMPLES.rglob("*.yaml")) if "kind:" in f.read_text(encoding="utf-8")],
    ids=lambda f: f.name,
)
def test_an_example_can_be_applied_as_it_is(cluster, namespace, file):
    done = cluster.kubectl("apply", "--dry-run=server", f"--namespace={namespace}", f"--filename={file}")
    assert (done.returncode, done.stderr) == (0, "")
    documents = [found for found in yaml.safe_load_all(file.read_text(encoding="utf-8")) if found]
    assert done.stdout.count("created (server dry run)") == len(documents)


def test_a_tracker_without_settings_is_kept(api):
    tracking = {"tensorBoard": {}, "mlflow": {"trackingURI": "http://mlflow:5000"}}
    spec = tried(api, "TrainingJob", RECIPE | {"tracking": tracking}).body["spec"]
    assert spec["tracking"] == {**tracking, "mlflow": {**tracking["mlflow"], "experiment": "wattrain"}}


def test_the_defaults_of_the_definition_are_filled_in(api):
    spec = tried(api, "TrainingJob", RECIPE).body["spec"]
    assert spec["training"]["optimizer"] == {
        "name": "adamw", "lr": 0.001, "weightDecay": 0, "beta1": 0.9, "beta2": 0.999,
    }  # fmt: skip
    assert spec["workers"]["replicas"] == 1
    assert spec["checkpoint"] == {"every": {"seconds": 60}, "keep": 3, "async": True}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["trainingjob.spec.energy"], "Limits on power, energy, carbon and cost."),
        (["trainingjob.spec.recipe.params"], "Of mlp: sizes of the hidden layers. Default: [64,"),
        (["tj.spec.workers.replicas"], "Number of workers."),
        (["trainingjob.spec.energy.budget.energyKWh"], "Kilowatt-hours."),
        (["pd.spec.tariff"], "IANA name of the zone"),
        (["trainingjob", "--recursive"], "metricPatterns"),
    ],
)
def test_kubectl_explain_helps(cluster, words, expected):
    done = cluster.kubectl("explain", *words)
    assert done.returncode == 0, done.stderr
    assert expected in done.stdout


@pytest.mark.parametrize(
    ("kind", "columns"),
    [
        ("tj", "NAME STATE WORKERS STEP LOSS WATTS JOULES QUEUE HELD BY AGE"),
        ("pd", "NAME LIMIT CAP RESERVED DRAWN FREE RUNNING WAITING ACCEPTED AGE"),
    ],
)
def test_kubectl_get_shows_what_a_person_asks_first(cluster, namespace, kind, columns):
    job = document("TrainingJob", SCRIPT) if kind == "tj" else document("PowerDomain", {}, f"columns-{namespace}")
    applied = cluster.kubectl("apply", f"--namespace={namespace}", "--filename=-", text=yaml.safe_dump(job))
    assert applied.returncode == 0, applied.stderr
    shown = cluster.kubectl("get", kind, f"--namespace={namespace}").stdout.splitlines()
    assert shown[0].split() == columns.split()
    if kind == "pd":
        cluster.kubectl("delete", "pd", f"columns-{namespace}", "--wait=false")


# --- Rules: at least one document that breaks each ------------------------------------------------------------------

FROM_SECRET = {"secretKeyRef": {"name": "s", "key": "k"}}
TOKEN = {"serviceAccountToken": {"audience": "x"}}
LABEL_KEY = "k" * 318
BROKEN: list[tuple[str, str, Spec]] = [
    ("TrainingJob", "give exactly one of recipe and script", {}),
    ("TrainingJob", "give exactly one of recipe and script", RECIPE | SCRIPT),
    ("TrainingJob", "a recipe needs data", {"recipe": {"name": "mlp"}, "training": {"epochs": 1}}),
    ("TrainingJob", "a recipe needs training", {"recipe": {"name": "mlp"}, "data": DATA}),
    ("TrainingJob", "give exactly one of path and claim", RECIPE | {"training": {"epochs": 1, "initialModel": {}}}),
    ("TrainingJob", "path is a directory, not an address",
     RECIPE | {"training": {"epochs": 1, "initialModel": {"path": "s3://models/bert"}}}),
    ("TrainingJob", "at least one logical shard a rank",
     RECIPE | {"training": {"epochs": 1, "deterministic": True}, "workers": {"replicas": 13}}),
    ("TrainingJob", "must not exceed training.batchSize",
     RECIPE | {"training": {"epochs": 1, "batchSize": 3}, "workers": {"replicas": 2, "processesPerWorker": 2}}),
    ("TrainingJob", "training belongs to a recipe", SCRIPT | {"training": {"epochs": 1}}),
    ("TrainingJob", "deterministic and compile exclude each other",
     RECIPE | {"training": {"epochs": 1, "deterministic": True, "compile": True}}),
    ("TrainingJob", "auto decides about compile, or compile: true does",
     RECIPE | {"training": {"epochs": 1, "compile": True, "auto": ["compile"]}}),
    ("TrainingJob", "metricPatterns takes the names",
     {"script": SCRIPT["script"] | {"metricPatterns": {"los": "(x)"}}}),
    ("TrainingJob", "must say where the number is", {"script": SCRIPT["script"] | {"metricPatterns": {"loss": "x"}}}),
    ("TrainingJob", "give exactly one of epochs and maxSteps", RECIPE | {"training": {}}),
    ("TrainingJob", "give exactly one of epochs and maxSteps", RECIPE | {"training": {"epochs": 1, "maxSteps": 1}}),
    ("TrainingJob", "gradientAccumulation must not exceed batchSize",
     RECIPE | {"training": {"epochs": 1, "batchSize": 2, "gradientAccumulation": 3}}),
    ("TrainingJob", "give exactly one of steps and seconds", SCRIPT | {"checkpoint": {"every": {}}}),
    ("TrainingJob", "give exactly one of steps and seconds",
     SCRIPT | {"checkpoint": {"every": {"steps": 1, "seconds": 1}}}),
    ("TrainingJob", "give exactly one of builtin, uri and claim", RECIPE | {"data": {"source": {}}}),
    ("TrainingJob", "give exactly one of builtin, uri and claim",
     RECIPE | {"data": {"source": {"builtin": "digits", "uri": "x.csv"}}}),
    ("TrainingJob", "train, validation and test must add up to 1",
     RECIPE | {"data": DATA | {"split": {"train": 0.5, "validation": 0.1, "test": 0.1}}}),
    ("TrainingJob", "split by group or time needs column", RECIPE | {"data": DATA | {"split": {"method": "time"}}}),
    ("TrainingJob", "each key must have 1 to 253 characters", RECIPE | {"data": DATA | {"schema": {"": {}}}}),
    ("TrainingJob", "each key must have 0 to 63 characters",
     {"script": SCRIPT["script"] | {"metricPatterns": {"m" * 64: "x"}}}),
    ("TrainingJob", "minReplicas must not exceed replicas", SCRIPT | {"workers": {"replicas": 1, "minReplicas": 2}}),
    ("TrainingJob", "a request must not exceed the limit",
     SCRIPT | {"workers": {"resources": {"requests": {"cpu": 2}, "limits": {"cpu": "1500m"}}}}),
    ("TrainingJob", "a request must not exceed the limit",
     SCRIPT | {"workers": {"resources": {"requests": {"memory": "1Gi"}, "limits": {"memory": "1G"}}}}),
    ("TrainingJob", "request and limit are the same",
     SCRIPT | {"workers": {"resources": {"requests": {"nvidia.com/gpu": 1}}}}),
    ("TrainingJob", "request and limit are the same",
     SCRIPT | {"workers": {"resources": {"requests": {"nvidia.com/gpu": 1}, "limits": {"nvidia.com/gpu": 2}}}}),
    ("TrainingJob", "request and limit are the same", SCRIPT | {"workers": {"resources": {"requests": {"gpu": 1}}}}),
    ("TrainingJob", "give exactly one of claim, emptyDir, configMap, secret and projected",
     SCRIPT | {"workers": {"volumes": [{"mountPath": "/d"}]}}),
    ("TrainingJob", "give exactly one of claim, emptyDir, configMap, secret and projected",
     SCRIPT | {"workers": {"volumes": [{"mountPath": "/d", "claim": "c", "secret": "c"}]}}),
    ("TrainingJob", "give exactly one of secret, configMap and serviceAccountToken",
     SCRIPT | {"workers": {"volumes": [{"mountPath": "/d", "projected": [{}]}]}}),
    ("TrainingJob", "name the account",
     SCRIPT | {"workers": {"volumes": [{"mountPath": "/d", "projected": [TOKEN]}]}}),
    ("TrainingJob", "give value or valueFrom, not both",
     SCRIPT | {"workers": {"env": [{"name": "A", "value": "x", "valueFrom": FROM_SECRET}]}}),
    ("TrainingJob", "give exactly one of secretKeyRef, configMapKeyRef and fieldRef",
     SCRIPT | {"workers": {"env": [{"name": "A", "valueFrom": {}}]}}),
    ("TrainingJob", "give exactly one of secretRef and configMapRef", SCRIPT | {"workers": {"envFrom": [{}]}}),
    ("TrainingJob", "labels: keys and values", SCRIPT | {"workers": {"labels": {"wattrain.dev/job": "x"}}}),
    ("TrainingJob", "labels: keys and values", SCRIPT | {"workers": {"labels": {"a": "x/y"}}}),
    ("TrainingJob", "annotations: keys are names", SCRIPT | {"workers": {"annotations": {"wattrain.dev/x": "x"}}}),
    ("TrainingJob", "annotations: keys are names",
     SCRIPT | {"workers": {"annotations": {"container.apparmor.security.beta.kubernetes.io/worker": "unconfined"}}}),
    ("TrainingJob", "Exists and DoesNotExist take no values", SCRIPT | {"workers": {"affinity": {"nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "a", "operator": "In"}]}
        ]}
    }}}}),
    ("TrainingJob", "each key must have 1 to 317 characters", SCRIPT | {"workers": {"nodeSelector": {LABEL_KEY: "x"}}}),
    ("TrainingJob", "each key must have 1 to 317 characters",
     SCRIPT | {"workers": {"resources": {"limits": {LABEL_KEY: "1"}}}}),
    ("TrainingJob", "give at most one of claim, ephemeral and uri",
     SCRIPT | {"storage": {"claim": "c", "ephemeral": {}}}),
    ("TrainingJob", "give exactly one of jobWatts, perGpuWatts and percentOfMax",
     SCRIPT | {"energy": {"powerCap": {"jobWatts": 1, "percentOfMax": 60}}}),
    ("TrainingJob", "energyWeight and objective: weighted belong together; give both, or neither",
     RECIPE | {"energy": {"objective": "weighted"}}),
    ("TrainingJob", "energyWeight and objective: weighted belong together; give both, or neither",
     RECIPE | {"energy": {"objective": "time", "energyWeight": 0.5}}),
    ("TrainingJob", "deadline must be a time in this century",
     SCRIPT | {"energy": {"carbon": {"mode": "Off", "deadline": "1999-12-31T23:59:59Z"}}}),
    ("TrainingJob", "expected string, got []interface {}",  # the schema alone would take a list for a time
     SCRIPT | {"energy": {"carbon": {"mode": "Off", "deadline": ["x"]}}}),
    ("TrainingJob", "give at least one of energyKWh, carbonGrams and cost", SCRIPT | {"energy": {"budget": {}}}),
    ("PowerDomain", "timeZone must be a name of the IANA time zone database",
     {"tariff": {"pricePerKWh": 1, "timeZone": ""}}),
    ("PowerDomain", "each key must have 1 to 317 characters", {"nodeSelector": {"": "x"}}),
    ("PowerDomain", "each key must have 1 to 63 characters", {"namespaceWeights": {"": 1}}),
    ("PowerDomain", "start must be before until, and both in this century",
     {"shed": {"percent": 30, "start": "2027-01-02T00:00:00Z", "until": "2027-01-01T00:00:00Z"}}),
    ("PowerDomain", "start must be before until, and both in this century",
     {"shed": {"percent": 30, "until": "1999-01-01T00:00:00Z"}}),
    ("PowerDomain", "give exactly one of watts and percent", {"shed": {"until": "2027-01-01T00:00:00Z"}}),
    ("PowerDomain", "give at most one of configMap, file and url", {"carbon": {"file": "a.csv", "url": "http://a/b"}}),
]  # fmt: skip


def foreign_parameters():
    """For each parameter that not all recipes take: a document that gives it to one that does not."""
    for name, parameters in RECIPE_PARAMETERS.items():
        own = structural_schema(parameters)["properties"]
        for field, schema in schema_of("TrainingJob")["properties"]["recipe"]["properties"]["params"][
            "properties"
        ].items():
            if field not in own:
                recipe = {"name": name, "params": {field: example_of(schema)}}
                yield "TrainingJob", f"{field} is a parameter of ", RECIPE | {"recipe": recipe}


def example_of(schema: dict[str, Any]) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    if schema["type"] == "array":
        return [example_of(schema["items"])] * schema.get("minItems", 1)
    return {"string": "x" * schema.get("minLength", 1), "boolean": True, "object": {}}.get(
        schema["type"], schema.get("minimum", 1) + bool(schema.get("exclusiveMinimum"))
    )


BROKEN += foreign_parameters()


@pytest.mark.parametrize(("kind", "message", "spec"), BROKEN, ids=lambda value: value if isinstance(value, str) else "")
def test_what_breaks_a_rule_is_refused_and_told_what_to_write_instead(api, kind, message, spec):
    reply = tried(api, kind, spec)
    assert (reply.status, message in reply.message) == (422, True), reply.message


@pytest.mark.parametrize(("_kind", "_message", "spec"), list(foreign_parameters()))
def test_a_parameter_of_another_recipe_is_refused_at_its_field(api, _kind, _message, spec):
    (field,) = spec["recipe"]["params"]
    assert f"spec.recipe.params.{field}: Invalid value" in tried(api, "TrainingJob", spec).message


def rule_messages(schema: Any) -> set[str]:
    """Messages of the rules that hold for an object alone, not for a change."""
    if isinstance(schema, list):
        return set().union(*map(rule_messages, schema))
    if not isinstance(schema, dict):
        return set()
    own = {rule["message"] for rule in schema.get(RULES, []) if "oldSelf" not in rule["rule"]}
    return own.union(*map(rule_messages, schema.values()))


@pytest.mark.parametrize("kind", DEFINITIONS)
def test_each_rule_is_broken_by_some_document_of_the_table(kind):
    said = [message for k, message, _ in BROKEN if k == kind]
    assert [rule for rule in rule_messages(schema_of(kind)) if not any(message in rule for message in said)] == []


@pytest.mark.parametrize("name", ["a" * 48, "1.2", "Digits", "-a"])
def test_a_name_that_no_pod_could_be_named_after_is_refused(api, name):
    reply = tried(api, "TrainingJob", SCRIPT, name)
    assert reply.status == 422
    assert "metadata.name: Invalid value" in reply.message
    assert "<nil>" not in reply.message


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (SCRIPT | {"worker": {"replicas": 2}}, 'unknown field "spec.worker"'),
        (SCRIPT | {"workers": {"replica": 2}}, 'unknown field "spec.workers.replica"'),
    ],
)
def test_a_misspelt_field_is_refused_by_its_name(api, spec, field):
    reply = tried(api, "TrainingJob", spec)
    assert reply.status == 400
    assert field in reply.message


# --- Bounds: each bound of each field, a step beyond it -------------------------------------------------------------


def example(schema: Spec) -> Any:
    """A value that the schema takes."""
    if "default" in schema:
        return copy.deepcopy(schema["default"])
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("x-kubernetes-int-or-string"):
        return 1
    kind = schema["type"]
    if kind == "object":
        return {name: example(schema["properties"][name]) for name in schema.get("required", [])}
    if kind == "array":
        return [example(schema["items"]) for _ in range(schema.get("minItems", 0))]
    if kind == "string":
        tried_out = [
            "x" * schema.get("minLength", 1),
            "/x",
            "EUR",
            "12:00",
            "spec.nodeName",
            "http://x",
            "2026-12-01T18:00:00Z",
        ]
        if schema.get("format") == "date-time":
            return tried_out[-1]
        return next(text for text in tried_out if re.search(schema.get("pattern", ""), text))
    return True if kind == "boolean" else schema.get("minimum", 0) + (1 if "exclusiveMinimum" in schema else 0)


def beyond(schema: Spec) -> list[tuple[str, Any]]:
    """Values that break one bound of the schema each, by the name of the bound."""
    broken: list[tuple[str, Any]] = []
    kind = schema.get("type")
    if schema.get("x-kubernetes-int-or-string"):
        return [("pattern", "1 Gi"), ("maxLength", "1" * (schema["maxLength"] + 1)), ("minimum", -1), ("type", True)]
    for bound, step in (("minimum", -1), ("maximum", 1)):
        if bound in schema:
            exclusive = f"exclusive{bound.capitalize()}" in schema
            broken.append((bound, schema[bound] + (0 if exclusive else step)))
    if "maxLength" in schema:
        broken.append(("maxLength", "x" * (schema["maxLength"] + 1)))
    if schema.get("minLength"):
        broken.append(("minLength", ""))
    if "pattern" in schema:
        broken.append(("pattern", "!!"[: schema["maxLength"]]))
    if "enum" in schema:
        broken.append(("enum", "neither"))
    if "maxItems" in schema:
        broken.append(("maxItems", [example(schema["items"])] * (schema["maxItems"] + 1)))
    if schema.get("minItems"):
        broken.append(("minItems", []))
    if "maxProperties" in schema:
        inner = example(schema["additionalProperties"])
        broken.append(("maxProperties", {f"key{number}": inner for number in range(schema["maxProperties"] + 1)}))
    broken.append(
        ("type", {"integer": "1", "number": "1", "boolean": "yes", "string": 1, "array": {}, "object": []}[kind])
    )
    return broken


def places(schema: Spec, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Spec]]:
    """Every field below a schema; `0` is the item of a list, `key` the entry of a map."""
    found = [(path, schema)] if path else []
    for name, child in schema.get("properties", {}).items():
        found += places(child, (*path, name))
    for keyword, step in (("items", "0"), ("additionalProperties", "key")):
        if isinstance(schema.get(keyword), dict):
            found += places(schema[keyword], (*path, step))
    return found


def with_value(schema: Spec, path: tuple[str, ...], value: Any, base: Any) -> Any:
    """`base` with `value` at `path`, and on the way there what the schema requires."""
    if not path:
        return value
    step, *rest = path
    if step == "0" and "items" in schema:
        return [with_value(schema["items"], tuple(rest), value, example(schema["items"]))]
    if "additionalProperties" in schema:
        inner = schema["additionalProperties"]
        return {step: with_value(inner, tuple(rest), value, example(inner))}
    inner = schema["properties"][step]
    return base | {step: with_value(inner, tuple(rest), value, base.get(step, example(inner)))}


def field_name(path: tuple[str, ...]) -> str:
    """The field as the API server writes it."""
    return "spec" + "".join("[0]" if step == "0" else f".{step}" for step in path)


def cases(kind: str) -> list[tuple[str, str, Spec]]:
    """The field that must be refused, why, and the spec: one for each bound and each required field."""
    base, root, found = (SCRIPT if kind == "TrainingJob" else {}), schema_of(kind), []
    for path, schema in places(root):
        for bound, value in beyond(schema):
            found.append((field_name(path), bound, with_value(root, path, value, base)))
        for name in schema.get("required", []):
            rest = {other: value for other, value in example(schema).items() if other != name}
            found.append((field_name((*path, name)), "required", with_value(root, path, rest, base)))
    return found


@pytest.mark.parametrize(("kind", "least"), [("TrainingJob", 350), ("PowerDomain", 60)])
def test_a_step_beyond_any_bound_is_refused_by_the_name_of_the_field(api, kind, least):
    """One test for all, as each is a request of a few milliseconds; those that fail are listed together."""
    wrong = []
    for field, bound, spec in cases(kind):
        reply = tried(api, kind, spec)
        blamed = [cause.get("field") for cause in reply.body.get("details", {}).get("causes", [])]
        if reply.status != 422 or field not in blamed:
            wrong.append(f"{field} {bound}: {reply.status} {reply.message[:300]}")
    assert wrong == []
    assert len(cases(kind)) > least  # the definition was really walked


# --- Changes --------------------------------------------------------------------------------------------------------


def changed(path: str) -> Spec:
    """A change of the field at `path` below spec to something that is valid in itself."""
    fixed = {
        "image": "other", "recipe": {"name": "logistic-regression"}, "data": DATA | {"normalize": "none"},
        "script": SCRIPT["script"], "training": {"epochs": 3}, "workers.minReplicas": 1, "workers.launcher": "torchrun",
        "workers.processesPerWorker": 2, "workers.resources": {"limits": {"cpu": "1"}}, "workers.env": [{"name": "A"}],
        "workers.envFrom": [{"secretRef": {"name": "s"}}], "workers.affinity": {"podAffinity": {}},
        "workers.labels": {"a": "b"}, "workers.annotations": {"a": "b"}, "workers.serviceAccountName": "trainer",
        "workers.volumes": [{"mountPath": "/d", "claim": "c"}], "workers.nodeSelector": {"a": "b"},
        "workers.tolerations": [{"operator": "Exists"}], "workers.topologySpread": [{"topologyKey": "zone"}],
        "workers.priorityClassName": "high", "workers.schedulerName": "other", "workers.imagePullSecrets": ["pull"],
        "workers.runAsUser": 1000, "parallelism": {"strategy": "FSDP"}, "checkpoint": {"keep": 5},
        "storage": {"claim": "c"}, "policy.maxRestarts": 9, "policy.restartWindowSeconds": 9, "policy.keepPods": "All",
        "energy.powerDomain": "other", "energy.carbon": {"mode": "StartWindow"}, "inference": {"enabled": True},
        "suspend": True, "workers.replicas": 2, "energy.budget": {"cost": 5}, "energy.powerCap": {"jobWatts": 300},
        "energy.flexibility": "throttle", "energy.objective": "time", "energy.energyWeight": 0.5,
        "policy.activeDeadlineSeconds": 9, "policy.startDeadlineSeconds": 9, "policy.progressDeadlineSeconds": 9,
        "policy.ttlSecondsAfterFinished": 9, "queue.priority": 9, "tracking": {"tensorBoard": {}},
    }  # fmt: skip
    return nested(path.split("."), fixed[path])


def nested(path: list[str], value: Any) -> Spec:
    return {path[0]: nested(path[1:], value) if path[1:] else value}


@pytest.fixture(scope="module")
def created(cluster, api):
    """Paths of two jobs: one as small as can be, and one that is elastic."""
    with cluster.namespace() as name:
        jobs = JOBS.format(name)
        api.create(jobs, document("TrainingJob", RECIPE, "plain"))
        api.create(jobs, document("TrainingJob", RECIPE | {"workers": {"replicas": 3, "minReplicas": 2}}, "elastic"))
        yield {"plain": f"{jobs}/plain", "elastic": f"{jobs}/elastic"}


def change(api, path: str, spec: Spec):
    return api.request("PATCH", f"{path}?dryRun=All", {"spec": spec}, "application/merge-patch+json")


@pytest.mark.parametrize("path", immutable_paths())
def test_a_change_that_would_make_another_training_is_refused_and_told_why(api, created, path):
    reply = change(api, created["plain"], changed(path))
    assert reply.status == 422
    assert f"spec.{path} cannot change after creation" in reply.message
    assert "create a new TrainingJob" in reply.message


@pytest.mark.parametrize("path", [path for path in MUTABLE if path != "workers.replicas"])
def test_what_a_user_steers_by_can_be_changed(api, created, path):
    reply = change(api, created["plain"], changed(path))
    assert (reply.status, reply.message) == (200, "")


def test_only_an_elastic_job_can_be_resized(api, created):
    refused = change(api, created["plain"], {"workers": {"replicas": 2}})
    assert refused.status == 422
    assert "only where spec.workers.minReplicas is set" in refused.message
    resized = change(api, created["elastic"], {"workers": {"replicas": 2}})
    assert (resized.status, resized.message) == (200, "")


@pytest.mark.parametrize("field", ["recipe", "training", "data"])
def test_a_field_that_is_taken_away_counts_as_a_change(api, created, field):
    reply = change(api, created["plain"], {field: None})
    assert reply.status == 422
    assert f"spec.{field} cannot change after creation" in reply.message


def test_a_spec_cannot_be_changed_through_the_status(api, created):
    before = api.get(created["plain"])
    body = {"spec": {"suspend": True}, "status": {"state": "Running"}}
    after = api.patch(f"{created['plain']}/status", body)
    assert after["spec"] == before["spec"]
    assert after["status"] == {"state": "Running"}
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
