"""Where the samples come from: reads the file that `spec.data.source` names, fetches it where it is remote.

The bytes are read once. What is hashed and what is parsed is the same, also where the file is replaced meanwhile; and
what parses them never sees a path, in which it might take `[1]`, `*` or `~` for a pattern.
"""

from __future__ import annotations

import functools
import hashlib
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from wattrain_api.data import ClaimSource, Source
from wattrain_api.local_path import about_tilde, local_path
from wattrain_worker.data.remote_files import download, without_credentials
from wattrain_worker.errors import BadSpec, InputMissing

Format = Literal["digits", "csv", "npz", "parquet"]
Origin = Literal["builtin", "uri", "claim"]
CLAIMS_DIR: Final = Path("/data")
"""Where a pod finds the claims that its data comes from, each in a directory of its name."""
DIGITS: Final = Path(__file__).with_name("digits.csv.gz")
_FORMATS: Final[dict[str, Format]] = {".csv": "csv", ".npz": "npz", ".parquet": "parquet"}


@dataclass(frozen=True)
class SourceFile:
    """A source that was read."""

    format: Format
    kind: Origin
    name: str
    """What the spec calls it, without credentials."""
    content: bytes = field(repr=False)

    @functools.cached_property
    def sha256(self) -> str:
        """Of `content`. Computing it lets other threads run."""
        return hashlib.sha256(self.content).hexdigest()

    def to_json_object(self) -> dict[str, str | int]:
        """The `source` of prepare.json."""
        return {"kind": self.kind, "name": self.name, "sha256": self.sha256, "bytes": len(self.content)}


def fetched(source: Source, claims_dir: Path = CLAIMS_DIR) -> SourceFile:
    """The file behind `source`. A WorkerError where there is none, or none that can be read."""
    if source.builtin is not None:
        return _read(DIGITS, "digits", "builtin", source.builtin)
    here = path_of(source, claims_dir)
    if here is not None:
        field: Origin = "uri" if source.claim is None else "claim"
        suffix = _format(here.name, "uri" if source.claim is None else "claim.path")
        return _read(here, suffix, field, name_of(source))
    return SourceFile(_format(name_of(source), "uri"), "uri", name_of(source), download(source.uri or ""))


def path_of(source: Source, claims_dir: Path = CLAIMS_DIR) -> Path | None:
    """Where the uri or claim of `source` is on this machine; None: at an address. BadSpec where it can be no path."""
    if source.claim is not None:
        return _path_on_claim(source.claim, claims_dir)
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


def _read(path: Path, kind: Format, origin: Origin, name: str) -> SourceFile:
    where = f" (looked at {path.absolute()})" if origin != "builtin" else ""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            what = "a directory" if stat.S_ISDIR(mode) else "no regular file"
            raise InputMissing(f"spec.data.source: {name!r} is {what}{where}; give the path of a file")
        content = path.read_bytes()
    except OSError as error:
        raise InputMissing(
            f"spec.data.source: {name!r} cannot be read: {error.strerror}{where}; correct the path, or make the file "
            f"readable for the user that the workers run as{about_tilde(path)}"
        ) from error
    return SourceFile(kind, origin, name, content)
