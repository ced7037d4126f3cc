"""Numbers that a script prints."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from wattrain_api.contract.metric_pattern import PatternError, compile_pattern
from wattrain_api.contract.progress import RankReport
from wattrain_worker.supervisor.output import Log, Reader


def found_in(directory: Path, text: str, patterns: dict[str, str]) -> list[RankReport]:
    found: list[RankReport] = []
    read_fd, write_fd = os.pipe()
    os.write(write_fd, text.encode())
    os.close(write_fd)
    log = Log(str(directory / "log"))
    Reader(1, read_fd, log, [compile_pattern(k, p) for k, p in patterns.items()], found.append).run()
    log.close()
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("step 3 loss=0.5", [RankReport(rank=1, step=3, loss=0.5)]),
        ("step 3\nloss=1e-3", [RankReport(rank=1, step=3), RankReport(rank=1, loss=1e-3)]),
        ("loss=...", []),
        ("nothing", []),
    ],
)
def test_each_line_is_a_report(tmp_path: Path, text: str, expected: list[RankReport]) -> None:
    assert found_in(tmp_path, text, {"step": "step ([0-9]+)", "loss": "loss=([0-9.e-]+)"}) == expected


def test_without_a_step_each_loss_is_taken_for_one(tmp_path: Path) -> None:
    found = found_in(tmp_path, "loss=3\nhello\nloss=2\n", {"loss": "loss=([0-9]+)"})
    assert [(report.step, report.loss) for report in found] == [(1, 3.0), (2, 2.0)]


OLD = "loss=([0-9.]+)"


@pytest.mark.parametrize(
    ("line", "loss"),
    [
        ("loss=0.5", "0.5"), ("loss=9.5e-05", "9.5e-05"), ("loss=-0.25", "-0.25"), ("loss=nan", "nan"),
        ("loss=inf", "inf"),
        ("loss=-Infinity end", "-inf"), ("loss=NaN,", "nan"), ("loss=.5", "0.5"), ("loss=3.", "3.0"),
        ("loss=1E+3", "1000.0"),
        ("val_loss=0.9 loss=0.1", "0.1"), ("val-loss=0.9 loss=0.1", "0.1"), ("loss=0.1 val_loss=0.9", "0.1"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("pattern", ["loss={number}", OLD, "loss=([^ ,]+)"])
def test_what_is_printed_is_what_is_shown(tmp_path: Path, line: str, loss: str, pattern: str) -> None:
    if "val-loss" in line and pattern != "loss={number}":
        pytest.skip("a regular expression may well mean what stands after a dash")
    found = [report for report in found_in(tmp_path, line, {"step": "none={number}", "loss": pattern}) if report.loss]
    assert [str(report.loss) for report in found] == [loss]


@pytest.mark.parametrize("line", ["val_loss=0.5", "val-loss=0.5", "loss=nano", "loss=", "closs=1"])
def test_the_named_form_takes_nothing_else(tmp_path: Path, line: str) -> None:
    assert found_in(tmp_path, line, {"loss": "loss={number}"}) == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("loss=9.5e-05", "finds '9.5' where '9.5e-05' is printed"),
        ("loss=nan", "does not find 'nan'"),
        ("val_loss=0.9", "finds a number in 'val_loss=0.9'"),
    ],
)
def test_a_pattern_that_does_not_fit_is_told_once_with_the_remedy(tmp_path: Path, line: str, said: str) -> None:
    found = found_in(
        tmp_path, f"loss=7\n{line}\n{line}\nloss=inf\n" if "val" not in line else f"{line}\n" * 2, {"loss": OLD}
    )
    [notice] = [report.notice for report in found if report.notice is not None]
    assert notice.reason == "PatternDoesNotFit"
    assert notice.message.startswith(
        f"spec.script.metricPatterns.loss, 'loss=([0-9.]+)', {said}; write 'loss={{number}}'"
    )


@pytest.mark.parametrize("pattern", ["loss={number}", "loss=([^ ,]+)", "loss=([-+0-9.einfa]+)"])
def test_a_pattern_that_fits_is_not_complained_of(tmp_path: Path, pattern: str) -> None:
    text = "loss=-9.5e-05\nloss=nan,\nloss=0.5.\n" + ("val_loss=1\n" if "{" in pattern else "")
    assert not [report for report in found_in(tmp_path, text, {"loss": pattern}) if report.notice]


def test_a_loss_in_a_longer_name_counts_only_until_the_name_alone_is_seen(tmp_path: Path) -> None:
    text = "train_loss=3\nloss=2\nval_loss=9\n"
    found = found_in(tmp_path, text, {"loss": OLD})
    assert [report.loss for report in found if report.loss is not None] == [3.0, 2.0]


@pytest.mark.parametrize(("pattern", "epoch"), [("epoch={number}", 3), ("epoch=([0-9]+)", 3), ("epoch=([0-9.]+)", 3)])
def test_of_a_part_of_an_epoch_the_whole_ones_count(tmp_path: Path, pattern: str, epoch: int) -> None:
    assert found_in(tmp_path, "epoch=3.25", {"epoch": pattern}) == [RankReport(rank=1, epoch=epoch)]


def test_a_step_is_read_to_its_end(tmp_path: Path) -> None:
    found = found_in(tmp_path, "step=12", {"step": "step=([0-9])"})
    assert [report.step for report in found] == [None, 12]
    assert found[0].notice is not None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("loss=([0-9.]+", "is no regular expression (missing ), unterminated subpattern"),
        ("loss=[0-9.]+", "does not say where the number is"),
        ("{number} of {number}", "is no regular expression (redefinition"),
    ],
)
def test_a_pattern_that_cannot_work_is_refused_with_what_to_write(text: str, said: str) -> None:
    with pytest.raises(PatternError, match=re.escape(said)) as refused:
        compile_pattern("loss", text)
    assert "write for instance 'loss={number}'" in str(refused.value)
