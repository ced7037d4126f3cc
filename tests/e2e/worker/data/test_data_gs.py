"""Files in Google's object store, from a server that answers as it does, without looking at credentials."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.binaries import find
from harness.unavailable import UnavailableError

from wattrain_api.data import Source
from wattrain_api.reasons import EXIT_INPUT_MISSING
from wattrain_worker.data.remote_files import store_class
from wattrain_worker.data.source_files import opened
from wattrain_worker.data.sources import fetched
from wattrain_worker.errors import WorkerError

pytest.importorskip("obstore", reason="obstore is not installed: pip install 'wattrain[stores]'")
TABLE = b"age,kind\n1,a\n"
DEADLINE_SECONDS = 60


def posted(address: str, body: bytes, kind: str) -> None:
    request = urllib.request.Request(address, data=body, method="POST", headers={"Content-Type": kind})
    urllib.request.urlopen(request, timeout=DEADLINE_SECONDS).close()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    try:
        program = find("fake-gcs-server")
    except UnavailableError as error:
        pytest.skip(f"NOT TESTED: {error}")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    where = f"http://127.0.0.1:{port}"
    options = ["-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-backend", "memory"]
    command = [program, *options, "-public-host", f"127.0.0.1:{port}", "-external-url", where]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + DEADLINE_SECONDS
        while process.poll() is None and time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
        posted(f"{where}/storage/v1/b?project=x", b'{"name": "tables"}', "application/json")
        posted(f"{where}/upload/storage/v1/b/tables/o?uploadType=media&name=a%2Fb.csv", TABLE, "text/csv")
        yield where
    finally:
        process.kill()
        process.wait()


@pytest.fixture(autouse=True)
def _key(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = {"gcs_base_url": address, "disable_oauth": True, "client_email": "", "private_key": "", "private_key_id": ""}
    (tmp_path / "key.json").write_text(json.dumps({"type": "service_account", **key}))
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT", str(tmp_path / "key.json"))
    store_class("gs").clear_instance_cache()


def test_a_file_and_a_folder_are_read() -> None:
    assert fetched(Source(uri="gs://tables/a/b.csv")).content == TABLE
    assert [(file.name, file.read()) for file in opened(Source(uri="gs://tables/a/")).files] == [("b.csv", TABLE)]


@pytest.mark.parametrize("uri", ["gs://tables/none.csv", "gs://nowhere/a.csv"])
def test_what_is_not_there_is_told(uri: str) -> None:
    with pytest.raises(WorkerError, match=r"there is no such file \(404\); correct the address") as caught:
        fetched(Source(uri=uri))
    assert uri in str(caught.value)
    assert caught.value.exit_code == EXIT_INPUT_MISSING
