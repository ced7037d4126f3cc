"""Words for a person who waits: what is being done, and that it is still being done."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

_WORD_EVERY_SECONDS = 20.0


class CommandFailedError(Exception):
    """A command ended badly; with the end of what it said."""


def say(line: str) -> None:
    """Print `line` at once, to standard error."""
    sys.stderr.write(f"[cluster] {line}\n")
    sys.stderr.flush()


def run_long(what: str, command: Sequence[str | Path], log: Path) -> None:
    """Run a command that may take minutes. What it says goes to `log`; its newest line is shown now and then.

    CommandFailedError where it fails. It ends with us, whatever ends us.
    """
    say(what)
    started = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *map(str, command)],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        while not _ended_within(process, _WORD_EVERY_SECONDS):
            say(f"... {time.monotonic() - started:.0f} s: {_tail(log, 1)[:100]}")
    except BaseException:
        process.kill()
        process.wait()
        raise
    if process.returncode:
        raise CommandFailedError(f"{what}: it failed with {process.returncode}:\n{_tail(log, 20)}")
    say(f"... done in {time.monotonic() - started:.0f} s")


def _ended_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _tail(log: Path, lines: int) -> str:
    found = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join([line.strip() for line in found if line.strip()][-lines:])
