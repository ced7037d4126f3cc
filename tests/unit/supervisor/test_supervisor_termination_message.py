"""The termination message always fits."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from wattrain_api.contract.codec import decode_json
from wattrain_api.contract.failures import Failure
from wattrain_api.contract.progress import Model, Notice, PowerReading, PrepareCounts
from wattrain_api.contract.termination import TerminationMessage
from wattrain_worker.supervisor.termination_message import encode_termination, leave, left_before

READING = PowerReading("gpu", "nvml", 1 / 3, 1 / 3, 1 / 3)


@pytest.mark.parametrize("line", ["", "x" * 5000, "ä" * 5000, "\U0001f525" * 1024, "\ud800" * 1024, '"\\\n' * 1024])
@pytest.mark.parametrize("readings", [1, 20, 200])
@pytest.mark.parametrize("path", ["p", "p" * 5000])
def test_it_is_json_of_at_most_4096_bytes_that_keeps_the_cause(line: str, readings: int, path: str) -> None:
    message = TerminationMessage(
        exit_code=137, cause=Failure("Killed", -9, worker=1, rank=2, last_line=line), step=120,
        prepare=PrepareCounts(rows=5), model=Model(path), energy=(READING,) * readings,
    )  # fmt: skip
    data = encode_termination(message)
    assert len(data) <= 4096
    found = json.loads(data)
    cause = found["cause"]
    assert (found["exitCode"], found["step"], cause["worker"], cause["rank"], cause["reason"]) == (
        137, 120, 1, 2, "Killed",
    )  # fmt: skip
    assert line.encode(errors="replace").decode().startswith(cause["lastLine"])


def test_the_last_lines_go_first_the_older_half_before_the_newer() -> None:
    lines = tuple(str(number) * 200 for number in range(10))
    kept = decode_json(TerminationMessage, encode_termination(TerminationMessage(exit_code=0, last_lines=lines)))
    assert kept is not None
    assert kept.last_lines == lines
    fuller = TerminationMessage(exit_code=0, last_lines=lines, model=Model("p" * 2000), prepare=PrepareCounts(rows=5))
    kept = decode_json(TerminationMessage, encode_termination(fuller))
    assert kept is not None
    assert (kept.last_lines, kept.model, kept.prepare) == (lines[5:], fuller.model, fuller.prepare)
    fullest = replace(fuller, notices=(Notice("Doubtful", "n" * 1000),))
    kept = decode_json(TerminationMessage, encode_termination(fullest))
    assert kept is not None
    assert (kept.last_lines, kept.model, kept.notices) == ((), fullest.model, fullest.notices)


def test_nothing_is_cut_that_fits() -> None:
    message = TerminationMessage(exit_code=0, prepare=PrepareCounts(rows=5), cause=Failure(last_line="x" * 1024))
    assert decode_json(TerminationMessage, encode_termination(message)) == message


def test_a_termination_log_is_overwritten_in_place(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_text("x" * 9000)
    inode = file.stat().st_ino
    leave(str(file), TerminationMessage(exit_code=0))
    assert json.loads(file.read_text()) == {
        "version": 1, "exitCode": 0, "uid": "", "lastLine": "", "lastLines": [], "generation": 0, "step": 0,
        "energy": [], "uncounted": [], "notices": [],
    }  # fmt: skip
    assert file.stat().st_size <= 4096
    assert file.stat().st_ino == inode


def test_a_shorter_message_leaves_nothing_of_the_longer_one_before_it(tmp_path: Path) -> None:
    file = tmp_path / "log"
    leave(str(file), TerminationMessage(last_line="x" * 900, energy=(READING,)))
    assert left_before(str(file)).energy == (READING,)
    leave(str(file), TerminationMessage(exit_code=3))
    assert decode_json(TerminationMessage, file.read_bytes()) == TerminationMessage(exit_code=3)
    assert left_before(str(file)) == TerminationMessage()  # that one has ended


def test_what_cannot_be_left_is_said_and_stops_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not leave(str(tmp_path / "no" / "log"), TerminationMessage(exit_code=3))
    assert "cannot be left" in capsys.readouterr().err
    assert left_before(str(tmp_path / "no" / "log")) == TerminationMessage()
