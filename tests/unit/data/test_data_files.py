"""Files of samples, and sources of many files."""

from __future__ import annotations

import io
import os
import resource
import tarfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from wattrain_api.data import Source
from wattrain_worker.data.shard_file import DamagedFile, TensorWriter, verified_tensors, write_tensors
from wattrain_worker.data.source_files import opened
from wattrain_worker.errors import BadData, BadSpec, InputMissing

VALUES = {
    "images": np.arange(2 * 3 * 5, dtype=np.uint8).reshape(2, 3, 5),
    "labels": np.array([7, -8], np.int64),
    "weights": np.array([[0.5], [1.5]], np.float32),
}


def test_tensors_that_are_filled_in_part_by_part_are_the_file_that_safetensors_reads(tmp_path: Path) -> None:
    path = tmp_path / "train.safetensors"
    with TensorWriter(path, {name: (each.shape, each.dtype.type) for name, each in VALUES.items()}) as writer:
        for row in range(2):
            for name, each in VALUES.items():
                writer.tensors[name][row] = each[row]
        assert not path.exists()
    assert writer.entry["rows"] == 2
    for found in (load_file(path), verified_tensors(path, writer.entry)):
        assert {name: each.tolist() for name, each in found.items()} == {k: v.tolist() for k, v in VALUES.items()}
        assert {name: each.dtype for name, each in found.items()} == {k: v.dtype for k, v in VALUES.items()}


def test_a_file_that_was_not_filled_in_to_its_end_is_not_left_behind(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), TensorWriter(tmp_path / "a", {"x": ((3,), np.uint8)}):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(
    not hasattr(os, "posix_fallocate"), reason="this system cannot give a file room before it is written"
)
def test_a_file_that_is_filled_in_has_its_room_from_the_beginning(tmp_path: Path) -> None:
    with TensorWriter(tmp_path / "a", {"x": ((1 << 20,), np.uint8)}):
        (unfinished,) = tmp_path.iterdir()
        assert unfinished.stat().st_blocks * 512 >= 1 << 20


def test_a_file_that_the_disk_has_no_room_for_is_refused_and_not_left_behind(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, before[1]))
    try:
        with pytest.raises(OSError, match=r"too large|No space"):
            TensorWriter(tmp_path / "a", {"x": ((1 << 20,), np.uint8)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_tensors_without_rows_are_read_back(tmp_path: Path) -> None:
    entry = write_tensors(tmp_path / "test.safetensors", {"features": np.empty((0, 3), np.float32)})
    assert verified_tensors(tmp_path / "test.safetensors", entry)["features"].shape == (0, 3)
    with TensorWriter(tmp_path / "filled", {"x": ((0, 2), np.uint8)}) as writer:
        pass
    assert verified_tensors(tmp_path / "filled", writer.entry)["x"].shape == (0, 2)


def test_one_changed_byte_of_a_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "train.safetensors"
    entry = write_tensors(path, VALUES)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedFile, match="SHA-256"):
        verified_tensors(path, entry)
    path.write_bytes(content[:-1])
    with pytest.raises(DamagedFile, match="bytes"):
        verified_tensors(path, entry)


def folder(root: Path) -> Path:
    for name, text in (("b/2", "two"), ("a/1", "one"), (".hidden", "no"), (".git/x", "no")):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def test_the_files_of_a_folder_come_in_the_order_of_their_names_without_hidden_ones(tmp_path: Path) -> None:
    found = opened(Source(uri=str(folder(tmp_path / "set"))))
    assert [(file.name, file.read()) for file in found.files] == [("a/1", b"one"), ("b/2", b"two")]
    before = found.identity()["sha256"]
    (tmp_path / "set/b/2").rename(tmp_path / "set/b/3")
    assert opened(Source(uri=str(tmp_path / "set"))).identity()["sha256"] != before


def test_a_tar_has_the_files_of_its_folder_and_one_that_ends_early_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "set.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(folder(tmp_path / "set") / "a", "a")
    found = opened(Source(uri=str(path)))
    assert [(file.name, file.read()) for file in found.files] == [("a/1", b"one")]
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BadData, match=r"set\.tar\.gz' is no whole tar"):
        opened(Source(uri=str(path)))


def test_a_plain_tar_that_ends_within_a_file_is_refused(tmp_path: Path) -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for name in ("one", "two"):
            member = tarfile.TarInfo(name)
            member.size = 3000
            tar.addfile(member, io.BytesIO(bytes(3000)))
    (tmp_path / "set.tar").write_bytes(content.getvalue()[:5000])
    with pytest.raises(BadData, match="no whole tar"):
        opened(Source(uri=str(tmp_path / "set.tar")))
    (tmp_path / "set.tar").write_bytes(content.getvalue()[:3584])  # just before the second member
    with pytest.raises(BadData, match="its end is missing"):
        opened(Source(uri=str(tmp_path / "set.tar")))


def test_a_source_that_is_not_there_empty_or_a_table_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputMissing, match="cannot be read: No such file"):
        opened(Source(uri=str(tmp_path / "nothing")))
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadData, match="has no files"):
        opened(Source(uri=str(tmp_path / "empty")))
    with pytest.raises(BadSpec, match="digits is a table"):
        opened(Source(builtin="digits"))
