"""`wattrain run` with several jobs as a user calls it, with supervisors in name only."""

import functools
import json

import pytest
import yaml
from typer.testing import CliRunner

from wattrain_operator.cli.app import app
from wattrain_operator.local import session
from wattrain_operator.local.run import LocalRun

SPEC = {"recipe": {"name": "mlp"}, "data": {"source": {"builtin": "digits"}}, "training": {"epochs": 1}}


@pytest.fixture
def write(tmp_path, monkeypatch, fake_supervisor):
    """Writes a file with a job of that name, or with a PowerDomain; keywords are fields of its spec."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(session, "LocalRun", functools.partial(LocalRun, command=fake_supervisor))

    def made(name, kind="TrainingJob", **spec):
        spec = {**SPEC, **spec} if kind == "TrainingJob" else spec
        document = {"apiVersion": "wattrain.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}
        file = tmp_path / f"{name}.yaml"
        file.write_text(yaml.safe_dump(document))
        return str(file)

    return made


def env(**variables):
    return {"workers": {"replicas": 1, "env": [{"name": n, "value": str(v)} for n, v in variables.items()]}}


def run(*arguments, output="json"):
    return CliRunner().invoke(app, ["run", *arguments, "--output", output])


def lines(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_each_job_gets_its_directory_and_every_line_of_json_names_its_job(write, tmp_path):
    limit = write("default", "PowerDomain", maxRunningJobs=1)
    result = run(write("low"), write("high", queue={"priority": 3}), limit, "--dir", "all")
    assert result.exit_code == 0, result.output
    found = lines(result)
    assert {line["job"] for line in found} == {"low", "high"}
    assert [line["dir"] for line in found if line["type"] == "start"] == ["all/low", "all/high"]
    assert [line["job"] for line in found if line["type"] == "result"] == ["high", "low"]
    assert sorted(entry.name for entry in (tmp_path / "all").iterdir()) == ["high", "low"]
    assert (tmp_path / "all" / "low" / "receipt.md").exists()
    queued = next(line["status"] for line in found if line["type"] == "status" and line["job"] == "low")
    assert (queued["state"], queued["queue"]) == ("Queued", {"position": 1, "heldBy": "local/high"})


def test_the_same_command_again_says_of_each_complete_job_that_it_is_so_and_runs_the_others(write):
    one, two = write("one"), write("two")
    assert run(one).exit_code == 0
    result = run(one, two, output="plain")
    assert result.exit_code == 0
    assert result.stdout.startswith("one is complete already; to train it again choose another directory with --dir\n")
    assert "two starts in runs/two" in result.stdout
    result = run(one, two, output="plain")
    assert result.exit_code == 0
    assert [line for line in result.stdout.splitlines() if not line.startswith("  ")] == [
        f"{name} is complete already; to train it again choose another directory with --dir" for name in ("one", "two")
    ]


def test_a_job_that_failed_before_is_skipped_with_its_reason_and_the_command_does_not_exit_with_0(write):
    bad = write("bad", policy={"maxRestarts": 0}, **env(FAKE_MODE="silent", FAKE_STEPS=1))
    good = write("good")
    assert run(bad, good).exit_code == 1
    result = run(bad, write("new"), output="plain")
    assert result.exit_code == 1
    assert result.stdout.startswith("the run in runs/bad has failed (RestartBudgetExhausted): ")
    assert "complete: the worker is done" in result.stdout
    result = run(bad)
    assert (result.exit_code, result.stdout.count('"type": "error"')) == (1, 1)


def test_bad_data_of_one_job_is_the_exit_code_only_where_nothing_worse_happened(write):
    bad_data = write("bad-data", **env(FAKE_MODE="bad-data"))
    assert run(bad_data, write("good")).exit_code == 2
    fails = write("fails", policy={"maxRestarts": 0}, **env(FAKE_MODE="silent", FAKE_STEPS=1))
    assert run(bad_data, fails).exit_code == 1


def test_of_several_jobs_every_problem_names_its_own_and_nothing_is_left(write, tmp_path):
    files = write("good"), write("a", energy={"powerDomain": "mine"}), write("b", suspend=True)
    result = run(*files, output="plain")
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        "error: TrainingJob a: spec.energy.powerDomain: mine is in none of the files; add the file that has it to the "
        "command, or leave the field out",
        "error: TrainingJob b: spec.suspend: true is not run; write false, or add --set suspend=false",
    ]
    assert not (tmp_path / "runs").exists()


def test_a_problem_of_their_power_domain_is_told_once(write):
    result = run(write("a"), write("b"), write("default", "PowerDomain", baseWatts=100), output="plain")
    assert result.stderr.startswith("error: PowerDomain default, spec.baseWatts: it is a part of capWatts, which is")
    assert len(result.stderr.splitlines()) == 1


def test_a_job_whose_directory_is_of_another_training_is_refused_and_no_other_job_has_begun(write, tmp_path):
    assert run(write("b")).exit_code == 0
    result = run(write("a"), write("b", training={"epochs": 2}), output="plain")
    assert result.exit_code == 2
    assert "--dir runs/b: holds a run of this job with another training.epochs (was 1, is 2)" in result.stderr
    assert not (tmp_path / "runs" / "a" / "job.json").exists()


def test_several_jobs_do_not_go_into_the_directory_of_one(write):
    one = write("one")
    assert run(one, "--dir", "mine").exit_code == 0
    result = run(one, write("two"), "--dir", "mine", output="plain")
    assert (result.exit_code, result.stderr) == (
        2,
        "error: --dir mine: holds the run of one job; each of several has a directory of its own below --dir: choose "
        "another directory\n",
    )
