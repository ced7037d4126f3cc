"""What a file is by its first bytes, where that is not what its name says."""

from __future__ import annotations

import re
from typing import Final

from wattrain_worker.errors import BadData

_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
_BEGINNINGS: Final = (
    (b"PAR1", "Parquet", "name it .parquet"),
    (b"\x93NUMPY", "an array of numpy.save (.npy)", "write it with numpy.savez, with a name for every array"),
    (b"\x1f\x8b", "compressed with gzip", "decompress it (gunzip)"),
    (b"BZh", "compressed with bzip2", "decompress it (bunzip2)"),
    (b"\xfd7zXZ\x00", "compressed with xz", "decompress it (unxz)"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "decompress it (unzstd)"),
    (b"PK\x03\x04", "a ZIP archive (as .npz and .xlsx are)", "unpack it, export it as CSV, or name it as what it is"),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Word file", "export it as CSV"),
    (b"ARROW1", "Arrow IPC (Feather)", "write it as Parquet"),
    (b"\x89HDF\r\n", "HDF5", "write it as Parquet"),
    (b"SQLite format 3", "an SQLite database", "export its table as CSV"),
    (b"%PDF", "a PDF", "export its table as CSV"),
    (b"\xff\xfe\x00\x00", "UTF-32 text", "save it as UTF-8"),
    (b"\xff\xfe", "UTF-16 text", "save it as UTF-8"),
    (b"\xfe\xff", "UTF-16 text", "save it as UTF-8"),
)


def told_by_beginning(content: bytes) -> str | None:
    """What `content` is, and the remedy, for a message: `it is UTF-16 text; save it as UTF-8`. None: not known."""
    if not content:
        return "it is empty; write it anew"
    for beginning, what, remedy in _BEGINNINGS:
        if content.startswith(beginning):
            return f"it is {what}; {remedy}"
    if content.lstrip()[:9].lower() in (b"<!doctype", b"<html><he") or content.lstrip()[:5].lower() == b"<html":
        return "it is a web page (HTML); give the address of the file itself"
    if re.match(rb'\s*(\[\s*)?\{\s*"', content):
        return "it is JSON; name it .jsonl where each line is an object, else write it so"
    if content.startswith(b"version https://git-lfs"):
        return "it is a pointer of Git LFS, not the file; fetch it with git lfs pull"
    return None


def demand_text(content: bytes, what: str, lines_before: int = 0) -> None:
    """BadData, with the line, where `content`, which `lines_before` lines precede, is no text in UTF-8. `what`: what to
    save anew, as in `the CSV file`."""
    if (nul := content.find(b"\0")) >= 0:
        line = lines_before + line_at(content, nul)
        raise BadData(f"data: line {line}: a NUL byte, which no text has; export {what} anew, in UTF-8")
    if content.isascii():
        return
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = lines_before + line_at(content, error.start)
        raise BadData(f"data: line {line}: not UTF-8; save {what} as UTF-8") from error


def line_at(content: bytes, offset: int) -> int:
    """The line that `offset` is in, from 1 on."""
    return 1 + sum(1 for _ in _LINE_END.finditer(content, 0, offset))


def end_of_line(content: bytes, line: int) -> int:
    """Offset behind line `line` (1-based), its end included."""
    for number, end in enumerate(_LINE_END.finditer(content), start=1):
        if number == line:
            return end.end()
    return len(content)
