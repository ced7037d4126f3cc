"""`wattrain.run` up to the point where something would be started, and what its receipt shows."""

import subprocess
import sys

import pytest

import wattrain
from wattrain.run_lines import RunLines
from wattrain_api.trainingjob import TrainingJob

JOB = {
    "apiVersion": "wattrain.dev/v1alpha1",
    "kind": "TrainingJob",
    "metadata": {"name": "demo"},
    "spec": {"recipe": {"name": "mlp"}, "data": {"source": {"builtin": "digits"}}, "training": {"epochs": 1}},
}


@pytest.fixture
def no_process(monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a process was started"))


def changed(**spec):
    return {**JOB, "spec": {**JOB["spec"], **spec}}


@pytest.mark.parametrize(
    ("job", "said"),
    [
        ("nothing.yaml", "nothing.yaml: cannot be read: no such file or directory; check the path"),
        (changed(training={"epochs": 0}), "the job:1: spec.training.epochs: 0 is not allowed"),
        (changed(recipe={"name": "mlpp"}), "spec.recipe.name: mlpp is not allowed"),
        ({}, "required, but missing"),
        ({"spec": object()}, "the job: Object of type object is not JSON serializable"),
    ],
)
def test_what_is_no_job_is_refused_with_the_field(job, said, tmp_path, monkeypatch, no_process):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(wattrain.JobRefused) as caught:
        wattrain.run(job)
    assert said in str(caught.value)
    assert "wattrain-run-" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_override_is_refused_before_anything_starts(no_process):
    with pytest.raises(wattrain.JobRefused, match=r"--set: spec.training.epochs: -1 is not allowed"):
        wattrain.run(JOB, overrides=["training.epochs=-1"])


def test_a_file_with_two_jobs_is_refused(tmp_path, no_process):
    file = tmp_path / "jobs.yaml"
    one = "apiVersion: wattrain.dev/v1alpha1\nkind: TrainingJob\nmetadata: {name: %s}\nspec: {script: {command: [a]}}\n"
    file.write_text(f"{one % 'a'}---\n{one % 'b'}")
    with pytest.raises(wattrain.JobRefused, match=r"has 2 TrainingJobs \(a, b\); give a file with one"):
        wattrain.run(file)


def test_what_the_command_refuses_is_kept_and_lines_that_are_not_its_own_are_passed_over():
    lines = RunLines(TrainingJob.model_validate(JOB), None)
    for line in ("a warning of some library\n", "3\n", '{"type": "error", "lines": ["no; mend it"], "exitCode": 2}\n'):
        lines.take(line)
    assert (lines.refusal, lines.result) == (("no; mend it",), None)


def test_to_import_wattrain_imports_nothing_of_weight():
    code = "import sys; import wattrain; sys.exit(len({'pydantic', 'yaml', 'torch', 'typer'} & set(sys.modules)))"
    assert subprocess.call([sys.executable, "-c", code]) == 0


def test_what_there_is_not_is_no_attribute():
    with pytest.raises(AttributeError, match="module 'wattrain' has no attribute 'fit'"):
        wattrain.fit  # noqa: B018
    assert set(dir(wattrain)) == {"JobFailed", "JobRefused", "RunReceipt", "run"}
