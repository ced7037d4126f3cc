"""Numbers that a script prints."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from wattrain_worker.supervisor.output import Log, Reader


def found_in(directory: Path, text: str, patterns: dict[str, str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    read_fd, write_fd = os.pipe()
    os.write(write_fd, text.encode())
    os.close(write_fd)
    log = Log(str(directory / "log"))
    Reader(1, read_fd, log, [(k, re.compile(p)) for k, p in patterns.items()], found.append).run()
    log.close()
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("step 3 loss=0.5", [{"step": 3.0, "loss": 0.5, "rank": 1}]),
        ("step 3\nloss=1e-3", [{"step": 3.0, "rank": 1}, {"loss": 1e-3, "rank": 1}]),
        ("loss=...", []),
        ("nothing", []),
    ],
)
def test_each_line_is_a_report(tmp_path: Path, text: str, expected: list[dict[str, Any]]) -> None:
    assert found_in(tmp_path, text, {"step": "step ([0-9]+)", "loss": "loss=([0-9.e-]+)"}) == expected


def test_without_a_step_each_loss_is_taken_for_one(tmp_path: Path) -> None:
    found = found_in(tmp_path, "loss=3\nhello\nloss=2\n", {"loss": "loss=([0-9]+)"})
    assert [(report["step"], report["loss"]) for report in found] == [(1, 3.0), (2, 2.0)]
