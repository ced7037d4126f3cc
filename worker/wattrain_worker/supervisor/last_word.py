"""What a supervisor leaves behind: why it ended, how far the training was, what it has drawn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from wattrain_api import names
from wattrain_worker.supervisor.notices import say

_EXPENDABLE: Final = ("prepare", "model", "test", "energy")
"""What is left out where the rest would not fit, in this order."""
_SHORT_LINE_CHARACTERS: Final = (512, 200, 0)


def encode(word: dict[str, Any]) -> bytes:
    """`word` as JSON of at most 4,096 bytes: the last line is cut, then what can be had elsewhere is left out."""
    data = _dump(word)
    for length in _SHORT_LINE_CHARACTERS:
        cause = word.get("cause")
        if len(data) > names.TERMINATION_MESSAGE_BYTES and cause:
            word = {**word, "cause": {**cause, "lastLine": cause.get("lastLine", "")[:length]}}
            data = _dump(word)
    for name in _EXPENDABLE:
        if len(data) > names.TERMINATION_MESSAGE_BYTES:
            word = {key: value for key, value in word.items() if key != name}
            data = _dump(word)
    return data


def leave(path: str, word: dict[str, Any]) -> None:
    """Write `word` to `path`. A container's termination log is a mounted file: it is overwritten, never replaced."""
    try:
        Path(path).write_bytes(encode(word))
    except OSError as error:
        say(f"the last word cannot be left in {path} ({error.strerror}); exit code {word.get('exitCode')}")


def _dump(word: dict[str, Any]) -> bytes:
    # Lines of a program may hold halves of surrogate pairs, which UTF-8 cannot write.
    return json.dumps(word, ensure_ascii=False, separators=(",", ":")).encode("utf-8", errors="replace")
