"""Arrow streams as their batches, so that memory holds one at a time.

A stream is a sequence of messages, each of them with the length of its description, the description (a flatbuffer), and
a body whose length is in there: https://arrow.apache.org/docs/format/Columnar.html#encapsulated-message-format
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from typing import Final

_MARK: Final = b"\xff\xff\xff\xff"
_END: Final = _MARK + bytes(4)
_SCHEMA, _DICTIONARY, _ROWS = 1, 2, 3
"""Kinds of messages: MessageHeader in Message.fbs of Arrow."""
_KIND, _BODY_BYTES = 1, 3
"""Places of fields in Message of the same file."""


def batches_of(content: bytes | mmap.mmap) -> Iterator[bytes]:
    """Streams of a batch each, with what is needed to read it. ValueError where `content` is no stream, or no whole
    one."""
    position, before, has_rows = 0, b"", False
    while content[position : position + len(_END)] != _END:
        kind, end = _message(content, position)
        message = content[position:end]
        if kind in (_SCHEMA, _DICTIONARY):
            before += message
        elif kind == _ROWS:
            has_rows = True
            yield before + message + _END
        else:
            raise ValueError(f"a message of the kind {kind}")
        position = end
    if not has_rows:
        yield before + _END


def _message(content: bytes | mmap.mmap, position: int) -> tuple[int, int]:
    """The kind of the message at `position`, and where it ends."""
    head = content[position : position + 8]
    if len(head) < 8 or head[:4] != _MARK:
        raise ValueError(f"no message at byte {position}")
    body = position + 8 + int.from_bytes(head[4:], "little")
    description = content[position + 8 : body]
    try:
        kind, size = _field(description, _KIND, "<B"), _field(description, _BODY_BYTES, "<q")
    except struct.error as error:
        raise ValueError(f"a damaged message at byte {position}") from error
    if size < 0 or body + size > len(content):
        raise ValueError(f"a message at byte {position} that is cut off")
    return kind, body + size


def _field(flatbuffer: bytes, number: int, form: str) -> int:
    """A number of the table that a flatbuffer is; 0 where it is left out."""
    (table,) = struct.unpack_from("<I", flatbuffer, 0)
    places = table - struct.unpack_from("<i", flatbuffer, table)[0]
    if 4 + 2 * number >= struct.unpack_from("<H", flatbuffer, places)[0]:
        return 0
    (offset,) = struct.unpack_from("<H", flatbuffer, places + 4 + 2 * number)
    return int(struct.unpack_from(form, flatbuffer, table + offset)[0]) if offset else 0
