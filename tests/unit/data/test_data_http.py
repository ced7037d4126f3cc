"""Files at addresses of HTTP, from a server that answers as servers do."""

from __future__ import annotations

import errno
import importlib.util
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import aiohttp.client
import fsspec
import pytest

from wattrain_api import address_drivers
from wattrain_api.data import Source
from wattrain_api.reasons import EXIT_BAD_SPEC, EXIT_INPUT_MISSING, EXIT_STORAGE_UNAVAILABLE
from wattrain_worker.data import prepare_table, remote_files
from wattrain_worker.data.large_file import LargeFile
from wattrain_worker.data.sources import Room, fetched
from wattrain_worker.errors import StorageUnavailable, WorkerError

TABLE = b"age,kind\n" + b"1,a\n2,b\n" * 20
LARGE = b"age,kind\n" + b"".join(b"%d,%c\n" % (row, b"xy"[row % 2]) for row in range(900))
CODES = {"/gone.csv": 404, "/denied.csv": 403, "/unknown.csv": 401, "/old.csv": 410, "/busy.csv": 503, "/many.csv": 429}


class Answers(BaseHTTPRequestHandler):
    """What the address says; the body of some does not come as it should."""

    over = threading.Event()

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.send_response(302 if path == "/moved.csv" else CODES.get(path, 200))
        if path == "/moved.csv":
            self.send_header("Location", "/good.csv")
        body = LARGE if path == "/large.csv" else TABLE
        length = 0 if path == "/moved.csv" else len(body) + 100 * (path == "/torn.csv")
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if path == "/silent.csv":
            self.over.wait(10)
        elif path == "/slow.csv":
            for start in range(0, len(TABLE), 20):
                self.over.wait(0.1)
                self.wfile.write(TABLE[start : start + 20])
        elif length:
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    yield f"http://anne:secret@127.0.0.1:{server.server_port}"
    Answers.over.set()
    server.shutdown()
    server.server_close()
    serving.join()


@pytest.fixture(autouse=True)
def _new_clients() -> None:
    fsspec.get_filesystem_class("http").clear_instance_cache()


def refusal(uri: str) -> WorkerError:
    """The same whether the file is held or received in parts."""
    told = []
    for room in (None, Room(100, Path(tempfile.gettempdir()))):
        with pytest.raises(WorkerError) as caught:
            fetched(Source(uri=uri), room=room)
        told.append((str(caught.value), caught.value.exit_code))
    assert told[0] == told[1]
    return caught.value


def test_a_large_file_lies_in_a_file_without_a_name(address: str, tmp_path: Path) -> None:
    found = fetched(Source(uri=f"{address}/moved.csv"), room=Room(100, tmp_path))
    assert isinstance(found.content, LargeFile)
    assert found.content.bytes[:] == TABLE
    assert list(tmp_path.iterdir()) == []
    assert fetched(Source(uri=f"{address}/good.csv"), room=Room(len(TABLE), tmp_path)).content == TABLE


def test_a_large_file_is_prepared_as_one_that_is_held(
    address: str, bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for most_held in (1 << 30, 100):
        monkeypatch.setattr(prepare_table, "MOST_HELD_BYTES", most_held)
        bench.prepare(f"{address}/large.csv", into=str(most_held), label="kind")
    assert bench.shards("100") == bench.shards(str(1 << 30))


def test_a_folder_without_room_is_told_as_such(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "write", full)
    with pytest.raises(StorageUnavailable, match=f"data directory {tmp_path}: No space left on device; see that it"):
        fetched(Source(uri=f"{address}/good.csv"), room=Room(100, tmp_path))


@pytest.mark.parametrize("name", ["good", "moved"])
def test_a_file_is_read_also_where_it_has_moved(address: str, name: str) -> None:
    found = fetched(Source(uri=f"{address}/{name}.csv?X-Amz-Signature=abc"))
    assert found.content == TABLE
    assert found.name.endswith(f"/{name}.csv")
    assert "secret" not in found.name


@pytest.mark.parametrize(
    ("name", "expected", "exit_code"),
    [
        ("gone", "there is no such file; correct the address", EXIT_INPUT_MISSING),
        ("denied", "it may not be read with these credentials, or with none (403); allow it", EXIT_INPUT_MISSING),
        ("unknown", "the server does not take the credentials (401); correct credentials in the", EXIT_INPUT_MISSING),
        ("old", "the server refuses it (410); correct the address", EXIT_INPUT_MISSING),
        ("busy", "the server cannot answer now (503); try again later", EXIT_STORAGE_UNAVAILABLE),
        ("many", "the server cannot answer now (429); try again later", EXIT_STORAGE_UNAVAILABLE),
        ("torn", "the connection broke off before the whole file had come", EXIT_STORAGE_UNAVAILABLE),
    ],
)
def test_what_an_address_cannot_be_read_for_is_told_without_credentials(
    address: str, name: str, expected: str, exit_code: int
) -> None:
    error = refusal(f"{address}/{name}.csv?X-Amz-Signature=abc")
    place = f"spec.data.source.uri: '{address.replace('anne:secret@', '')}/{name}.csv' cannot be read: "
    assert str(error).startswith(place + expected)
    assert not any(word in str(error) for word in ("secret", "abc", "anne"))
    assert error.exit_code == exit_code


def test_a_slow_file_is_waited_for_as_long_as_something_comes(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # aiohttp's own limit is five minutes, for whole files
    monkeypatch.setattr(aiohttp.client, "DEFAULT_TIMEOUT", aiohttp.ClientTimeout(total=0.5))
    assert fetched(Source(uri=f"{address}/slow.csv")).content == TABLE


def test_a_server_that_falls_silent_is_given_up(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_files, "SILENCE_SECONDS", 0.3)
    error = refusal(f"{address}/silent.csv")
    assert "the server sent nothing for 60 s" in str(error)
    assert error.exit_code == EXIT_STORAGE_UNAVAILABLE


def test_a_server_that_is_not_there_is_worth_another_try() -> None:
    error = refusal("http://127.0.0.1:1/a.csv")
    assert "'http://127.0.0.1:1/a.csv' cannot be read: no server answers there (ClientConnectorError)" in str(error)
    assert error.exit_code == EXIT_STORAGE_UNAVAILABLE


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("http://host/a.csv", "needs aiohttp, which this Python lacks; pip install aiohttp"),
        ("s3://bucket/a.csv", "needs obstore, which this Python lacks; pip install 'wattrain[stores]'"),
        ("gs://bucket/a.csv", "needs obstore, which this Python lacks; pip install 'wattrain[stores]'"),
        ("simplecache::abfs://box/a.csv", "needs obstore, which this Python lacks; pip install 'wattrain[stores]'"),
        ("hdfs://nodes/a.csv", "needs pyarrow, and Java and Hadoop's library libhdfs, which webhdfs:// does without, "
         "which this Python lacks; pip install pyarrow"),
        ("webhdfs://nodes/a.csv", "needs requests, which this Python lacks; pip install requests"),
    ],
)  # fmt: skip
def test_a_driver_that_is_missing_is_told_with_what_installs_it(
    monkeypatch: pytest.MonkeyPatch, uri: str, expected: str
) -> None:
    monkeypatch.setattr(address_drivers.importlib.util, "find_spec", lambda _: None)
    error = refusal(uri)
    assert f"{expected}; on a cluster name an image that has it in spec.image" in str(error)
    assert error.exit_code == EXIT_BAD_SPEC


def test_hdfs_whose_java_is_missing_is_no_storage_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address_drivers, "missing_driver", lambda *_: None)
    monkeypatch.setattr(remote_files, "missing_driver", lambda *_: None)
    if importlib.util.find_spec("pyarrow"):
        pytest.skip("pyarrow is here, and may have all that it needs")
    error = refusal("hdfs://nodes/a.csv")
    assert (
        "'hdfs://nodes/a.csv' cannot be read: its driver does not start (ModuleNotFoundError); install Java and "
        "Hadoop's library libhdfs, which webhdfs:// does without, on a cluster in the image that spec.image names"
    ) in str(error)
    assert error.exit_code == EXIT_BAD_SPEC
