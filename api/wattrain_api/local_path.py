"""Which file of this machine an address names: the same for whoever checks it beforehand and for whoever reads it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit


def local_path(uri: str) -> Path | None:
    """The file that `uri` names on this machine, to the letter: nothing in it is a pattern, and ~ is a name like any.

    None: it is remote, or none was given. ValueError, whose text is for the user: an address that names no file.
    """
    if not uri or "::" in uri:
        return None
    if "://" not in uri:
        return Path(uri)
    scheme, rest = uri.split("://", 1)
    if scheme.lower() == "local":
        raise ValueError(f"{uri!r} would have ~ and patterns expanded; write file:// and the whole path, or the path")
    if scheme.lower() != "file":
        return None
    host = rest.split("/", 1)[0]
    if host not in ("", "localhost"):
        raise ValueError(
            f"{uri!r} names a file of the machine {host!r}; write file:/// and the whole path, or the path alone"
        )
    parts = urlsplit(uri)
    if len(parts.path) < len(rest) - len(host):
        raise ValueError(f"{uri!r} ends for an address at the first ? or #; write %3F and %23, or the path alone")
    return Path(unquote(parts.path))


def about_tilde(path: Path) -> str:
    """What a message says of a `path` that is not there and begins with ~; else nothing."""
    return "; ~ is not read as the home directory: write the whole path" if str(path).startswith("~") else ""
