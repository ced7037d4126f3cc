"""The commands as a user calls them, up to the point where something would be started."""

import errno
import importlib.util
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from wattrain_operator.cli.app import app
from wattrain_operator.cli.view_plain import PlainView
from wattrain_operator.local import session

JOB = {
    "apiVersion": "wattrain.dev/v1alpha1",
    "kind": "TrainingJob",
    "metadata": {"name": "demo"},
    "spec": {"recipe": {"name": "mlp"}, "data": {"source": {"builtin": "digits"}}, "training": {"epochs": 1}},
}


@pytest.fixture
def job_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write(**spec):
        file = tmp_path / "job.yaml"
        file.write_text(yaml.safe_dump({**JOB, "spec": {**JOB["spec"], **spec}}))
        return str(file)

    return write


def call(*arguments):
    return CliRunner().invoke(app, arguments)


def refused(result):
    """The error text of a command that was refused as bad input."""
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    return result.stderr


def test_version():
    assert call("--version").output.startswith("wattrain 0.")


def test_validate_accepts_the_examples():
    examples = Path(__file__).parents[3] / "examples"
    for file in ("digits-mlp", "digits-logistic-regression", "csv-mlp"):
        result = call("validate", str(examples / f"{file}.yaml"), str(examples / "powerdomain.yaml"))
        assert result.exit_code == 0, result.output


def test_validate_explains_field_value_and_remedy(job_file):
    error = refused(call("validate", job_file(training={"epochs": 1, "optimizer": {"lr": -0.1}})))
    assert "spec.training.optimizer.lr: -0.1 is not allowed" in error


def test_validate_tells_programs_the_same(job_file):
    result = call("validate", job_file(trainning={}), "--output", "json")
    answer = json.loads(result.stdout)
    assert (result.exit_code, answer["valid"]) == (2, False)
    assert answer["problems"][0]["field"] == "spec.trainning"
    assert json.loads(call("validate", job_file(), "--output", "json").stdout) == {"valid": True, "problems": []}


def test_validate_names_every_job_that_is_valid_and_every_one_that_is_not(tmp_path):
    file = tmp_path / "jobs.yaml"

    def write(*specs):
        jobs = [{**JOB, "metadata": {"name": f"job-{i}"}, "spec": {**JOB["spec"], **s}} for i, s in enumerate(specs)]
        file.write_text(yaml.safe_dump_all(jobs))
        return str(file)

    assert call("validate", write({}, {})).stdout == "TrainingJob job-0: valid\nTrainingJob job-1: valid\n"
    elastic = {"workers": {"replicas": 2, "minReplicas": 1}}
    error = refused(call("validate", write(elastic, {}, elastic)))
    assert [line.split(": ")[1] for line in error.splitlines()] == ["TrainingJob job-0", "TrainingJob job-2"]


def test_validate_tells_what_this_version_does_not_do(job_file):
    assert "elastic jobs are not in this version" in refused(
        call("validate", job_file(workers={"replicas": 2, "minReplicas": 1}))
    )


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"trainning": {}}, "spec.trainning"),
        ({"training": {"epochs": 1, "optimizer": {"lr": -0.1}}}, "spec.training.optimizer.lr: -0.1 is not allowed"),
        ({"data": {"source": {"uri": "missing.csv"}}}, "there is no file missing.csv"),
        ({"energy": {"powerDomain": "mine"}}, "spec.energy.powerDomain: mine is in none of the files"),
        ({"suspend": True}, "spec.suspend"),
    ],
)
def test_run_refuses_bad_input_and_leaves_nothing(job_file, tmp_path, spec, said):
    assert said in refused(call("run", job_file(**spec)))
    assert [entry.name for entry in tmp_path.iterdir()] == ["job.yaml"]


def test_run_refuses_a_missing_job_file(tmp_path):
    assert "cannot be read" in refused(call("run", str(tmp_path / "no.yaml")))


def test_run_refuses_a_port_in_use_and_leaves_nothing(job_file, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert f"--metrics-port {port}: is in use" in refused(call("run", job_file(), "--metrics-port", port))
    assert [entry.name for entry in tmp_path.iterdir()] == ["job.yaml"]


def test_run_refuses_an_unwritable_directory(job_file):
    assert f"--dir {os.devnull}/run: cannot be written" in refused(
        call("run", job_file(), "--dir", f"{os.devnull}/run")
    )


def test_run_refuses_an_override_of_an_unknown_field(job_file):
    assert "workers.replica" in refused(call("run", job_file(), "--set", "workers.replica=3"))


def test_a_refusal_in_json_is_one_object(job_file):
    result = call("run", job_file(suspend=True), "--output", "json")
    answer = json.loads(result.stdout)
    assert (answer["type"], answer["exitCode"]) == ("error", 2)
    assert answer["lines"][0].startswith("spec.suspend")


def test_an_unforeseen_error_is_a_line_and_its_traceback_is_kept(job_file, tmp_path, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError("nobody thought of it")

    monkeypatch.setattr(session.LocalRun, "run", fail)
    result = call("run", job_file())
    log = tmp_path / "runs" / "demo" / "crash.log"
    assert result.exit_code == 1
    assert "error: unexpected ZeroDivisionError: nobody thought of it; the traceback is in runs/demo/crash.log" in (
        result.stderr
    )
    assert "Traceback" not in result.output
    assert "nobody thought of it" in log.read_text()


def test_an_output_without_room_is_not_taken_for_a_full_directory(job_file, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(PlainView, "begin", fail)
    result = call("run", job_file())
    assert result.exit_code == 1
    assert result.stderr == (
        "error: standard output cannot be written (No space left on device); nothing has been started\n"
    )


def test_without_the_terminal_packages_the_command_names_what_to_install():
    code = "import sys; sys.modules['typer'] = None; from wattrain_operator.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "error: typer is not installed: pip install 'wattrain[local]' ('.[local]' in a clone)\n"


def test_ctrl_c_before_the_command_is_read_ends_it_without_a_traceback():
    code = """
import sys
class Interrupts:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupts())
from wattrain_operator.cli import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["runs/a"], "give either a FILE, or --split for rows of the run's own data"),
        (["runs/a", "b.csv", "--split", "test"], "give either a FILE, or --split"),
        (["runs/a", "b.csv", "--output", "xml"], "'xml' is not one of 'text', 'json', 'csv'"),
        ([], "Missing argument 'MODEL'"),
    ],
)
def test_predict_refuses_what_cannot_be_asked(arguments, said):
    done = call("predict", *arguments)
    assert done.exit_code == 2
    assert said in done.stderr


def test_predict_becomes_the_process_of_the_worker(monkeypatch):
    found = []
    monkeypatch.setattr(os, "execv", lambda program, command: found.append((program, command)))
    assert call("predict", "runs/a", "-b.csv", "--output", "json").exit_code == 2  # an option that is not there
    assert call("predict", "--output", "json", "--", "runs/a", "-b.csv").exit_code == 0
    assert call("predict", "runs/a", "--split", "test").exit_code == 0
    start = [sys.executable, "-P", "-m", "wattrain_worker.predict"]
    assert found == [
        (sys.executable, [*start, "--output=json", "--file=-b.csv", "--", "runs/a"]),
        (sys.executable, [*start, "--output=text", "--split=test", "--", "runs/a"]),
    ]


def test_predict_says_what_is_not_installed(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else object())
    done = call("predict", "runs/a", "b.csv")
    assert done.exit_code == 2
    assert "error: the recipes need torch: pip install 'wattrain[local]'" in done.stderr
