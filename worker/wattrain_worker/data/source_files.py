"""Sources of many files: a folder, the members of a tar, or one file. Each is read when its turn comes."""

from __future__ import annotations

import functools
import gzip
import hashlib
import io
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from wattrain_api.data import Source
from wattrain_api.folder_files import digest_of_files, folder_files
from wattrain_api.local_path import about_tilde
from wattrain_worker.data.remote_files import download, folder_at_address, is_folder
from wattrain_worker.data.sources import CLAIMS_DIR, Origin, name_of, path_of
from wattrain_worker.errors import BadData, BadSpec, InputMissing

_TARS = (".tar", ".tar.gz", ".tgz")
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class OneFile:
    """A file of a source."""

    name: str
    """Its path below the folder, or within the tar, with `/`; of a source that is one file, its name."""
    read: Callable[[], bytes]
    """Its content. InputMissing where it cannot be read, or is no longer there."""


@dataclass(frozen=True)
class SourceFiles:
    """The files behind `spec.data.source`, in the order of their names; of a tar, in its own."""

    kind: Origin
    name: str
    """What the spec calls it, without credentials."""
    files: tuple[OneFile, ...]
    whole: Callable[[], bytes] | None = None
    """Content of the one file that all of them come from; None: there is none."""

    def identity(self) -> dict[str, str | int]:
        """The `source` of prepare.json. Reads all files the first time."""
        return dict(self._identity)

    @functools.cached_property
    def _identity(self) -> dict[str, str | int]:
        if self.whole is None:
            digest, size = digest_of_files((file.name, file.read) for file in self.files)
        else:
            content = self.whole()
            digest, size = hashlib.sha256(content).hexdigest(), len(content)
        return {"kind": self.kind, "name": self.name, "sha256": digest, "bytes": size}


def opened(source: Source, claims_dir: Path = CLAIMS_DIR) -> SourceFiles:
    """The files behind `source`, which is no builtin data; hidden ones (`.name`) of a folder are none of them.

    A WorkerError where there are none, or some cannot be listed.
    """
    if source.builtin is not None:
        raise BadSpec(
            f"spec.data.source.builtin: {source.builtin} is a table, and the recipe needs other samples; give uri or "
            "claim, or choose a recipe for tables"
        )
    kind: Origin = "uri" if source.claim is None else "claim"
    here, name = path_of(source, claims_dir), name_of(source)
    whole: Callable[[], bytes] | None
    if here is None and is_folder(source.uri or ""):
        whole, files = None, [OneFile(below, file.held) for below, file in folder_at_address(source.uri or "")]
    elif here is None:
        whole = functools.partial(bytes, download(source.uri or ""))
        files = members_of(whole(), name) if is_tar(name) else [OneFile(name, whole)]
    elif here.is_dir():
        whole, files = None, list(_files_below(here))
    else:
        _content(here, 0)  # it is there, and may be read
        whole = functools.partial(_content, here)
        files = members_of(whole(), name) if is_tar(here.name) else [OneFile(here.name, whole)]
    if not files:
        raise BadData(f"data: {name!r} has no files; give a folder or tar with samples in it")
    return SourceFiles(kind, name, tuple(files), whole)


def is_tar(name: str) -> bool:
    """Whether a file of this name holds others."""
    return name.lower().endswith(_TARS)


def _files_below(folder: Path) -> Iterator[OneFile]:
    try:
        found = folder_files(folder)
    except OSError as error:
        raise InputMissing(
            f"spec.data.source: {error.filename!r} cannot be listed: {error.strerror}; make the folder readable for "
            "the user that the workers run as"
        ) from error
    for name, path in found:
        yield OneFile(name, functools.partial(_content, path))


def _content(path: Path, size: int = -1) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(size)
    except OSError as error:
        raise InputMissing(
            f"spec.data.source: {str(path)!r} cannot be read: {error.strerror}; correct the path, or make the file "
            f"readable for the user that the workers run as{about_tilde(path)}"
        ) from error


def members_of(content: bytes, name: str) -> list[OneFile]:
    """The files of a tar in its own order, which is held as a whole: one that ends early is found before the first."""
    try:
        content = gzip.decompress(content) if content[:2] == _GZIP else content
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
            whole = [(member, tar.extractfile(member)) for member in tar if member.isfile()]
            read = [(member.name, file.read()) for member, file in whole if file is not None]
            end = tar.offset
    except (tarfile.TarError, EOFError, OSError) as error:
        raise BadData(f"data: {name!r} is no whole tar ({error}); write it again, or copy it again") from error
    if not content[end : end + tarfile.BLOCKSIZE] or any(content[end : end + tarfile.BLOCKSIZE]):
        raise BadData(f"data: {name!r} is no whole tar (its end is missing); write it again, or copy it again")
    return [OneFile(member, functools.partial(bytes, data)) for member, data in read]
