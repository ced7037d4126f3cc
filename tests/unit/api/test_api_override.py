import pytest
import yaml

from wattrain_api.load import apply_overrides


def test_overrides_win_over_the_file(load, job):
    [overridden] = load(
        job, "workers.replicas=3", "spec.training.optimizer.lr=1e-2", "recipe.params.hidden=[32, 16]",
        "training.epochs=", "training.maxSteps=5", "workers.resources.limits.nvidia.com/gpu=2", "workers.env[0].name=A",
        "workers.env[0].value='3'", "data.schema.age.min=0",
    ).jobs  # fmt: skip
    spec = overridden.spec
    assert spec.workers.replicas == 3
    assert spec.training.optimizer.lr == 0.01
    assert spec.recipe.params.hidden == (32, 16)
    assert (spec.training.epochs, spec.training.max_steps) == (None, 5)
    assert spec.workers.resources.limits == {"nvidia.com/gpu": "2"}
    assert [(v.name, v.value) for v in spec.workers.env] == [("A", "3")]
    assert spec.data.column_schema["age"].min == 0


def test_the_document_itself_is_not_changed(job):
    assert apply_overrides(job, ["workers.replicas=3"])["spec"]["workers"] == {"replicas": 3}
    assert "workers" not in job["spec"]


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("workers.replics=3", "--set: spec.workers.replics: there is no such field; did you mean replicas?"),
        ("workers", "--set: workers: not a path and a value; write it as workers.replicas=3"),
        ("=3", "--set: =3: not a path and a value; write it as workers.replicas=3"),
        ("workers.replicas.x=3", "--set: spec.workers.replicas.x: there is nothing below it; "
         "write it as workers.replicas=3"),
        ("workers.env[3].name=A", "--set: spec.workers.env[3].name: there is no 3 to set it in; "
         "add it to the file first"),
        ("workers.replicas=[1", "--set:1: this is not YAML: expected ',' or ']', but got '<stream end>'; check the "
         "indentation, the colons and the quotes here and one line above"),
        ("training.epochs=0", "--set: spec.training.epochs: 0 is not allowed: must be at least 1; "
         "write a whole number, at least 1 and at most 1,000,000"),
    ],
)  # fmt: skip
def test_a_wrong_override_is_blamed_and_not_the_file(refusal, job, override, expected):
    assert refusal(job, override) == expected


def test_a_wrong_override_of_several_jobs_is_told_once(refusal, job):
    other = {**job, "metadata": {"name": "other"}}
    text = refusal(f"{yaml.safe_dump(job)}---\n{yaml.safe_dump(other)}", "workers.replics=3")
    assert text == "--set: spec.workers.replics: there is no such field; did you mean replicas?"


def test_a_problem_beside_an_override_is_still_the_files(refusal, job):
    job["spec"]["training"]["seed"] = -1
    assert refusal(job, "training.epochs=3").startswith("job.yaml:")
