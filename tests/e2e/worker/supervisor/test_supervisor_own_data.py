"""A worker that shares its directory with nobody prepares the data before it joins its group."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

SCRIPT = """
found = json.loads((Path(os.environ["WATTRAIN_DATA_DIR"]) / "prepare.json").read_text())
report(step=1, loss=float(found["counts"]["training"]))
"""


def told(directory: Path, source: dict[str, Any], prepare: str = "own") -> dict[str, str]:
    """The environment of a worker whose script finds data from `source`."""
    script = {"command": [sys.executable, str(directory / "script.py")]}
    (directory / "own-spec.json").write_text(json.dumps({"script": script, "data": {"source": source}}))
    return {
        "WATTRAIN_SPEC": str(directory / "own-spec.json"),
        "WATTRAIN_DATA_DIR": str(directory / "data"),
        "WATTRAIN_PREPARE": prepare,
    }


def test_the_ranks_start_when_the_data_is_there(group, tmp_path):
    group.start("import json\n" + SCRIPT, environ=told(tmp_path, {"builtin": "digits"}))
    assert group.exit_codes() == [0], group.said() + group.log()
    message = group.termination()
    assert message["prepare"]["rows"] == 1797
    assert (message["loss"], message["step"]) == (float(message["prepare"]["training"]), 1)
    assert message["phase"] == "done"


def test_data_that_is_missing_ends_the_worker_before_any_rank_starts(group, tmp_path):
    group.start(SCRIPT, environ=told(tmp_path, {"uri": str(tmp_path / "none.csv")}))
    assert group.exit_codes() == [66]
    cause = group.termination()["cause"]
    assert (cause["reason"], cause["exitCode"], cause["worker"], cause["node"]) == ("InputMissing", 66, 0, "node-0")
    assert "rank" not in cause
    assert "none.csv" in cause["lastLine"]
    assert not list(tmp_path.glob("rank-*"))


def test_a_worker_that_is_told_to_end_while_it_prepares_ends(group, wait, tmp_path):
    os.mkfifo(tmp_path / "endless.csv")  # whoever opens it waits for a writer
    group.start(SCRIPT, environ=told(tmp_path, {"uri": str(tmp_path / "endless.csv")}))
    wait.until(lambda: group.progress()["phase"] == "preparing", "it prepares")
    group.processes[0].send_signal(signal.SIGTERM)
    assert group.exit_codes() == [143]
    assert not list(tmp_path.glob("rank-*"))


def test_no_rank_starts_while_a_worker_prepares(group, wait, tmp_path):
    os.mkfifo(tmp_path / "slow.csv")
    group.start("", workers=2, environ=told(tmp_path, {"uri": str(tmp_path / "slow.csv")}))
    wait.until(
        lambda: group.progress(1)["phase"] == "preparing" and group.progress()["phase"] == "preparing", "both do"
    )
    assert (group.progress()["step"], group.progress()["ranksRunning"]) == (0, 0)
    for process in group.processes:
        process.send_signal(signal.SIGTERM)
    assert group.exit_codes() == [143, 143]


def test_a_word_that_means_nothing_is_refused(group, tmp_path):
    group.start(SCRIPT, environ=told(tmp_path, {"builtin": "digits"}, prepare="yes"))
    assert group.exit_codes() == [64]
    assert group.termination()["cause"]["lastLine"] == "WATTRAIN_PREPARE is 'yes': write own, or nothing"
