"""A file that others read is there whole, or as it was before."""

from __future__ import annotations

import os
import resource
import stat
from pathlib import Path
from typing import Any

import pytest

from wattrain_api.atomic_file import write_atomically


def test_a_file_that_cannot_be_written_whole_does_not_appear(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))  # as a quota does: writing beyond it fails
    try:
        with pytest.raises(OSError, match="File too large"):
            write_atomically(tmp_path / "a", b"new" * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_the_content_is_on_disk_before_the_name_and_the_name_before_it_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def seen_fsync(descriptor: int) -> None:
        calls.append("directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def seen_replace(path: Path, target: Any) -> Path:
        calls.append("rename")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", seen_fsync)
    monkeypatch.setattr(Path, "replace", seen_replace)
    (tmp_path / ".a.tmp").write_text("left by a process that was killed")
    write_atomically(tmp_path / "a", b"new")
    assert calls == ["file", "rename", "directory"]
    assert [path.read_text() for path in tmp_path.iterdir()] == ["new"]
