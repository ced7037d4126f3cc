"""Files in S3, from a server that speaks it and checks signatures.

The server is moto's, in an environment of its own: it wants an older dateutil than Kubernetes' client.
"""

from __future__ import annotations

import contextlib
import io
import os
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from harness.python_programs import MOTO_SERVER, find_python_program
from harness.unavailable import UnavailableError

from wattrain_api.data import Source
from wattrain_api.reasons import EXIT_INPUT_MISSING, EXIT_STORAGE_UNAVAILABLE
from wattrain_worker.data import remote_files
from wattrain_worker.data.large_file import LargeFile
from wattrain_worker.data.readers import read
from wattrain_worker.data.scratch import Scratch
from wattrain_worker.data.sources import Room, fetched
from wattrain_worker.errors import StorageUnavailable, WorkerError

pytest.importorskip("obstore", reason="obstore is not installed: pip install 'wattrain[stores]'")
BIG = b"age,kind\n" + b"1,a\n2,b\n" * 200_000
FRAME = pl.DataFrame({"age": range(40), "kind": ["a", "b"] * 20})
DEADLINE_SECONDS = 60


def asked(port: int, service: str, method: str, path: str, body: bytes = b"") -> bytes:
    signed = f"AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/{service}/aws4_request"
    headers = {"Authorization": signed, "Content-Type": "text/plain"}
    if service == "iam":
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=body, method=method, headers=headers)
    with urllib.request.urlopen(request, timeout=DEADLINE_SECONDS) as answer:
        return bytes(answer.read())


def iam(port: int, **parameters: str) -> dict[str, str]:
    answer = asked(port, "iam", "POST", "/", urllib.parse.urlencode({"Version": "2010-05-08", **parameters}).encode())
    return {each.tag.rpartition("}")[2]: each.text or "" for each in ElementTree.fromstring(answer).iter()}


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[int, dict[str, str]]]:
    """Its port, and keys that may read its bucket `tables`."""
    try:
        program = find_python_program(MOTO_SERVER)
    except UnavailableError as error:
        pytest.skip(f"NOT TESTED: {error}")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([program, "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + DEADLINE_SECONDS
        while process.poll() is None and time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
        asked(port, "s3", "PUT", "/tables")
        asked(port, "s3", "PUT", "/tables/big.csv", BIG)
        asked(port, "s3", "PUT", "/tables/%5B1%5D%20x.csv", b"age,kind\n1,a\n")
        for number, rows in enumerate((FRAME[:25], FRAME[25:])):
            asked(port, "s3", "PUT", f"/tables/many/{number}.parquet", written(rows))
        iam(port, Action="CreateUser", UserName="reader")
        keys = iam(port, Action="CreateAccessKey", UserName="reader")
        allow = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}'
        iam(port, Action="PutUserPolicy", UserName="reader", PolicyName="all", PolicyDocument=allow)
        iam(port, Action="CreateUser", UserName="stranger")
        others = iam(port, Action="CreateAccessKey", UserName="stranger")
        asked(port, "s3", "POST", "/moto-api/reset-auth", b"0")  # from now on, signatures and permissions are checked
        yield port, {
            "AWS_ACCESS_KEY_ID": keys["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
            "STRANGER_ID": others["AccessKeyId"], "STRANGER_SECRET": others["SecretAccessKey"],
        }  # fmt: skip
    finally:
        process.kill()
        process.wait()


def written(frame: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file)
    return file.getvalue()


@pytest.fixture(autouse=True)
def variables(server: tuple[int, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment as a Secret in spec.workers.env gives it."""
    port, keys = server
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, keys[name])
    monkeypatch.setattr(remote_files, "RETRY", {"max_retries": 1})
    forget()
    return keys


def forget() -> None:
    """fsspec keeps file systems, with the credentials and endpoints that they were made with."""
    remote_files.store_class("s3").clear_instance_cache()


def refusal(uri: str) -> WorkerError:
    """The same whether the file is held or received in parts."""
    told = []
    for room in (None, Room(1000, Path(tempfile.gettempdir()))):
        forget()
        with pytest.raises(WorkerError) as caught:
            fetched(Source(uri=uri), room=room)
        told.append((str(caught.value), caught.value.exit_code))
    assert told[0] == told[1]
    return caught.value


def test_a_file_and_a_folder_are_read_with_credentials_of_the_environment() -> None:
    assert fetched(Source(uri="s3://tables/big.csv")).content == BIG
    assert fetched(Source(uri="s3://tables/[1] x.csv")).content == b"age,kind\n1,a\n"
    assert read(fetched(Source(uri="s3://tables/many/")), ()).frame.equals(FRAME)


def test_a_large_file_is_asked_for_in_ranges_and_lies_in_a_file_without_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_files, "_RANGE_BYTES", 700_000)
    found = fetched(Source(uri="s3://tables/big.csv"), room=Room(100_000, tmp_path))
    assert isinstance(found.content, LargeFile)
    assert found.content.bytes[:] == BIG
    assert found.sha256 == fetched(Source(uri="s3://tables/big.csv")).sha256
    folder = fetched(Source(uri="s3://tables/many/"), room=Room(100, tmp_path))
    assert all(isinstance(part.content, LargeFile) for part in folder.parts)
    assert read(folder, (), Scratch(tmp_path)).column("age", "").to_list() == FRAME["age"].to_list()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_written_anew_between_two_ranges_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_files, "_RANGE_BYTES", 700_000)
    facts = iter([(len(BIG), "one", ""), (len(BIG), "other", "")])
    monkeypatch.setattr(remote_files, "_facts", lambda *_: next(facts))
    with pytest.raises(StorageUnavailable, match="was written to while it was read; start again"):
        fetched(Source(uri="s3://tables/big.csv"), room=Room(100_000, tmp_path))


def test_wrong_credentials_are_told_and_never_shown(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    remedy = "correct AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, on a cluster from a Secret"
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-secret")
    for uri in ("s3://tables/big.csv", "s3://tables/many/"):
        error = refusal(uri)
        said = f"'{uri}' (at {os.environ['AWS_ENDPOINT_URL']}) cannot be read: the server does not take the credentials"
        assert f"{said} (SignatureDoesNotMatch); {remedy}" in str(error)
        assert "wrong-secret" not in str(error)
        assert variables["AWS_ACCESS_KEY_ID"] not in str(error)
        assert error.exit_code == EXIT_INPUT_MISSING
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAUNKNOWN")
    assert "(InvalidAccessKeyId)" in str(refusal("s3://tables/big.csv"))


def test_a_key_that_may_not_read_is_told(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", variables["STRANGER_ID"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", variables["STRANGER_SECRET"])
    error = refusal("s3://tables/big.csv")
    assert "it may not be read with these credentials, or with none (AccessDenied); allow it, or give oth" in str(error)
    assert error.exit_code == EXIT_INPUT_MISSING


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("s3://nowhere/a.csv", "the server has no such bucket (NoSuchBucket); correct the address, or the endpoint"),
        ("s3://nowhere/many/", "the server has no such bucket (NoSuchBucket)"),
        ("s3://tables/none.csv", "there is no such file (NoSuchKey); correct the address"),
        ("s3://tables/none/", "has no files; correct the address of the folder"),
    ],
)
def test_what_is_not_there_is_told(uri: str, expected: str) -> None:
    error = refusal(uri)
    assert expected in str(error)
    assert uri in str(error)
    assert error.exit_code == EXIT_INPUT_MISSING


class Door:
    """Passes connections on, each of the first `cuts` ones for a part of the answer alone; then `closes`, or not."""

    def __init__(self, port: int, cuts: int, *, closes: bool) -> None:
        self.to, self.cuts, self.closes = port, cuts, closes
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self) -> None:
        for number in range(self.cuts + 100):
            if number == self.cuts and self.closes:
                self.listener.close()
                return
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(client, number < self.cuts), daemon=True).start()

    def _pass_on(self, client: socket.socket, is_cut: bool) -> None:
        with client, socket.create_connection(("127.0.0.1", self.to)) as server, contextlib.suppress(OSError):
            server.sendall(client.recv(65_536))
            passed = 0
            while (part := server.recv(16_384)) and not (is_cut and passed > 100_000):
                client.sendall(part)
                passed += len(part)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


@pytest.mark.parametrize("closes", [False, True])
def test_a_server_that_dies_in_the_middle_gives_no_part_for_the_whole(
    server: tuple[int, dict[str, str]], monkeypatch: pytest.MonkeyPatch, closes: bool
) -> None:
    door = Door(server[0], 1, closes=closes)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{door.port}")
    try:
        if closes:
            error = refusal("s3://tables/big.csv")
            assert f"(at http://127.0.0.1:{door.port}) cannot be read: " in str(error)
            assert "the connection broke off before" in str(error) or "no server answers there" in str(error)
            assert error.exit_code == EXIT_STORAGE_UNAVAILABLE
        else:
            forget()
            assert fetched(Source(uri="s3://tables/big.csv")).content == BIG
    finally:
        door.close()


def test_a_server_that_is_not_there_is_told_with_its_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://anne:secret@127.0.0.1:1")
    error = refusal("s3://tables/big.csv")
    assert "'s3://tables/big.csv' (at http://127.0.0.1:1) cannot be read: no server answers there" in str(error)
    assert error.exit_code == EXIT_STORAGE_UNAVAILABLE
