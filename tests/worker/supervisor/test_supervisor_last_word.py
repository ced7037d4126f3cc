"""The last word always fits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wattrain_worker.supervisor import last_word


@pytest.mark.parametrize("line", ["", "x" * 5000, "ä" * 5000, "\U0001f525" * 1024, "\ud800" * 1024, '"\\\n' * 1024])
@pytest.mark.parametrize("prepared", [{}, {"rows": 5}, {"text": "y" * 8000}])
def test_it_is_json_of_at_most_4096_bytes_that_keeps_the_cause(line: str, prepared: dict[str, object]) -> None:
    word = {
        "version": 1, "exitCode": 137, "cause": {"rank": 1, "reason": "Killed", "exitCode": -9, "lastLine": line},
        "step": 120, "prepare": prepared, "model": {"path": "p" * 1000},
        "energy": [{"component": "gpu", "source": "nvml", "joules": 1 / 3}] * 20,
    }  # fmt: skip
    data = last_word.encode(word)
    assert len(data) <= 4096
    found = json.loads(data)
    assert (found["exitCode"], found["cause"]["rank"], found["cause"]["reason"], found["step"]) == (
        137,
        1,
        "Killed",
        120,
    )
    assert line.encode(errors="replace").decode().startswith(found["cause"]["lastLine"])


def test_nothing_is_cut_that_fits() -> None:
    word = {"version": 1, "exitCode": 0, "prepare": {"rows": 5}, "cause": {"lastLine": "x" * 1024}}
    assert json.loads(last_word.encode(word)) == word


def test_a_termination_log_is_overwritten_in_place(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_text("x" * 9000)
    inode = file.stat().st_ino
    last_word.leave(str(file), {"exitCode": 0})
    assert file.read_text() == '{"exitCode":0}'
    assert file.stat().st_ino == inode
