"""How a tracker follows metrics.jsonl: from where it stood, without a line twice or none, and with an end."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from wattrain_api.contract.codec import encode_json
from wattrain_api.contract.phases import Phase
from wattrain_api.contract.progress import Evaluation
from wattrain_api.contract.recorded_step import RecordedStep
from wattrain_api.recorded_steps import RecordedSteps
from wattrain_worker.tracking import follower
from wattrain_worker.tracking.follower import Follower, TrackingError
from wattrain_worker.tracking.position import Position
from wattrain_worker.tracking.tracked_end import COMPLETE, TrackedEnd
from wattrain_worker.tracking.tracked_figures import figures_of
from wattrain_worker.tracking.tracked_job import read_job


class FakeTracker:
    """Takes lines, or refuses so many times first."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals, self.steps, self.ends = refusals, list[int](), list[TrackedEnd]()

    def send(self, lines: Sequence[RecordedStep]) -> None:
        self._refuse()
        self.steps += [line.step for line in lines]

    def finish(self, end: TrackedEnd) -> None:
        self._refuse()
        self.ends.append(end)

    def _refuse(self) -> None:
        if self.refusals:
            self.refusals -= 1
            raise TrackingError("the server at there does not take figures: start it")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "metrics.jsonl"


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower, "_LAST_PAUSE_SECONDS", 0.001)


def write(file: Path, *steps: int) -> None:
    with file.open("a") as lines:
        lines.writelines(json.dumps({"step": step, "loss": 1.0}) + "\n" for step in steps)


def position(file: Path, uid: str = "u", start_bytes: int = 0) -> Position:
    size = file.stat().st_size if file.exists() else 0
    return Position(file.with_name(".tracked-x.json"), uid, start_bytes, size)


def follow(file: Path, tracker: FakeTracker, at: Position, end: TrackedEnd | None) -> tuple[bool, list[str]]:
    """Until the end, of which it hears at once; None: its supervisor has died."""
    read_fd, write_fd = os.pipe()
    os.write(write_fd, b"" if end is None else encode_json(end))
    os.close(write_fd)
    told: list[str] = []
    done = Follower(RecordedSteps(file, at.offset_bytes), at, tracker, read_fd, told.append).follow()
    os.close(read_fd)
    return done, told


DONE = TrackedEnd(COMPLETE, 5.0, Evaluation(3, 0.5))


def test_all_that_is_there_is_sent_once_and_then_the_end(file: Path) -> None:
    write(file, *range(1, 351))
    tracker = FakeTracker()
    assert follow(file, tracker, position(file), DONE) == (True, [])
    assert (tracker.steps, tracker.ends) == (list(range(1, 351)), [DONE])


def test_another_process_goes_on_where_the_one_before_it_stood(file: Path) -> None:
    write(file, 1, 2)
    follow(file, FakeTracker(), position(file), DONE)
    write(file, 3)
    tracker = FakeTracker()
    follow(file, tracker, position(file), DONE)
    assert tracker.steps == [3]


def test_what_is_refused_is_sent_again_and_told_of_once(file: Path) -> None:
    write(file, 1, 2)
    tracker = FakeTracker(refusals=3)
    assert follow(file, tracker, position(file), DONE) == (
        True,
        ["the server at there does not take figures: start it"],
    )
    assert (tracker.steps, len(tracker.ends)) == ([1, 2], 1)


def test_a_server_that_never_takes_anything_has_until_the_end_and_what_it_lacks_is_not_lost(file: Path) -> None:
    write(file, 1, 2)
    tracker, at = FakeTracker(refusals=10**9), position(file)
    done, told = follow(file, tracker, at, TrackedEnd(COMPLETE, 0.6))
    assert (done, len(told), at.offset_bytes) == (False, 1, 0)
    again = FakeTracker()
    follow(file, again, position(file), DONE)
    assert again.steps == [1, 2]


def test_it_ends_when_its_supervisor_has_died(file: Path) -> None:
    write(file, 1)
    tracker = FakeTracker()
    assert follow(file, tracker, position(file), None) == (False, [])
    assert (tracker.steps, tracker.ends) == ([1], [])


def test_a_line_that_is_being_written_waits_for_its_end(file: Path) -> None:
    write(file, 1)
    with file.open("a") as half:
        half.write('{"step": 2, "lo')
    tracker = FakeTracker()
    follow(file, tracker, position(file), DONE)
    with file.open("a") as rest:
        rest.write('ss": 0.5}\n')
    follow(file, tracker, position(file), DONE)
    assert tracker.steps == [1, 2]


def test_what_an_older_job_of_the_same_name_recorded_is_not_tracked(file: Path) -> None:
    write(file, 1, 2)
    before = file.stat().st_size
    follow(file, FakeTracker(refusals=10**9), position(file, "old"), TrackedEnd(COMPLETE, 0.6))
    write(file, 3)
    tracker = FakeTracker()
    follow(file, tracker, position(file, "new", start_bytes=before), DONE)
    assert tracker.steps == [3]
    assert position(file, "new").offset_bytes == file.stat().st_size


def test_a_file_that_has_begun_anew_is_read_from_where_this_attempt_began(file: Path) -> None:
    write(file, 1, 2, 3)
    follow(file, FakeTracker(), position(file), DONE)
    file.unlink()
    write(file, 7)
    tracker = FakeTracker()
    follow(file, tracker, position(file), DONE)
    assert tracker.steps == [7]


def test_a_position_that_cannot_be_kept_ends_nothing(file: Path) -> None:
    write(file, 1)
    tracker = FakeTracker()
    at = Position(Path("/proc/nowhere/position"), "u", 0, file.stat().st_size)
    assert follow(file, tracker, at, DONE)[0]
    assert tracker.steps == [1]


def test_the_last_line_of_a_supervisor_has_totals_and_no_figure_of_a_step() -> None:
    line = RecordedStep(step=9, joules=5.0, low_joules=1.0, high_joules=9.0, watts=3.0, phase=Phase.DONE)
    assert [tuple(figure) for figure in figures_of(line)] == [
        ("total_energy_joules", 5.0, 9), ("total_energy_low_joules", 1.0, 9), ("total_energy_high_joules", 9.0, 9),
    ]  # fmt: skip


def test_an_evaluation_stands_at_its_own_step() -> None:
    line = RecordedStep(step=9, loss=2.0, validation=Evaluation(8, 0.5, 0.75))
    found = {figure.name: (figure.value, figure.step) for figure in figures_of(line)}
    assert found == {"loss": (2.0, 9), "validation_loss": (0.5, 8), "validation_accuracy": (0.75, 8)}


def test_parameters_hold_nothing_that_may_be_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = {
        "recipe": {"name": "mlp", "params": {"hidden": [64, 32]}}, "training": {"optimizer": {"lr": 0.01}},
        "script": {"command": ["python", "--token=secret"]}, "data": {"source": {"uri": "https://me:secret@there"}},
        "workers": {"replicas": 2, "env": [{"name": "KEY", "value": "secret"}]}, "tracking": {"tensorBoard": {}},
    }  # fmt: skip
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    monkeypatch.setenv("WATTRAIN_SPEC", str(tmp_path / "spec.json"))
    monkeypatch.setenv("WATTRAIN_METRICS_FILE", str(tmp_path / "metrics.jsonl"))
    parameters = read_job("tensorBoard").parameters
    assert parameters == {
        "recipe.name": "mlp", "recipe.params.hidden": "[64, 32]", "training.optimizer.lr": "0.01",
        "workers.replicas": "2",
    }  # fmt: skip
