"""The commands for a cluster, as far as they go without one, and how they show what they have seen."""

import io
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer
import yaml
from rich.console import Console
from typer.testing import CliRunner

from wattrain_api.contract.phases import Phase
from wattrain_api.status import EnergyStatus, Meter, Progress, QueueStatus, TrainingJobStatus, WorkerCounts
from wattrain_operator.cli.app import app
from wattrain_operator.cli.cluster_options import read_seconds
from wattrain_operator.cli.following import progress_of
from wattrain_operator.cli.status_line import status_line
from wattrain_operator.cli.top_table import summary, table
from wattrain_operator.cli.top_view import SeenJobs, frame, once
from wattrain_operator.remote.seen_job import seen_job

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
JOB = {
    "apiVersion": "wattrain.dev/v1alpha1",
    "kind": "TrainingJob",
    "metadata": {"name": "demo"},
    "spec": {"recipe": {"name": "mlp"}, "data": {"source": {"builtin": "digits"}}, "training": {"epochs": 1}},
}
NO_CLUSTER = {"KUBECONFIG": "/nonexistent", "KUBERNETES_SERVICE_HOST": "", "HOME": "/nonexistent"}


def call(*words):
    return CliRunner().invoke(app, words, env=NO_CLUSTER)


def seen(name, status, namespace="team-a"):
    metadata = {"name": name, "namespace": namespace, "uid": f"{namespace}-{name}", "generation": 1}
    metadata["creationTimestamp"] = (NOW - timedelta(seconds=75)).isoformat()
    spec = {"energy": {"powerDomain": "hall-2"}}
    return seen_job({"metadata": metadata, "spec": spec, "status": status.to_json_object()})


def running(step, loss):
    return TrainingJobStatus(
        state="Running",
        attempt=1,
        workers=WorkerCounts(desired=2, ready=2),
        progress=Progress(phase="training", step=step, total_steps=200, loss=loss, percent=step / 2, eta_seconds=65.0),
        energy=EnergyStatus(
            joules=1234.0, low=1.0, high=2.0, watts=41.26, source="model", meters=(Meter("cpu", "model", 1234.0),)
        ),
    )


QUEUED = TrainingJobStatus(state="Queued", queue=QueueStatus(position=3, held_by="team-b/big"))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("10m", 600), ("1h30m", 5400), ("2h5s", 7205), ("5m2", 302), ("0.5s", 0.5)],
)
def test_durations_are_written_as_kubectl_writes_them(text, seconds):
    assert read_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-1s", "1d"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(typer.BadParameter, match="is no duration; write one such as 90s"):
        read_seconds(text)


@pytest.mark.parametrize(
    "words",
    [("top",), ("logs", "a"), ("suspend", "a"), ("resume", "a"), ("delete", "a"), ("wait", "a"), ("receipt", "a")],
)
def test_without_a_cluster_every_command_says_so_in_a_sentence(words):
    result = call(*words)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: no way to a cluster: there is no kubeconfig at /nonexistent")
    told = call(*words, "--output", "json")
    assert json.loads(told.stdout)["exitCode"] == 2


def test_a_job_that_cannot_be_is_refused_with_its_field_before_a_cluster_is_looked_for(tmp_path):
    file = tmp_path / "job.yaml"
    for spec, told in [
        ({"training": {"epochs": 1, "optimizer": {"lr": -1}}}, "spec.training.optimizer.lr: -1 is not allowed"),
        ({"inference": {"enabled": True}}, "spec.inference.enabled: serving is not in this version"),
    ]:
        file.write_text(yaml.safe_dump({**JOB, "spec": {**JOB["spec"], **spec}}))
        result = call("submit", str(file))
        assert result.exit_code == 2
        assert told in result.stderr
        assert "no way to a cluster" not in result.stderr


def test_two_namespaces_for_one_job_are_refused(tmp_path):
    file = tmp_path / "job.yaml"
    file.write_text(yaml.safe_dump({**JOB, "metadata": {"name": "demo", "namespace": "a"}}))
    result = call("submit", str(file), "--namespace=b")
    assert (result.exit_code, "metadata.namespace: a, but --namespace is b" in result.stderr) == (2, True)


def test_what_is_no_job_is_left_to_kubectl_and_that_is_said(tmp_path):
    file = tmp_path / "job.yaml"
    domain = {"apiVersion": JOB["apiVersion"], "kind": "PowerDomain", "metadata": {"name": "hall"}, "spec": {}}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c"}}
    file.write_text(yaml.safe_dump_all([JOB, domain, claim]))
    error = call("submit", str(file)).stderr
    assert "note: PowerDomain hall is not submitted, only TrainingJobs are; kubectl apply takes it" in error
    assert "PersistentVolumeClaim is not submitted" in error


def test_the_table_has_who_trains_first_and_of_who_waits_for_whom():
    jobs = [
        seen("waits", QUEUED),
        seen("trains", running(100, 0.25)),
        seen("done", TrainingJobStatus(state="Complete")),
    ]
    made = table(jobs, {}, NOW, with_namespace=False)
    rows = [dict(zip(made.columns, row, strict=True)) for row in made.rows]
    assert [row["NAME"] for row in rows] == ["trains", "waits", "done"]
    assert rows[0] == {
        "NAME": "trains", "STATE": "Running", "PROGRESS": "████░░░░  50 %", "STEP": "100/200", "LOSS": "0.25",
        "WATTS": "~41.3", "JOULES": "~1.23 kJ", "LEFT": "1:05", "WORKERS": "2/2", "QUEUE": "", "DOMAIN": "hall-2",
        "AGE": "1:15",
    }  # fmt: skip
    assert rows[1]["QUEUE"] == "3, held by team-b/big"
    assert summary(jobs) == "3 jobs: 1 Running, 1 Queued, 1 Complete; 41.3 W"
    lines = made.lines()
    assert len({line.index("DOMAIN" if i == 0 else "hall-2") for i, line in enumerate(lines)}) == 1


def test_the_loss_is_drawn_from_what_was_seen_and_a_deleted_job_is_gone():
    jobs = SeenJobs([])
    for step, loss in ((10, 2.0), (20, 1.0), (30, 0.5)):
        jobs.take(seen("a", running(step, loss)), deleted=False)
    jobs.take(seen("b", QUEUED), deleted=False)
    made = table(jobs.jobs, jobs.losses, NOW, with_namespace=True)
    curve = made.rows[0][made.columns.index("CURVE")]
    assert len(curve) == 12
    assert curve[0] != curve[-1]
    assert made.rows[1][made.columns.index("CURVE")] == ""
    jobs.take(seen("a", running(40, 0.4)), deleted=True)
    assert [job.name for job in jobs.jobs] == ["b"]


def test_only_the_jobs_that_were_named_are_looked_at():
    jobs = SeenJobs(["a", "c"])
    assert jobs.take(seen("a", QUEUED), deleted=False)
    assert not jobs.take(seen("b", QUEUED), deleted=False)
    assert ([job.name for job in jobs.jobs], jobs.missing()) == (["a"], ["c"])


@pytest.mark.parametrize("width", [40, 80, 160])
def test_the_live_table_fits_any_terminal_and_takes_text_for_text(width):
    jobs = SeenJobs([])
    jobs.take(seen("[red]x[/red]", running(100, 0.25)), deleted=False)
    console = Console(width=width, record=True, file=Path(os.devnull).open("w"))  # noqa: SIM115
    console.print(frame(jobs, "", NOW, width))
    lines = console.export_text().splitlines()
    console.file.close()
    assert max(map(len, lines)) <= width
    (row,) = (line for line in lines if "[red]x[/red]" in line)
    assert "Running" in row
    assert "…" not in "".join(lines)
    assert ("0.25" in row, "~41.3" in row, "hall-2" in row) == (True, width > 40, width > 80)


def test_the_live_table_says_that_it_is_old_while_the_api_server_is_silent():
    jobs = SeenJobs([])
    jobs.take(seen("a", running(100, 0.25)), deleted=False)
    for silent_seconds in (0.0, 75.0):
        console = Console(width=80, file=io.StringIO())
        console.print(frame(jobs, "", NOW, 80, silent_seconds=silent_seconds))
        said = "No answer from the API server for 1:15; this is what it said before." in console.file.getvalue()
        assert said == (silent_seconds > 0)


def test_a_goal_may_be_written_as_kubectl_shows_the_state():
    said = call("wait", "a", "--for", "Suspended").output
    assert "'--for'" not in said
    assert "kubeconfig" in said, said


def test_a_table_that_is_printed_once_fits_the_terminal_and_is_whole_in_a_file():
    jobs = SeenJobs([])
    jobs.take(seen("a", running(100, 0.25)), deleted=False)
    whole = once(jobs, None)
    assert "hall-2" in whole
    assert max(map(len, once(jobs, 60).splitlines())) <= 60 < max(map(len, whole.splitlines()))


def test_a_status_is_shown_as_the_answer_of_a_worker_would_be():
    shown = progress_of(running(100, 0.25))
    assert (shown.step, shown.total_steps, shown.loss, shown.phase) == (100, 200, 0.25, Phase.TRAINING)
    assert shown.group.watts == 41.26
    assert progress_of(TrainingJobStatus()) is None


def test_a_job_elsewhere_is_not_said_to_end_by_ctrl_c():
    stopping = TrainingJobStatus(state="Suspending")
    assert "Ctrl-C" in status_line(stopping)
    assert "Ctrl-C" not in status_line(stopping, is_here=False)


def test_a_status_of_a_newer_version_is_shown_as_one_that_cannot_be_read():
    job = seen_job({"metadata": {"name": "a", "namespace": "n"}, "status": {"state": "Dreaming"}})
    assert "update wattrain" in job.status.message


@pytest.mark.parametrize(
    ("shell", "word"), [("bash", "complete -o"), ("zsh", "compdef"), ("fish", "complete --command")]
)
def test_every_shell_has_a_completion(shell, word):
    assert word in complete(f"source_{shell}").stdout


def test_completion_without_a_cluster_offers_nothing_and_says_nothing():
    result = complete("complete_bash", COMP_WORDS="wattrain logs d", COMP_CWORD="2")
    assert (result.stdout.strip(), result.stderr, result.exception) == ("", "", None)
    commands = complete("complete_bash", COMP_WORDS="wattrain s", COMP_CWORD="1")
    assert commands.stdout.split() == ["simulate", "submit", "suspend"]


def complete(instruction, **environment):
    """What a shell gets that asks as typer has told it to."""
    environment = {**NO_CLUSTER, "_WATTRAIN_COMPLETE": instruction, **environment}
    return CliRunner().invoke(app, [], env=environment, prog_name="wattrain")


def test_as_a_plugin_of_kubectl_it_calls_itself_as_it_was_called():
    command = [str(Path(sys.executable).parent / "kubectl-wattrain"), "suspend", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.split()[:3] == ["Usage:", "kubectl", "wattrain"]
