"""Problems are said once, on standard error, and gone on from: measuring must never fail a training."""

from __future__ import annotations

import contextlib
import sys
from typing import TextIO


class Notices:
    """Says each thing once."""

    def __init__(self, stream: TextIO | None = None) -> None:
        """`stream`: where to say it; default: standard error."""
        self._stream = stream
        self._said: set[str] = set()

    def once(self, topic: str, message: str) -> None:
        """Say `message`, unless something was said about `topic` before."""
        if topic in self._said:
            return
        self._said.add(topic)
        with contextlib.suppress(OSError, ValueError):  # a closed stream is no reason to stop
            print(f"wattrain: power: {message}", file=self._stream or sys.stderr, flush=True)
