"""What ranks print, kept beside the log: bounded, appended to, and given up where it cannot be written."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from wattrain_api.contract.progress import Evaluation
from wattrain_api.contract.recorded_step import RecordedStep
from wattrain_api.recorded_steps import RecordedSteps
from wattrain_worker.supervisor.journal import GroupFigures, Journal
from wattrain_worker.supervisor.kept_log import KeptLog
from wattrain_worker.supervisor.output import Log

Failures = list[tuple[str, str]]


@pytest.fixture
def failures() -> Failures:
    return []


def keep(path: Path, failures: Failures, first_line: str = "attempt 1", longest_bytes: int = 1000) -> KeptLog:
    return KeptLog(str(path), first_line, lambda *why: failures.append((why[0], str(why[1]))), longest_bytes)


def journal(path: Path, failures: Failures) -> Journal:
    return Journal(str(path), lambda *why: failures.append((why[0], str(why[1]))))


def test_a_new_attempt_appends(tmp_path: Path, failures: Failures) -> None:
    file = tmp_path / "records" / "worker-0.log"
    for attempt in (1, 2):
        log = keep(file, failures, f"attempt {attempt}")
        log.write(b"hello\n")
        log.close()
    assert file.read_text() == "attempt 1\nhello\nattempt 2\nhello\n"
    assert failures == []


def test_it_holds_the_newest_lines_in_two_files_of_bounded_length(tmp_path: Path, failures: Failures) -> None:
    file = tmp_path / "worker-0.log"
    log = keep(file, failures)
    lines = [f"line {number:4}\n" for number in range(500)]
    for line in lines:
        log.write(line.encode())
    log.close()
    files = sorted(tmp_path.iterdir())
    assert [f.name for f in files] == ["worker-0.log", "worker-0.log.1"]
    assert all(f.stat().st_size <= 1000 for f in files)
    kept = files[1].read_text() + files[0].read_text()
    assert "".join(lines).endswith(kept)
    assert len(kept) > 1000


def test_a_new_attempt_counts_what_is_there_already(tmp_path: Path, failures: Failures) -> None:
    file = tmp_path / "worker-0.log"
    file.write_bytes(b"x" * 995)
    keep(file, failures).close()
    assert (file.read_text(), (tmp_path / "worker-0.log.1").stat().st_size) == ("attempt 1\n", 995)


def test_what_cannot_be_kept_is_said_once_and_the_log_goes_on(tmp_path: Path, failures: Failures) -> None:
    (tmp_path / "file").touch()
    log = Log(str(tmp_path / "log"), keep(tmp_path / "file" / "worker-0.log", failures))
    log.write(b"one\n")
    log.write(b"two\n")
    log.close()
    assert (tmp_path / "log").read_text() == "one\ntwo\n"
    [(path, why)] = failures
    assert path.endswith("worker-0.log")
    assert "Not a directory" in why or "exists" in why


def test_a_full_disk_ends_the_keeping_and_nothing_else(tmp_path: Path, failures: Failures) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("NOT TESTED: a full disk, for there is no /dev/full; run it on Linux")
    log = Log(str(tmp_path / "log"), keep(full, failures))
    log.write(b"one\n")
    steps = journal(full, failures)
    for step in (1, 2):
        steps.record([RecordedStep(step=step)])
        steps.flush(now=True)
    log.close()
    assert (tmp_path / "log").read_text() == "one\n"
    assert [path for path, _ in failures] == ["/dev/full", "/dev/full"]


def test_a_line_that_a_killed_supervisor_tore_spoils_no_line_of_the_next(tmp_path: Path, failures: Failures) -> None:
    file = tmp_path / "records" / "metrics.jsonl"
    first = journal(file, failures)
    first.record([RecordedStep(step=1)])
    first.flush(now=True)
    with file.open("a") as torn:
        torn.write('{"step": 2, "lo')
    second = journal(file, failures)
    for step in (2, 3):
        second.record([RecordedStep(step=step)])
        second.flush(now=True)
    assert [step.step for step in RecordedSteps(file).read_on()] == [1, 2, 3]
    assert file.read_text().count("\n") == 4


def test_a_reader_goes_on_where_another_has_stopped(tmp_path: Path, failures: Failures) -> None:
    file = tmp_path / "metrics.jsonl"
    steps = journal(file, failures)
    steps.record([RecordedStep(step=1)])
    steps.flush(now=True)
    reader = RecordedSteps(file)
    assert [step.step for step in reader.read_on()] == [1]
    steps.record([RecordedStep(step=2)])
    steps.flush(now=True)
    assert [step.step for step in RecordedSteps(file, reader.offset_bytes).read_on()] == [2]


def test_steps_that_come_together_have_lines_of_their_own_and_the_groups_figures(
    tmp_path: Path, failures: Failures
) -> None:
    file = tmp_path / "metrics.jsonl"
    steps = Journal(str(file), lambda *why: failures.append((why[0], str(why[1]))), lambda: 1000.5)
    steps.set_figures(GroupFigures(attempt=1, generation=0, watts=20.0, joules=7.5, samples_per_second=64.0))
    seen = Evaluation(step=1, loss=0.25)
    steps.record([RecordedStep(step=1, epoch=0, loss=math.inf, validation=seen), RecordedStep(step=2, loss=0.5)])
    steps.flush(now=True)
    known: dict[str, Any] = {"time": 1000.5, "attempt": 1, "generation": 0, "watts": 20.0, "joules": 7.5}
    assert list(RecordedSteps(file).read_on()) == [
        RecordedStep(step=1, epoch=0, loss=math.inf, validation=seen, samples_per_second=64.0, **known),
        RecordedStep(step=2, loss=0.5, samples_per_second=64.0, **known),
    ]
