"""Tables that Dask prepares: the same bytes on any number of processes, and none of these is left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wattrain_worker.data import blocks_in_order, prepare_table
from wattrain_worker.data.blocks_in_order import on_dask, usable_cpus
from wattrain_worker.data.prepare_progress import SampleCounter
from wattrain_worker.data.readers import streamed
from wattrain_worker.errors import BadData, StorageUnavailable

ROWS = 6000
FILLED = {"label": "kind", "clean": {"missing": "mean", "dropDuplicates": True}}


def table() -> str:
    random = np.random.default_rng(5)
    numbers = random.normal(size=(ROWS, 2)).round(5)
    kinds, words = random.choice(["x", "y", "z"], ROWS), random.choice(["red", '"a,b"', "é", ""], ROWS)
    rows = [
        f"{a if row % 50 else 'NA'},{b},{words[row]},20{row % 24:02}-0{row % 9 + 1}-11,{kinds[row]}"
        for row, (a, b) in enumerate(numbers.tolist())
    ]
    return "\n".join(["a,b,word,day,kind", *rows, *rows[:300], ""])


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare_table, "MOST_HELD_BYTES", 0)
    monkeypatch.setattr(streamed, "_PIECE_BYTES", 20_000)


@pytest.mark.usefixtures("streams")
def test_any_number_of_processes_gives_the_bytes_of_the_local_engine(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = bench.write(table())
    bench.prepare(source, into="local", **FILLED)
    counted: list[str] = []
    end = SampleCounter.end
    monkeypatch.setattr(SampleCounter, "end", lambda self: (counted.append(self._stage), end(self))[1])
    for processes in (1, 2, 4):
        monkeypatch.setattr(blocks_in_order, "usable_cpus", lambda count=processes: count)
        bench.prepare(source, into=str(processes), engine="dask", **FILLED)
        assert bench.shards(str(processes)) == bench.shards("local")
        assert not multiprocessing.active_children()
    assert counted == ["reading", "writing"] * 3
    assert bench.prepare(source, into="local", engine="dask", **FILLED).was_there


@pytest.mark.usefixtures("streams")
def test_what_is_wrong_is_told_as_the_local_engine_tells_it(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks_in_order, "usable_cpus", lambda: 2)
    source = bench.write(table().replace("red", "red,1", 1))
    told = [str(bench.refusal(source, engine=engine, **FILLED)) for engine in ("local", "dask")]
    assert told[0] == told[1]
    assert "values, but 5 columns" in told[0]


def test_dask_that_is_not_installed_is_told_with_what_installs_it(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dask", None)
    refused = str(bench.refusal(bench.write(table()), engine="dask", **FILLED))
    assert "spec.data.engine: dask needs Dask" in refused
    assert "pip install 'wattrain[dask]'" in refused


def _refused(number: int) -> int:
    if number == 5:
        raise BadData("data: five")
    return 2 * number


def _killed(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_results_come_in_order_up_to_the_error_and_a_killed_process_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3]))  # by which the processes find this module
    with on_dask(1) as in_order:
        results = in_order(_refused, iter(range(9)))
        assert [next(results) for _ in range(5)] == [0, 2, 4, 6, 8]
        with pytest.raises(BadData, match=r"^data: five$"):
            next(results)
        with pytest.raises(StorageUnavailable, match="a process of Dask was ended from outside"):
            list(in_order(_killed, [1]))
    assert not multiprocessing.active_children()


PROGRAM = """
import os, time
from wattrain_worker.data.blocks_in_order import on_dask

if __name__ == "__main__":
    with on_dask(1) as in_order:
        print(*in_order(lambda _: os.getpid(), [0]), flush=True)
        time.sleep(60)
"""


def _is_gone(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_a_preparation_that_is_ended(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    with subprocess.Popen(
        [sys.executable, tmp_path / "program.py"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as program:
        assert program.stdout is not None
        of_dask = int(program.stdout.readline())
        assert not _is_gone(of_dask)
        program.send_signal(number)
    until = time.monotonic() + 20
    while not _is_gone(of_dask) and time.monotonic() < until:
        time.sleep(0.05)
    assert _is_gone(of_dask)


def test_a_quota_below_the_machine_s_cpus_limits_the_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(blocks_in_order, "cpu_quota", lambda _: 2.5)
    assert usable_cpus() == 3
