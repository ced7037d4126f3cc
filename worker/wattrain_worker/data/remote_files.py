"""Files at an address, by fsspec: the whole of each is read, and what is wrong is told without credentials.

What is more than memory is to hold lies in a file meanwhile."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import fsspec

from wattrain_api.address_drivers import driver_module, missing_driver, protocols_of
from wattrain_worker.data.large_file import LargeFile
from wattrain_worker.data.received_file import ReceivedFile
from wattrain_worker.data.remote_errors import FIELD, SILENCE_SECONDS, refusal
from wattrain_worker.errors import BadSpec, InputMissing, StorageUnavailable, WorkerError

_EXPANDED: Final = re.compile(r"(^|::)(local://|file://~)")
_UNLISTED: Final = ("http", "https")
_RANGE_BYTES: Final = 16 << 20
"""Of a large file, that an object store is asked for at a time."""
RETRY: Final = {"max_retries": 3, "retry_timeout": timedelta(minutes=3)}
"""Of object stores: a connection that breaks off is taken up again where it was."""


def without_credentials(uri: str) -> str:
    """`uri` without user, password and query: prepare.json travels with the model, a signed address must not."""
    parts = urlsplit(uri)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def download(uri: str) -> bytes:
    """What is at an address. BadSpec, InputMissing or StorageUnavailable where it cannot be had."""
    return at_address(uri).held()


def at_address(uri: str) -> RemoteFile:
    """The file at an address, which is not asked for yet. BadSpec where there is no driver for it."""
    return RemoteFile(uri, *_system(uri))


@dataclass(frozen=True)
class RemoteFile:
    """A file at an address, or below one. The errors of reading it are those of `download`."""

    _uri: str
    _system: Any
    _path: str

    def held(self) -> bytes:
        """All of it."""
        with _told(self._uri):
            return bytes(self._system.cat_file(self._path))

    def received(self, folder: Path, most_held_bytes: int) -> bytes | LargeFile:
        """All of it; where that is more than `most_held_bytes`, it lies in `folder`, without a name. StorageUnavailable
        too where that has no room for it."""
        with _told(self._uri), ReceivedFile(folder, most_held_bytes) as file:
            if protocols_of(self._uri)[-1] in _UNLISTED:
                self._system.get_file(self._path, file)
            else:
                _receive_in_ranges(self._system, self._path, file)
            return file.content()


def is_folder(uri: str) -> bool:
    """Whether the address `uri` says that it is one of a folder: it ends in a slash."""
    return uri.endswith("/")


def folder_at_address(uri: str) -> list[tuple[str, RemoteFile]]:
    """The files below the address of a folder in the order of their names; hidden ones (`.name`) are none of them. The
    errors are those of `download`."""
    shown = without_credentials(uri)
    if (protocol := protocols_of(uri)[-1]) in _UNLISTED:
        raise BadSpec(f"{FIELD}: {shown!r} is a folder, which {protocol} cannot list; give the address of a file")
    system, path = _system(uri)
    root = path.rstrip("/") + "/"
    with _told(uri):
        found = sorted(name for name in system.find(root) if name.startswith(root))
    names = [name for name in found if not any(part.startswith(".") for part in name[len(root) :].split("/"))]
    if not names:
        raise InputMissing(f"{FIELD}: {shown!r} has no files; correct the address of the folder")
    return [(name[len(root) :], RemoteFile(uri, system, name)) for name in names]


def _system(uri: str) -> tuple[Any, str]:
    """The file system of fsspec for `uri`, and its path there."""
    shown = without_credentials(uri)
    if _EXPANDED.search(uri):
        raise BadSpec(f"{FIELD}: {shown!r} would have ~ expanded; write file:// and the whole path")
    if (missing := missing_driver(uri, "this Python")) is not None:
        raise BadSpec(f"{FIELD}: {shown!r} {missing}; on a cluster name an image that has it in spec.image")
    options: dict[str, Any] = {}
    for protocol in protocols_of(uri):
        if driver_module(protocol) == "obstore":
            options[protocol] = _of_object_stores(protocol)
        elif protocol in _UNLISTED:
            options[protocol] = {"get_client": _session}
        try:
            fsspec.get_filesystem_class(protocol)
        except (ImportError, ValueError) as error:  # fsspec knows no such protocol, or its driver is not installed
            raise BadSpec(
                f"{FIELD}: {shown!r} needs a driver that is not here ({error}); install it, on a cluster in the image "
                "that spec.image names, or give another address"
            ) from error
    with _told(uri):
        system, path = fsspec.url_to_fs(uri, **options)
        return system, str(path)


def _of_object_stores(protocol: str) -> dict[str, Any]:
    """Has obstore read addresses of `protocol`, with these options. An endpoint without TLS is the user's choice."""
    fsspec.register_implementation(protocol, store_class(protocol), clobber=True)
    silence = timedelta(seconds=SILENCE_SECONDS)
    client = {"allow_http": True, "connect_timeout": timedelta(seconds=10), "read_timeout": silence}
    return {
        "client_options": {**client, "timeout": timedelta(days=7)},  # else it gives up after 30 seconds, whatever came
        "retry_config": RETRY,
    }


@functools.cache
def store_class(protocol: str) -> Any:
    """obstore's class for fsspec, which says the protocol that it reads."""
    from obstore.fsspec import FsspecStore

    return type(f"Store_{protocol}", (FsspecStore,), {"protocol": protocol})


def _receive_in_ranges(system: Any, path: str, received: ReceivedFile) -> None:
    """Drivers of object stores give a file in ranges, or as a whole, which is held."""
    before = _facts(system, path)
    size = before[0] or 0
    if size <= _RANGE_BYTES:
        received.write(system.cat_file(path))  # says, where it is not there, what is wrong
        return
    for start in range(0, size, _RANGE_BYTES):
        received.write(system.cat_file(path, start=start, end=min(size, start + _RANGE_BYTES)))
    system.invalidate_cache()
    if _facts(system, path) != before:
        raise StorageUnavailable(f"{FIELD}: {path!r} was written to while it was read; start again when it is whole")


def _facts(system: Any, path: str) -> tuple[int | None, str, str]:
    """The size of the file, and what changes when it is written anew; nothing where the driver does not say."""
    try:
        found = system.info(path)
    except Exception:  # whoever reads it says what is wrong
        return None, "", ""
    return found.get("size"), str(found.get("e_tag", "")), str(found.get("last_modified", found.get("mtime", "")))


@contextmanager
def _told(uri: str) -> Iterator[None]:
    """Every driver has errors of its own, whose text may hold a signed address or a key: none of it is passed on."""
    try:
        yield
    except WorkerError:
        raise
    except Exception as error:
        raise refusal(without_credentials(uri), protocols_of(uri)[-1], error) from error


async def _session(**options: Any) -> Any:
    """A client that waits as long as something comes. aiohttp's own gives up after five minutes, whatever came."""
    import aiohttp

    waiting = aiohttp.ClientTimeout(total=None, sock_connect=SILENCE_SECONDS, sock_read=SILENCE_SECONDS)
    return aiohttp.ClientSession(**{"timeout": waiting, **options})
