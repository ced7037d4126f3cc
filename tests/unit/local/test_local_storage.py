"""A run whose directory cannot be written any more ends as a run, or says at least why it ends."""

import contextlib
import errno
import json
import os
from datetime import UTC, datetime

import pytest

from wattrain_api.orphans import descendants
from wattrain_operator.local.interrupts import Interrupts
from wattrain_operator.local.job_run import JobRun, JobToRun
from wattrain_operator.local.metrics_page import MetricsServer
from wattrain_operator.local.refused import Refused
from wattrain_operator.local.resume import start
from wattrain_operator.local.run import LocalRun
from wattrain_operator.local.rundir import RunDirectory
from wattrain_operator.local.unwritable import Reserve, storage_failure


def error(number, file=None):
    return OSError(number, os.strerror(number), *([str(file)] if file else []))


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "(No space left on device); make room there, or choose another directory with --dir"),
        (errno.EDQUOT, "(Disk quota exceeded); make room there, or choose"),
        (errno.EROFS, "(Read-only file system); make it writable, or choose"),
        (errno.EACCES, "(Permission denied); make it writable, or choose"),
        (errno.ENOENT, "(No such file or directory); see that it is there"),
    ],
)
def test_what_is_wrong_with_the_directory_is_said_with_the_remedy(tmp_path, number, remedy):
    told = storage_failure(error(number, tmp_path / "run" / "status.json"), tmp_path / "run")
    assert told.startswith(f"{tmp_path / 'run'}: cannot be written {remedy}")


def test_a_write_that_names_no_file_is_about_the_directory_where_the_disk_is_full_alone(tmp_path):
    assert storage_failure(error(errno.ENOSPC), tmp_path) is not None
    assert storage_failure(error(errno.EACCES), tmp_path) is None


@pytest.mark.parametrize("file", ["/usr/bin/python", "/elsewhere/run/status.json"])
def test_an_error_of_another_file_is_not_taken_for_one_of_the_directory(tmp_path, file):
    assert storage_failure(error(errno.ENOSPC, file), tmp_path) is None
    assert storage_failure(ZeroDivisionError(), tmp_path) is None


class Quiet:
    """A view for a result."""

    def show(self, job, seen):
        pass

    def event(self, job, event):
        pass

    def end(self, job, result):
        pass


@pytest.fixture
def run(directory, domain, make_job, fake_supervisor):
    def go(view=None):
        before = set(descendants(os.getpid()))
        to_run = JobToRun(start(directory, make_job(FAKE_STEPS=100_000), domain, datetime.now(UTC)), domain, directory)
        with contextlib.closing(MetricsServer()) as server:
            [result] = LocalRun([to_run], view or Quiet(), Interrupts(), fake_supervisor).run(server)
        assert set(descendants(os.getpid())) <= before, "no process is left"  # but of fixtures that other tests share
        return result

    return go


def full_once_it_runs(monkeypatch, method, until=lambda directory: False):
    """Let `method` of a directory fail as on a full disk from when its workers run on, until `until`."""
    real, make_pass = getattr(RunDirectory, method), JobRun.make_pass
    runs = []

    def note(self, *seen):
        events = make_pass(self, *seen)
        runs.extend(event for event in events if event.reason == "WorkersRunning")
        return events

    def fail(self, *arguments):
        if runs and not until(self):
            raise error(errno.ENOSPC)
        return real(self, *arguments)

    monkeypatch.setattr(JobRun, "make_pass", note)
    monkeypatch.setattr(RunDirectory, method, fail)


def reserve_is_free(directory):
    return not (directory.path / ".reserve").exists()


@pytest.mark.parametrize("method", ["write_status", "publish_preparation"])
def test_a_run_on_a_full_disk_fails_with_a_receipt_and_no_crash(run, directory, monkeypatch, method):
    full_once_it_runs(monkeypatch, method, until=reserve_is_free)
    result = run()
    sentence = f"{directory.path}: cannot be written (No space left on device); make room there, or choose"
    assert (result.exit_code, result.status.state, result.status.reason) == (1, "Failed", "StorageUnavailable")
    assert result.sentences[0].startswith(f"failed (StorageUnavailable): {sentence}")
    receipt = json.loads((directory.path / "receipt.json").read_bytes())
    assert receipt["job"]["message"].startswith(sentence)
    assert receipt["duration"]["completionTime"]
    assert not directory.crash_log.exists()


def test_a_run_whose_end_cannot_be_written_either_says_so(run, directory, monkeypatch):
    full_once_it_runs(monkeypatch, "write_status")
    result = run()
    assert result.exit_code == 1
    assert result.sentences[0].startswith(f"failed (StorageUnavailable): {directory.path}: cannot be written")
    assert result.sentences[1] == "its status and its receipt could not be written"
    assert not directory.crash_log.exists()
    assert result.receipt is None


class Full(Quiet):
    """A view that is redirected into a file on a full disk."""

    def show(self, job, seen):
        raise error(errno.ENOSPC)


def test_a_run_whose_output_has_no_room_stops_and_says_so_where_it_can(run, capsys):
    result = run(Full())
    assert (result.exit_code, result.status.state) == (130, "Suspended")
    assert capsys.readouterr().err == (
        "error: standard output cannot be written (No space left on device); the run saves and stops\n"
    )


def test_a_directory_without_room_for_the_end_of_a_run_is_refused_at_its_beginning(tmp_path, monkeypatch):
    def fail(self):
        raise error(errno.ENOSPC)

    monkeypatch.setattr(Reserve, "hold", fail)
    with pytest.raises(Refused, match=r"run: cannot be written \(No space left on device\); make room there"):
        RunDirectory.open(tmp_path / "run", wait_seconds=1)


def test_the_room_is_given_back_at_the_end(tmp_path):
    directory = RunDirectory.open(tmp_path / "run", wait_seconds=1)
    assert (tmp_path / "run" / ".reserve").stat().st_size >= 100_000
    directory.close()
    assert not (tmp_path / "run" / ".reserve").exists()
