"""Event files of supervisors that really run, read by TensorBoard's own reader and by its server."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc"),
    pytest.mark.skipif(
        find_spec("tensorboard") is None,
        reason="NOT TESTED: TensorBoard's event files, for tensorboard is missing; pip install 'wattrain[tensorboard]'",
    ),
]
TRACKED = {"tracking": {"tensorBoard": {}}}


def scalars(directory: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard's own reader finds."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    if not directory.exists():
        return {}
    found = EventAccumulator(str(directory), size_guidance={"scalars": 0})
    found.Reload()
    return {tag: [(event.step, event.value) for event in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def environment(**more: str) -> dict[str, str]:
    return {"WATTRAIN_JOB_UID": "job-uid", "WATTRAIN_NAMESPACE": "team", **more}


def start(group: Any, script: str, **more: str) -> None:
    """As group.start, for a script that is tracked."""
    group.start(script, spec_parts=TRACKED, environ=environment(**more))


def tracker_pid(supervisor_pid: int) -> int | None:
    children = Path(f"/proc/{supervisor_pid}/task/{supervisor_pid}/children").read_text().split()
    lines = {int(pid): Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children}
    return next((pid for pid, line in lines.items() if b"wattrain_worker.tracking" in line), None)


def test_every_step_is_in_the_event_files_with_the_energy_and_its_bounds(group: Any) -> None:
    start(group, "train(1, 40)", WATTRAIN_JOULES_BEFORE="100", WATTRAIN_JOULES_LOW_BEFORE="40")
    assert group.exit_codes() == [0]
    found = scalars(group.directory / "tensorboard")
    assert found["loss"] == [(step, pytest.approx(1 / step)) for step in range(1, 41)]
    assert found["validation_accuracy"] == [(step, 0.75) for step in range(4, 41, 4)]
    assert {"learning_rate", "validation_loss", "energy_low_joules", "energy_high_joules"} <= set(found)
    assert found["energy_joules"][0][1] >= 100
    *_, last = group.metrics()
    assert found["total_energy_joules"] == [(40, pytest.approx(last["joules"], rel=1e-6))]
    assert 40 <= last["lowJoules"] <= last["joules"] <= last["highJoules"] + 100
    assert group.termination().get("notices", []) == []


def test_a_rank_that_is_killed_neither_doubles_nor_loses_a_step(group: Any) -> None:
    script = """
if generation == 0:
    train(1, 20)
    hold("never")
report(resumed={"step": 12})
train(13, 30, lambda step: 100 + step)
"""
    start(group, script)
    pid, directory = group.rank_pid(0), group.directory / "tensorboard"
    group.wait.until(lambda: len(scalars(directory).get("loss", ())) == 20, "20 steps are tracked")
    os.kill(pid, signal.SIGKILL)
    assert group.exit_codes() == [0]
    expected = [(s, pytest.approx(1 / s)) for s in range(1, 13)] + [(s, 100 + s) for s in range(13, 31)]
    assert scalars(directory)["loss"] == expected
    assert len(list(directory.iterdir())) == 1, "one process wrote all of it"


def test_a_tracker_that_is_killed_goes_on_where_it_stood(group: Any) -> None:
    start(group, 'train(1, 20)\nhold("go on")\ntrain(21, 30)')
    group.rank_pid(0)
    directory = group.directory / "tensorboard"
    group.wait.until(lambda: len(scalars(directory).get("loss", ())) == 20, "20 steps are tracked")
    supervisor = group.processes[0].pid
    before = tracker_pid(supervisor)
    assert before is not None
    os.kill(before, signal.SIGKILL)
    group.release("go on")
    assert group.exit_codes() == [0]
    assert scalars(directory)["loss"] == [(step, pytest.approx(1 / step)) for step in range(1, 31)]
    assert len(list(directory.iterdir())) == 2


def test_the_next_attempt_and_a_new_job_of_the_same_name_begin_where_they_began(group: Any) -> None:
    start(group, "train(1, 10)")
    assert group.exit_codes() == [0]
    again = group.another()
    start(again, "train(6, 15, lambda step: 100 + step)", WATTRAIN_ATTEMPT="2")
    assert again.exit_codes() == [0]
    expected = [(s, pytest.approx(1 / s)) for s in range(1, 6)] + [(s, 100 + s) for s in range(6, 16)]
    assert scalars(group.directory / "tensorboard")["loss"] == expected
    new = group.another()
    start(new, "train(1, 3, lambda step: 7)", WATTRAIN_JOB_UID="another-uid")
    assert new.exit_codes() == [0]
    assert scalars(group.directory / "tensorboard")["loss"] == [(s, 7) for s in range(1, 4)]


def test_files_that_cannot_be_written_are_told_of_once_and_the_training_goes_on(group: Any) -> None:
    (group.directory / "tensorboard").touch()
    start(group, "train(1, 10)\nsys.exit(3)", WATTRAIN_RESTARTS_LEFT="0")
    group.exit_codes()
    [notice] = group.termination()["notices"]
    assert notice["reason"] == "TrackingFailed"
    assert notice["message"].startswith("spec.tracking.tensorBoard: ")
    assert "make room, or have it writable" in notice["message"]
    assert len(group.metrics()) == 11


def test_what_is_not_installed_is_refused_at_the_start_with_the_command_that_brings_it(group: Any) -> None:
    (group.directory / "sitecustomize.py").write_text("import sys\nsys.modules['tensorboard'] = None\n")
    start(group, "train(1, 10)", PYTHONPATH=str(group.directory))
    assert group.exit_codes() == [64]
    line = group.termination()["cause"]["lastLine"]
    assert line.startswith("spec.tracking.tensorBoard: tensorboard is not in the image of this worker")
    assert "pip install 'wattrain[tensorboard]'" in line


@pytest.fixture
def tensorboard(group: Any) -> Iterator[str]:
    """Address of a TensorBoard that shows the group's directory."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).parent / "tensorboard"), f"--logdir={group.directory}", f"--port={port}"]
    with (group.directory / "server.log").open("w") as log:
        server = subprocess.Popen([*command, "--reload_interval=1"], stdout=log, stderr=log, start_new_session=True)
    yield f"http://127.0.0.1:{port}"
    os.killpg(server.pid, signal.SIGKILL)
    server.wait(timeout=10)


def test_a_running_tensorboard_shows_the_curves(group: Any, tensorboard: str) -> None:
    script = 'train(1, 20)\nreport(resumed={"step": 12})\ntrain(13, 30, lambda step: 100 + step)'
    start(group, script)
    assert group.exit_codes() == [0]

    def ask(path: str) -> Any:
        try:
            with urllib.request.urlopen(f"{tensorboard}/data/{path}", timeout=10) as answer:
                return json.load(answer)
        except OSError:
            return None

    def points() -> list[tuple[int, float]]:
        found = ask("plugin/scalars/scalars?run=tensorboard&tag=loss") or []
        return [(int(step), value) for _, step, value in found]

    group.wait.until(lambda: len(points()) == 30, "the curve is shown")
    assert points()[11:14] == [(12, pytest.approx(1 / 12)), (13, 113.0), (14, 114.0)]
    assert "total_energy_joules" in ask("plugin/scalars/tags")["tensorboard"]
