"""The run's directory: whose it is, what is in it, and what a second run in it means."""

import contextlib
import hashlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from wattrain_api.data import Data
from wattrain_api.powerdomain import PowerDomainSpec
from wattrain_api.registered import MlpRecipe, ResnetRecipe
from wattrain_api.status import (
    CheckpointStatus,
    ChildMeters,
    Condition,
    EnergyStatus,
    Internal,
    Meter,
    TrainingJobStatus,
)
from wattrain_api.training import Training
from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_operator.core.observed import Event
from wattrain_operator.local.refused import Refused
from wattrain_operator.local.resume import start
from wattrain_operator.local.rundir import RunDirectory
from wattrain_worker.data import source_files

NO_DOMAIN = PowerDomainSpec()


def condition(type_, now, reason="Reason"):
    return Condition(type=type_, status="True", reason=reason, last_transition_time=now)


def opened(path):
    return contextlib.closing(RunDirectory.open(path, wait_seconds=0))


def test_a_missing_directory_is_made_with_its_parents(tmp_path):
    with opened(tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b").is_dir()


def test_a_directory_with_foreign_files_is_refused_and_stays_as_it_is(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(Refused, match=r"files that are not of a run \(thesis.txt\)") as refusal:
        RunDirectory.open(tmp_path, wait_seconds=0)
    assert refusal.value.exit_code == 2
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_directory_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused, match="cannot be written"):
        RunDirectory.open(tmp_path / "file" / "run", wait_seconds=0)


def test_a_directory_in_use_is_refused_with_the_process_that_has_it(tmp_path):
    with (
        opened(tmp_path),
        pytest.raises(Refused, match=f"in use by another wattrain run .process {os.getpid()}.*--dir"),
    ):
        RunDirectory.open(tmp_path, wait_seconds=0)
    with opened(tmp_path):
        pass


def test_what_still_holds_the_inherited_lock_is_waited_for_and_then_named(tmp_path):
    command = RunDirectory.open(tmp_path, wait_seconds=0)
    code = "import sys; print('up', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code], pass_fds=(command.lock_fd,), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as remains:
        assert remains.stdout.readline() == b"up\n"
        command.close()  # as its death would
        with pytest.raises(Refused, match=r"workers of a killed run still hold .*lock after 0 s"):
            RunDirectory.open(tmp_path, wait_seconds=0)
    with opened(tmp_path):  # the remains have ended
        pass


def test_job_spec_and_status_come_back_as_they_were_written(directory, make_job, now):
    job = start(directory, make_job(), NO_DOMAIN, now).job
    status = TrainingJobStatus(attempt=3, conditions=(condition("Running", now.replace(microsecond=0)),))
    directory.write_status(status)
    assert directory.read_job() == job
    assert directory.read_status() == status
    assert json.loads(directory.spec_file.read_bytes()) == job.spec.to_json_object()


def test_events_are_lines_of_json(directory, now):
    directory.append_event(Event("Warning", "WorkersRestarted", 'rank 1 failed: "x"'), now)
    directory.append_event(Event("Normal", "TrainingComplete", "done"), now)
    lines = [json.loads(line) for line in (directory.path / "events.jsonl").read_text().splitlines()]
    assert [(line["type"], line["reason"]) for line in lines] == [
        ("Warning", "WorkersRestarted"),
        ("Normal", "TrainingComplete"),
    ]


def test_the_preparation_is_shown_at_the_top(directory):
    (directory.directory("data") / "prepare.json").write_text('{"version": 1}')
    directory.publish_preparation()
    assert (directory.path / "prepare.json").read_text() == '{"version": 1}'


def test_the_first_run_gets_an_identity_and_an_empty_status(directory, make_job, now):
    begun = start(directory, make_job(), NO_DOMAIN, now)
    assert not begun.resumed
    assert begun.status == TrainingJobStatus()
    assert begun.job.metadata.uid
    assert begun.job.metadata.namespace == "local"


def test_a_second_run_goes_on_with_the_same_identity_and_status(directory, make_job, now):
    first = start(directory, make_job(), NO_DOMAIN, now)
    directory.write_status(TrainingJobStatus(attempt=2, checkpoint=CheckpointStatus(step=50)))
    second = start(directory, make_job(), NO_DOMAIN, now)
    assert second.resumed
    assert second.job.metadata.uid == first.job.metadata.uid
    assert (second.status.attempt, second.status.checkpoint.step) == (2, 50)


def test_a_changed_deadline_goes_on_as_another_generation(directory, make_job, now):
    start(directory, make_job(), NO_DOMAIN, now)
    again = start(directory, make_job(policy={"activeDeadlineSeconds": 900}), NO_DOMAIN, now)
    assert (again.resumed, again.job.metadata.generation) == (True, 2)


def test_a_changed_field_that_may_not_change_is_named(directory, make_job, now):
    start(directory, make_job(), NO_DOMAIN, now)
    with pytest.raises(Refused, match=r"another workers\.replicas \(was 2, is 3\)") as refusal:
        start(directory, make_job(replicas=3), NO_DOMAIN, now)
    assert refusal.value.exit_code == 2


def test_another_jobs_directory_is_refused(directory, make_job, now):
    start(directory, make_job(), NO_DOMAIN, now)
    other = make_job()
    other = other.model_copy(update={"metadata": other.metadata.model_copy(update={"name": "other"})})
    with pytest.raises(Refused, match="holds the run of demo, not of other"):
        start(directory, other, NO_DOMAIN, now)


def test_a_failed_run_says_why_and_what_to_do(directory, make_job, now):
    start(directory, make_job(), NO_DOMAIN, now)
    directory.write_status(
        TrainingJobStatus(
            reason="RestartBudgetExhausted", message="rank 0 failed", conditions=(condition("Failed", now),)
        )
    )
    with pytest.raises(Refused, match=r"RestartBudgetExhausted.: rank 0 failed\nstart anew in another dir") as refusal:
        start(directory, make_job(), NO_DOMAIN, now)
    assert refusal.value.exit_code == 1


def test_after_bad_data_the_mended_job_starts_anew_in_the_same_directory(directory, make_job, now):
    start(directory, make_job(), NO_DOMAIN, now)
    directory.write_status(TrainingJobStatus(reason="BadData", conditions=(condition("Failed", now),)))
    begun = start(directory, make_job(replicas=3), NO_DOMAIN, now)
    assert (begun.resumed, begun.job.spec.workers.replicas) == (False, 3)
    assert directory.read_status() == TrainingJobStatus()


def test_the_time_between_two_commands_counts_for_no_deadline(directory, make_job, now):
    start(directory, make_job(), NO_DOMAIN, now)
    began = now.replace(microsecond=0) - timedelta(hours=2)
    directory.write_status(TrainingJobStatus(attempt=1, internal=Internal(attempt_time=began, active_since=began)))
    later = now + timedelta(hours=3)
    status = start(directory, make_job(), NO_DOMAIN, later).status
    assert status.internal.attempt_time - began == status.internal.active_since - began
    assert timedelta(hours=2, minutes=59) < status.internal.attempt_time - began <= timedelta(hours=3)


def test_the_time_that_a_complete_job_took_stays_what_it_was(directory, make_job, now):
    start(directory, make_job(), NO_DOMAIN, now)
    began, ended = now.replace(microsecond=0) - timedelta(hours=2), now.replace(microsecond=0)
    complete = TrainingJobStatus(
        start_time=began, completion_time=ended, internal=Internal(active_since=began),
        conditions=(condition("Complete", ended),),
    )  # fmt: skip
    directory.write_status(complete)
    assert start(directory, make_job(), NO_DOMAIN, now + timedelta(hours=3)).status == complete


def test_a_torn_status_is_told_not_guessed(directory, make_job, now):
    start(directory, make_job(), NO_DOMAIN, now)
    (directory.path / "status.json").write_text('{"attempt": ')
    with pytest.raises(Refused, match=r"status\.json: is no JSON"):
        start(directory, make_job(), NO_DOMAIN, now)


def test_data_that_has_changed_since_it_was_prepared_is_not_gone_on_with(directory, make_job, now, tmp_path):
    table = tmp_path / "table.csv"
    table.write_text("a,b\n1,2\n")
    job = make_job()
    data = {"source": {"uri": str(table)}}
    spec = TrainingJobSpec(recipe=MlpRecipe(name="mlp"), data=Data.model_validate(data), training=Training(epochs=1))
    job = job.model_copy(update={"spec": spec})
    start(directory, job, NO_DOMAIN, now)
    digest = hashlib.sha256(table.read_bytes()).hexdigest()
    (directory.path / "prepare.json").write_text(json.dumps({"source": {"sha256": digest}}))
    assert start(directory, job, NO_DOMAIN, now).resumed
    table.write_text("a,b\n1,3\n")
    with pytest.raises(Refused, match=r"table\.csv has changed since it was prepared"):
        start(directory, job, NO_DOMAIN, now)


def test_a_folder_that_has_changed_since_it_was_prepared_is_not_gone_on_with(directory, make_job, now, tmp_path):
    pictures = tmp_path / "pictures"
    (pictures / "ant").mkdir(parents=True)
    (pictures / "ant" / "1.png").write_bytes(b"one")
    data = {"source": {"uri": str(pictures)}}
    recipe = ResnetRecipe(name="resnet")
    spec = TrainingJobSpec(recipe=recipe, data=Data.model_validate(data), training=Training(epochs=1))
    job = make_job().model_copy(update={"spec": spec})
    start(directory, job, NO_DOMAIN, now)
    identity = source_files.opened(job.spec.data.source).identity()
    (directory.path / "prepare.json").write_text(json.dumps({"source": identity}))
    (pictures / ".DS_Store").write_bytes(b"hidden")
    assert start(directory, job, NO_DOMAIN, now).resumed
    (pictures / "ant" / "1.png").rename(pictures / "ant" / "2.png")
    with pytest.raises(Refused, match=r"pictures has changed since it was prepared"):
        start(directory, job, NO_DOMAIN, now)


def test_a_checkpoint_that_was_saved_after_the_command_was_gone_is_found(directory, make_job, now):
    start(directory, make_job(), NO_DOMAIN, now)
    directory.write_status(TrainingJobStatus(attempt=1, checkpoint=CheckpointStatus(step=50)))
    (directory.directory("checkpoints") / "LATEST").write_text("step-00000077.attempt-1.generation-0\n")
    assert start(directory, make_job(), NO_DOMAIN, now).status.checkpoint.step == 77


def leave(directory, name, uid, joules, attempt=1, **fields):
    energy = [{"component": "cpu", "source": "model", "joules": joules, "lowJoules": joules, "highJoules": joules}]
    message = {"version": 1, "uid": uid, "attempt": attempt, "energy": energy, **fields}
    (directory.directory("termination") / f"{name}.json").write_text(json.dumps(message) + "   ")


def test_what_supervisors_counted_after_the_killed_commands_last_look_is_entered_once(directory, make_job, now):
    start(directory, make_job(), NO_DOMAIN, now)
    meter = Meter("cpu", "model", 10.0, 10.0, 10.0)
    internal = Internal(metered_attempt=1, child_meters=(ChildMeters("one", (meter,)),))
    energy = EnergyStatus(joules=10.0, low=10.0, high=10.0, meters=(meter,))
    directory.write_status(TrainingJobStatus(attempt=1, energy=energy, internal=internal))
    leave(directory, "demo-1-0", "one", 16.0, exitCode=143, time=now.timestamp() - 60)
    leave(directory, "demo-1-1", "two", 5.0, time=now.timestamp() - 60)  # it was killed: there is no exit code
    leave(directory, "demo-prepare-1", "", 7.0)  # of a version that did not say whose it is
    (directory.directory("termination") / "torn.json").write_text('{"version": 1, "uid"')
    for _ in range(2):
        assert start(directory, make_job(), NO_DOMAIN, now).status.energy.joules == 21
        assert directory.read_status().energy.joules == 21  # before anything can be started and overwrite a message
    leave(directory, "demo-1-0", "one", 16.0)  # and if it had not been removed
    assert start(directory, make_job(), NO_DOMAIN, now).status.energy.joules == 21


def test_a_job_that_is_killed_again_and_again_before_it_trains_loses_nothing(directory, make_job, now):
    start(directory, make_job(), NO_DOMAIN, now)
    directory.write_status(TrainingJobStatus(attempt=1))
    for number in range(60):
        leave(directory, "demo-prepare-1", f"uid {number}", 3.0)
        status = start(directory, make_job(), NO_DOMAIN, now).status
        assert status.energy.joules == 3.0 * (number + 1)


def test_what_is_entered_at_a_resumption_is_priced_when_it_was_used(directory, make_job, now):
    night = {"start": "22:00", "end": "06:00", "pricePerKWh": 0.1}
    domain = PowerDomainSpec.model_validate({"tariff": {"pricePerKWh": 0.5, "windows": [night]}})
    start(directory, make_job(), domain, now)
    evening, morning = (datetime(2026, 1, 14, 23, tzinfo=UTC), datetime(2026, 1, 15, 9, tzinfo=UTC))
    directory.write_status(TrainingJobStatus(attempt=1, internal=Internal(metered_time=evening, attempt_time=evening)))
    leave(directory, "demo-1-0", "one", 3.6e6, time=evening.timestamp() + 60)
    assert start(directory, make_job(), domain, morning).status.energy.cost == 0.1
