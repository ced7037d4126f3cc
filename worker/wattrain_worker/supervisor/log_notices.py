"""What the supervisor has to say goes to standard error, one line each."""

from __future__ import annotations

import contextlib
import sys


def say(message: str) -> None:
    """Write one line for whoever reads the worker's log."""
    with contextlib.suppress(OSError, ValueError):  # a closed output is no reason to stop a training
        sys.stderr.write(f"wattrain: {message}\n")
        sys.stderr.flush()
