"""What a script finds when it starts, and what is said of one of which nothing is heard."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from wattrain_api.contract.phases import Phase
from wattrain_api.contract.progress import Progress
from wattrain_worker.supervisor.script_start import SILENT_SECONDS, make_directories, notice_of_silence

STARTING = Progress(phase=Phase.STARTING)


class FakeRanks:
    have_output, running, age_seconds = False, 1, SILENT_SECONDS


def test_the_directories_that_a_script_saves_into_are_there(tmp_path: Path) -> None:
    environ = {"WATTRAIN_CHECKPOINT_DIR": str(tmp_path / "a" / "c"), "WATTRAIN_MODEL_DIR": str(tmp_path / "m")}
    assert [*make_directories(environ), *make_directories(environ), *make_directories({})] == []
    assert all(Path(path).is_dir() for path in environ.values())


def test_a_directory_that_cannot_be_made_is_told_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "checkpoints"
    [notice] = make_directories({"WATTRAIN_CHECKPOINT_DIR": str(path)})
    assert notice.reason == "StorageUnavailable"
    assert f"WATTRAIN_CHECKPOINT_DIR is {path}, which cannot be made (Not a directory)" in notice.message


@pytest.mark.parametrize(
    ("ranks", "progress", "said"),
    [
        ({}, {}, True),
        ({"age_seconds": SILENT_SECONDS - 1}, {}, False),
        ({"have_output": True}, {}, False),
        ({"running": 0}, {}, False),
        ({}, {"step": 1}, False),
        ({}, {"phase": Phase.TRAINING}, False),
    ],
)
def test_a_script_of_which_nothing_is_heard_is_told_of(
    ranks: dict[str, Any], progress: dict[str, Any], said: bool
) -> None:
    seen: Any = FakeRanks()
    for name, value in ranks.items():
        setattr(seen, name, value)
    notice = notice_of_silence(seen, replace(STARTING, **progress))
    assert (notice is not None) == said
    assert notice is None or ("torchrun" in notice.message and sys.getsizeof(notice.message) < 1024)
