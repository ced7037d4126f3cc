"""Leaving the termination message where whoever started the supervisor finds it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from wattrain_api import names
from wattrain_api.contract.codec import decode_json, encode_json
from wattrain_api.contract.termination import LOG_LINES, TerminationMessage
from wattrain_worker.supervisor.log_notices import say

Trim = Callable[[TerminationMessage], TerminationMessage]


def _line_of(characters: int) -> Trim:
    def trim(message: TerminationMessage) -> TerminationMessage:
        message = replace(message, last_line=message.last_line[:characters])
        if message.cause is None:
            return message
        return replace(message, cause=replace(message.cause, last_line=message.cause.last_line[:characters]))

    return trim


_TRIMS: Final[tuple[Trim, ...]] = (
    lambda message: replace(message, last_lines=message.last_lines[-LOG_LINES // 2 :]),
    lambda message: replace(message, last_lines=()),
    _line_of(512),
    _line_of(200),
    _line_of(0),
    lambda message: replace(message, notices=()),
    lambda message: replace(message, prepare=None),
    lambda message: replace(
        message, uncounted=tuple(replace(gap, reason=gap.reason[:100]) for gap in message.uncounted[:4])
    ),
    lambda message: replace(message, model=None),
    lambda message: replace(message, test=None),
    lambda message: replace(message, spent=None),
    lambda message: replace(message, energy=()),
)
"""What is cut or left out where the rest would not fit, in this order: most can be had elsewhere."""


def encode_termination(message: TerminationMessage) -> bytes:
    """`message` as JSON of at most 4,096 bytes."""
    data = encode_json(message)
    for trim in _TRIMS:
        if len(data) > names.TERMINATION_MESSAGE_BYTES:
            message = trim(message)
            data = encode_json(message)
    return data


def leave(path: str, message: TerminationMessage) -> bool:
    """Write `message` to `path`. Whether that could be done; if not, and it is the last, it is said.

    A container's termination log is a mounted file: it is overwritten, never replaced. Blanks make up for what was
    longer before, so that one write does it, and whoever is killed leaves the old message or the new one.
    """
    data = encode_termination(message)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            before = os.fstat(descriptor).st_size
            if before > names.TERMINATION_MESSAGE_BYTES:
                os.ftruncate(descriptor, names.TERMINATION_MESSAGE_BYTES)
            os.write(descriptor, data.ljust(min(before, names.TERMINATION_MESSAGE_BYTES)))
        finally:
            os.close(descriptor)
    except OSError as error:
        if message.exit_code is not None:
            say(f"the termination message cannot be left in {path} ({error.strerror}); exit code {message.exit_code}")
        return False
    return True


def left_before(path: str) -> TerminationMessage:
    """What this supervisor has left in `path` so far; an empty message where that is nothing."""
    try:
        left = decode_json(TerminationMessage, Path(path).read_bytes())
    except OSError:
        left = None
    return TerminationMessage() if left is None or left.exit_code is not None else left
