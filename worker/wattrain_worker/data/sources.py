"""Where the samples come from: finds the file that `spec.data.source` names, fetches it where it is remote."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from urllib.parse import unquote, urlsplit, urlunsplit

import fsspec

from wattrain_api.data import ClaimSource, Source
from wattrain_worker.data.errors import BadSpec, InputMissing, StorageUnavailable

Format = Literal["digits", "csv", "npz", "parquet"]
CLAIMS_DIR: Final = Path("/data")
"""Where a pod finds the claims that its data comes from, each in a directory of its name."""
DIGITS: Final = Path(__file__).with_name("digits.csv.gz")
_FORMATS: Final[dict[str, Format]] = {".csv": "csv", ".npz": "npz", ".parquet": "parquet"}
_CHUNK_BYTES: Final = 1 << 20


@dataclass(frozen=True)
class SourceFile:
    """A source that lies on this machine."""

    path: Path
    format: Format
    kind: Literal["builtin", "uri", "claim"]
    name: str
    """What the spec calls it, without credentials."""
    sha256: str
    size_bytes: int

    def to_json_object(self) -> dict[str, str | int]:
        """The `source` of prepare.json."""
        return {"kind": self.kind, "name": self.name, "sha256": self.sha256, "bytes": self.size_bytes}


@contextlib.contextmanager
def opened(source: Source, scratch_dir: Path, claims_dir: Path = CLAIMS_DIR) -> Iterator[SourceFile]:
    """The file behind `source`. What is remote is copied into `scratch_dir` and removed when the block ends."""
    if source.builtin is not None:
        yield _fingerprinted(DIGITS, "digits", "builtin", source.builtin)
    elif source.claim is not None:
        path = _path_on_claim(source.claim, claims_dir)
        yield _fingerprinted(
            path, _format(path.name, "claim.path"), "claim", f"{source.claim.name}:{source.claim.path}"
        )
    elif source.uri is not None and (local := _local_path(source.uri)) is not None:
        yield _fingerprinted(local, _format(local.name, "uri"), "uri", source.uri)
    else:
        uri = source.uri or ""
        kind = _format(without_credentials(uri), "uri")
        copy = scratch_dir / f".source.{kind}"
        try:
            _download(uri, copy)
            yield _fingerprinted(copy, kind, "uri", without_credentials(uri))
        finally:
            copy.unlink(missing_ok=True)


def without_credentials(uri: str) -> str:
    """`uri` without user, password and query: prepare.json travels with the model, a signed address must not."""
    parts = urlsplit(uri)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _local_path(uri: str) -> Path | None:
    if uri.startswith("file://"):
        return Path(unquote(urlsplit(uri).path))
    return None if "://" in uri or "::" in uri else Path(uri)


def _path_on_claim(claim: ClaimSource, claims_dir: Path) -> Path:
    relative = Path(claim.path.lstrip("/"))
    if ".." in relative.parts:
        raise BadSpec(f"spec.data.source.claim.path: {claim.path!r} leaves the claim; give a path without '..'")
    return claims_dir / claim.name / relative


def _format(file_name: str, field: str) -> Format:
    suffix = Path(file_name).suffix.lower()
    if suffix not in _FORMATS:
        raise BadSpec(
            f"spec.data.source.{field}: {Path(file_name).name!r} is none of the formats that can be read; give a file "
            f"that ends in {', '.join(_FORMATS)}"
        )
    return _FORMATS[suffix]


def _fingerprinted(path: Path, kind: Format, origin: Literal["builtin", "uri", "claim"], name: str) -> SourceFile:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            size_bytes = file.tell()
    except OSError as error:
        where = f" (looked at {path.absolute()})" if origin != "builtin" else ""
        raise InputMissing(
            f"spec.data.source: {name!r} cannot be read: {error.strerror}{where}; correct the path, or make the file "
            "readable for the user that the workers run as"
        ) from error
    return SourceFile(path, kind, origin, name, digest, size_bytes)


def _download(uri: str, target: Path) -> None:
    shown = without_credentials(uri)
    try:
        fsspec.get_filesystem_class(re.split(r"::|://", uri)[0])
    except (ImportError, ValueError) as error:  # fsspec knows no such protocol, or its driver is not installed
        raise BadSpec(
            f"spec.data.source.uri: {shown!r} needs a driver that this image lacks ({error}); use an image that has it"
        ) from error
    try:
        with fsspec.open(uri, "rb") as remote, target.open("wb") as local:
            while chunk := remote.read(_CHUNK_BYTES):
                local.write(chunk)
    except (FileNotFoundError, PermissionError) as error:
        raise InputMissing(
            f"spec.data.source.uri: {shown!r} cannot be read ({type(error).__name__}); correct the address, or give "
            "the workers credentials for it in workers.env"
        ) from error
    except Exception as error:  # every driver has errors of its own, whose text may hold a signed address
        status = f" {error.status}" if hasattr(error, "status") else ""
        raise StorageUnavailable(
            f"spec.data.source.uri: {shown!r} could not be fetched ({type(error).__name__}{status}); see that the "
            "address answers from the job's nodes"
        ) from error
