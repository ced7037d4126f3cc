"""Lines of a rank: whole, prefixed, and searched for numbers."""

from __future__ import annotations

import os
from pathlib import Path

from wattrain_api.contract.metric_pattern import compile_pattern
from wattrain_api.contract.progress import RankReport
from wattrain_worker.supervisor.output import Log, Reader


def read(
    directory: Path, chunks: list[bytes], patterns: dict[str, str] | None = None
) -> tuple[Reader, str, list[RankReport]]:
    """What a reader makes of `chunks`, each written by itself, and the rank's end."""
    found: list[RankReport] = []
    read_fd, write_fd = os.pipe()
    log = Log(str(directory / "log"))
    reader = Reader(2, read_fd, log, [compile_pattern(k, p) for k, p in (patterns or {}).items()], found.append)
    reader.start()
    for chunk in chunks:
        os.write(write_fd, chunk)
    os.close(write_fd)
    reader.join(timeout=10)
    assert not reader.is_alive()
    log.close()
    return reader, (directory / "log").read_text(errors="replace"), found


def test_lines_are_whole_and_prefixed_however_they_arrive(tmp_path: Path) -> None:
    _, log, _ = read(tmp_path, [b"on", b"e\ntwo\r", b"\nthr", b"ee"])
    assert log == "[rank 2] one\n[rank 2] two\n[rank 2] three\n"


def test_a_progress_bars_carriage_returns_end_lines(tmp_path: Path) -> None:
    _, log, found = read(tmp_path, [b"\rloss=0.5\rloss=0.4\rloss=0.3\n"], {"loss": "loss=([0-9.]+)"})
    assert log.splitlines()[1:] == ["[rank 2] loss=0.5", "[rank 2] loss=0.4", "[rank 2] loss=0.3"]
    assert [report.loss for report in found] == [0.5, 0.4, 0.3]


def test_the_last_line_is_the_one_that_says_something(tmp_path: Path) -> None:
    warning = b"[rank0]:[W1124 02:22:41.123 ProcessGroup.cpp:1] Warning: destroy_process_group() was not called\n"
    reader, _, _ = read(tmp_path, [b"Traceback\n  File x\nValueError: boom\n\n", warning, b"   \n"])
    assert reader.last_line() == "ValueError: boom"


def test_the_last_lines_are_those_that_are_not_blank_as_they_were_written(tmp_path: Path) -> None:
    reader, _, _ = read(tmp_path, [b"".join(b"  line %d\n\n" % n for n in range(30)), b"\xff no end"])
    assert reader.last_lines(3) == ["  line 28", "  line 29", "\ufffd no end"]
    assert len(reader.last_lines(10)) == 10


def test_torchs_prefix_is_no_part_of_the_last_line(tmp_path: Path) -> None:
    assert read(tmp_path, [b"[rank3]: RuntimeError: no\n=====\n"])[0].last_line() == "RuntimeError: no"


def test_of_torchruns_report_the_first_failure_is_the_last_line(tmp_path: Path) -> None:
    report = b"""Root Cause (first observed failure):
[0]:
  time      : 2026-11-24_02:53:09
  rank      : 2 (local_rank: 0)
  exitcode  : -9 (pid: 27459)
  error_file: <N/A>
  traceback : Signal 9 (SIGKILL) received by PID 27459
============================================================
"""
    assert read(tmp_path, [report])[0].last_line() == "exitcode  : -9 (pid: 27459)"


def test_a_warning_is_the_last_line_where_there_is_no_other(tmp_path: Path) -> None:
    assert read(tmp_path, [b"W1124 02:22 only this\n"])[0].last_line() == "W1124 02:22 only this"
    assert read(tmp_path, [])[0].last_line() == ""


def test_lines_without_end_and_bytes_that_are_no_text_are_survived(tmp_path: Path) -> None:
    reader, log, _ = read(tmp_path, [b"x" * 60_000, b"x" * 60_000, b"\n\xff\xfe broken\n"])
    assert log.count("x") == 120_000
    assert reader.last_line() == "\ufffd\ufffd broken"
