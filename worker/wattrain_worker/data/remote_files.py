"""Files at an address, by fsspec: the whole of each is read, and what is wrong is told without credentials."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import fsspec

from wattrain_api.address_drivers import driver_module, missing_driver, protocols_of
from wattrain_worker.data.remote_errors import FIELD, SILENCE_SECONDS, refusal
from wattrain_worker.errors import BadSpec, InputMissing, WorkerError

_EXPANDED: Final = re.compile(r"(^|::)(local://|file://~)")
_UNLISTED: Final = ("http", "https")
RETRY: Final = {"max_retries": 3, "retry_timeout": timedelta(minutes=3)}
"""Of object stores: a connection that breaks off is taken up again where it was."""


def without_credentials(uri: str) -> str:
    """`uri` without user, password and query: prepare.json travels with the model, a signed address must not."""
    parts = urlsplit(uri)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def download(uri: str) -> bytes:
    """What is at an address. BadSpec, InputMissing or StorageUnavailable where it cannot be had."""
    system, path = _system(uri)
    return _content(uri, system, path)


def is_folder(uri: str) -> bool:
    """Whether the address `uri` says that it is one of a folder: it ends in a slash."""
    return uri.endswith("/")


def download_folder(uri: str) -> list[tuple[str, Callable[[], bytes]]]:
    """The files below the address of a folder in the order of their names, and what reads each; hidden ones (`.name`)
    are none of them. The errors are those of `download`."""
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
    return [(name[len(root) :], functools.partial(_content, uri, system, name)) for name in names]


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


def _content(uri: str, system: Any, path: str) -> bytes:
    with _told(uri):
        return bytes(system.cat_file(path))


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
