"""Files that are generated into the repository: written, or compared with what is there."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path


def add_check_option(parser: argparse.ArgumentParser) -> None:
    """Give `parser` the option that all generators have."""
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 where a file is not current")


def write_or_check(files: Mapping[Path, str], *, check: bool, command: str) -> int:
    """Write `files` (text by path), or say which are not current. The exit status: 1 where one is not.

    `command` is what a person runs to make them current.
    """
    stale = [path for path, text in files.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    if check:
        for path in stale:
            sys.stderr.write(f"{path} is not current: run {command}\n")
        return 1 if stale else 0
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[path], encoding="utf-8")
    return 0
