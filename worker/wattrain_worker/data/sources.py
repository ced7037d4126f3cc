"""Where the samples of a table come from: reads the file or folder that `spec.data.source` names, fetches it where it
is remote.

The bytes are read once. What is hashed and what is parsed is the same, also where the file is replaced meanwhile; and
what parses them never sees a path, in which it might take `[1]`, `*` or `~` for a pattern.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, NamedTuple

from wattrain_api.claim_source import ClaimSource
from wattrain_api.data import Source
from wattrain_api.folder_files import digest_of_files, folder_files
from wattrain_api.local_path import about_tilde, local_path
from wattrain_api.table_folders import table_folder
from wattrain_worker.data.large_file import LargeFile, bytes_of
from wattrain_worker.data.remote_files import RemoteFile, at_address, folder_at_address, is_folder, without_credentials
from wattrain_worker.errors import BadSpec, InputMissing

Format = Literal["digits", "csv", "npz", "parquet", "jsonl", "datasets"]
STREAMED_FORMATS: Final[tuple[Format, ...]] = ("csv", "parquet", "jsonl", "npz")
"""Of which memory need not hold a file."""
Origin = Literal["builtin", "uri", "claim"]
_Read = Callable[["Room | None"], "bytes | LargeFile"]
"""Reads a file of a folder, and holds it where it has the room, or none is given."""
CLAIMS_DIR: Final = Path("/data")
"""Where a pod finds the claims that its data comes from, each in a directory of its name."""
DIGITS: Final = Path(__file__).with_name("digits.csv.gz")
_FORMATS: Final[dict[str, Format]] = {
    ".csv": "csv", ".npz": "npz", ".parquet": "parquet", ".jsonl": "jsonl", ".ndjson": "jsonl",
}  # fmt: skip


class Part(NamedTuple):
    """A file of a folder that is one table."""

    name: str
    """Its path below the folder, with `/`."""
    content: bytes | LargeFile


@dataclass(frozen=True)
class SourceFile:
    """A source that was read."""

    format: Format
    """Of the file, or of the folder and all its files."""
    kind: Origin
    name: str
    """What the spec calls it, without credentials."""
    content: bytes | LargeFile = field(repr=False)
    """Of the file; of a folder nothing."""
    parts: tuple[Part, ...] = field(default=(), repr=False)
    """The files of a folder, in the order in which their rows follow one another."""

    @property
    def is_large(self) -> bool:
        """Whether memory does not hold all of it."""
        return any(isinstance(each, LargeFile) for each in (self.content, *(part.content for part in self.parts)))

    @functools.cached_property
    def sha256(self) -> str:
        """Of all that was read. Computing it lets other threads run."""
        if self.parts:
            return digest_of_files((part.name, functools.partial(bytes_of, part.content)) for part in self.parts)[0]
        return hashlib.sha256(bytes_of(self.content)).hexdigest()

    def to_json_object(self) -> dict[str, str | int]:
        """The `source` of prepare.json."""
        size = len(self.content) + sum(len(part.content) for part in self.parts)
        return {"kind": self.kind, "name": self.name, "sha256": self.sha256, "bytes": size}


class Room(NamedTuple):
    """What a source may take."""

    most_held_bytes: int
    """Of a file, or of all files of a folder: what is more and can be streamed is not held but a LargeFile."""
    folder: Path
    """Takes what comes from an address and is not held."""

    def without(self, size: int) -> Room:
        """What is left beside so many bytes that are held."""
        return Room(max(0, self.most_held_bytes - size), self.folder)


def fetched(source: Source, claims_dir: Path = CLAIMS_DIR, room: Room | None = None) -> SourceFile:
    """What is behind `source`, held where no `room` is given. A WorkerError where there is nothing, or nothing that can
    be read."""
    if source.builtin is not None:
        return _read(DIGITS, "digits", "builtin", source.builtin)
    here, name = path_of(source, claims_dir), name_of(source)
    origin: Origin = "uri" if source.claim is None else "claim"
    if here is None:
        uri = source.uri or ""
        if is_folder(uri):
            return _folder(origin, name, _of_address(uri), room)
        kind = _format(name, "uri")
        return SourceFile(kind, origin, name, _received(at_address(uri), room))
    if here.is_dir():
        return _folder(origin, name, {below: functools.partial(_content, path) for below, path in _below(here)}, room)
    kind = _format(here.name, "uri" if source.claim is None else "claim.path")
    return _read(here, kind, origin, name, None if room is None else room.most_held_bytes)


def path_of(source: Source, claims_dir: Path = CLAIMS_DIR) -> Path | None:
    """Where the uri or claim of `source` is on this machine; None: at an address. BadSpec where it can be no path."""
    if source.claim is not None:
        return path_on_claim(source.claim, claims_dir, "spec.data.source.claim")
    try:
        return local_path(source.uri or "")
    except ValueError as error:
        raise BadSpec(f"spec.data.source.uri: {error}") from error


def name_of(source: Source) -> str:
    """What the spec calls the uri or claim of `source`, without credentials."""
    if source.claim is not None:
        return f"{source.claim.name}:{source.claim.path}"
    uri = source.uri or ""
    return uri if path_of(source) is not None else without_credentials(uri)


def path_on_claim(claim: ClaimSource, claims_dir: Path, field: str) -> Path:
    """Where what `claim` names, which `field` says, is on this machine. BadSpec where it is not on the claim."""
    relative = Path(claim.path.lstrip("/"))
    if ".." in relative.parts:
        raise BadSpec(f"{field}.path: {claim.path!r} leaves the claim; give a path without '..'")
    return claims_dir / claim.name / relative


def _format(file_name: str, field: str) -> Format:
    suffix = Path(file_name).suffix.lower()
    if suffix not in _FORMATS:
        raise BadSpec(
            f"spec.data.source.{field}: {Path(file_name).name!r} is none of the formats that can be read; give a file "
            f"that ends in {', '.join(_FORMATS)}, or a folder of .parquet files"
        )
    return _FORMATS[suffix]


def _read(path: Path, kind: Format, origin: Origin, name: str, most_held_bytes: int | None = None) -> SourceFile:
    where = f" (looked at {path.absolute()})" if origin != "builtin" else ""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise InputMissing(f"spec.data.source: {name!r} is no regular file{where}; give the path of a file")
        is_held = most_held_bytes is None or found.st_size <= most_held_bytes or kind not in STREAMED_FORMATS
        content = path.read_bytes() if is_held else LargeFile(path)
    except OSError as error:
        raise InputMissing(
            f"spec.data.source: {name!r} cannot be read: {error.strerror}{where}; correct the path, or make the file "
            f"readable for the user that the workers run as{about_tilde(path)}"
        ) from error
    return SourceFile(kind, origin, name, content)


def _folder(origin: Origin, name: str, files: dict[str, _Read], room: Room | None) -> SourceFile:
    try:
        kind, names = table_folder(files)
    except ValueError as error:
        raise InputMissing(f"spec.data.source: {name!r} {error}") from error
    parts, held_bytes = list[Part](), 0
    for each in names:
        content = files[each](None if room is None else room.without(held_bytes))
        held_bytes += 0 if isinstance(content, LargeFile) else len(content)
        parts.append(Part(each, content))
    return SourceFile(kind, origin, name, b"", tuple(parts))


def _of_address(uri: str) -> dict[str, _Read]:
    return {below: functools.partial(_received, file) for below, file in folder_at_address(uri)}


def _received(file: RemoteFile, room: Room | None) -> bytes | LargeFile:
    return file.held() if room is None else file.received(room.folder, room.most_held_bytes)


def _below(folder: Path) -> list[tuple[str, Path]]:
    try:
        return folder_files(folder)
    except OSError as error:
        raise _unreadable(error, Path(error.filename or folder)) from error


def _content(path: Path, room: Room | None) -> bytes | LargeFile:
    try:
        is_held = room is None or path.stat().st_size <= room.most_held_bytes
        return path.read_bytes() if is_held else LargeFile(path)
    except OSError as error:
        raise _unreadable(error, path) from error


def _unreadable(error: OSError, path: Path) -> InputMissing:
    if error.errno == errno.EMFILE:
        return InputMissing(
            f"spec.data.source: {str(path)!r} cannot be opened beside the files before it: the system lets a process "
            "have no more of them open; raise its limit (ulimit -n), or write the table in fewer files"
        )
    return InputMissing(
        f"spec.data.source: {str(path)!r} cannot be read: {error.strerror}; make it readable for the user that the "
        "workers run as"
    )
