"""Files of prepared samples: safetensors, written whole, read by memory map, so that ranks of a machine share them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import safetensors.numpy

from wattrain_api.atomic_file import write_atomically
from wattrain_worker.data.file_room import reserve

Tensors = Mapping[str, npt.NDArray[Any]]
Shape = tuple[tuple[int, ...], type[np.generic]]
"""Of a tensor: [rows, ...], and the type of its numbers."""
_DTYPES: Final[dict[str, type[np.generic]]] = {
    "F64": np.float64,
    "F32": np.float32,
    "I64": np.int64,
    "I32": np.int32,
    "I16": np.int16,
    "U8": np.uint8,
    "U16": np.uint16,
    "U32": np.uint32,
}
_LENGTH_BYTES: Final = 8
"""At the start of the file, little-endian: how long the header is."""


class DamagedFile(ValueError):  # noqa: N818
    """A file is not what was written; the text says how."""


def write_tensors(path: Path, tensors: Tensors) -> dict[str, Any]:
    """Write `tensors`, [rows, ...] each, atomically; their entry in prepare.json: sha256, bytes and rows."""
    payload = safetensors.numpy.save(dict(tensors))
    write_atomically(path, payload)
    rows = len(next(iter(tensors.values())))
    return {"sha256": hashlib.sha256(payload).hexdigest(), "bytes": len(payload), "rows": rows}


class TensorWriter:
    """A file of tensors that are filled in part by part, for those that memory does not hold.

    >>> with TensorWriter(path, {"images": ((1000, 3, 64, 64), np.uint8)}) as writer:
    ...     writer.tensors["images"][0] = picture
    >>> entry = writer.entry
    """

    def __init__(self, path: Path, shapes: Mapping[str, Shape]) -> None:
        """`shapes` are those of the tensors. Nothing is at `path` before it is whole. OSError
        where the disk has no room for it."""
        self._path, self._unfinished = path, path.with_name(path.name + ".unfinished")
        header, offset = dict[str, Any](), 0
        codes = {np.dtype(kind): code for code, kind in _DTYPES.items()}
        # Wide types first, as safetensors has them: each tensor then starts at a multiple of its own width.
        for name, (shape, kind) in sorted(shapes.items(), key=lambda item: (-np.dtype(item[1][1]).itemsize, item[0])):
            size = int(np.prod(shape)) * np.dtype(kind).itemsize
            entry = {"dtype": codes[np.dtype(kind)], "shape": list(shape), "data_offsets": [offset, offset + size]}
            header[name], offset = entry, offset + size
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % _LENGTH_BYTES)
        with self._unfinished.open("wb") as file:
            file.write(len(text).to_bytes(_LENGTH_BYTES, "little") + text)
            file.flush()
            try:
                reserve(file.fileno(), _LENGTH_BYTES + len(text) + offset)
            except OSError:
                self._unfinished.unlink()
                raise
        self.tensors: Tensors = _tensors(np.memmap(self._unfinished, np.uint8, "r+"))
        """To write into; zeros at first."""
        self.entry: dict[str, Any] = {}
        """The file's entry in prepare.json, once it is whole: sha256, bytes and rows."""

    def __enter__(self) -> TensorWriter:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        rows = len(next(iter(self.tensors.values())))
        self.tensors = {}
        if kind is not None:
            self._unfinished.unlink(missing_ok=True)
            return
        with self._unfinished.open("rb") as file:
            os.fsync(file.fileno())
            digest, size = hashlib.file_digest(file, "sha256").hexdigest(), os.fstat(file.fileno()).st_size
        self._unfinished.replace(self._path)
        self.entry = {"sha256": digest, "bytes": size, "rows": rows}


def verified_tensors(path: Path, entry: Mapping[str, Any]) -> Tensors:
    """The tensors in `path`, read-only and by memory map, after the file was compared with its entry in prepare.json.

    OSError where it cannot be read, DamagedFile where it is another one.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size != entry["bytes"]:
            raise DamagedFile(f"{size} bytes, prepare.json says {entry['bytes']}")
        found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != entry["sha256"]:
            raise DamagedFile(f"damaged, its SHA-256 is {found}, prepare.json says {entry['sha256']}")
        return _tensors(np.memmap(file, np.uint8, "r"))  # of the file that was compared, whatever is at `path` now


def _tensors(content: npt.NDArray[np.uint8]) -> Tensors:
    """The tensors of a whole file of safetensors: views of `content`."""
    start = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES].tobytes(), "little")
    header = json.loads(content[_LENGTH_BYTES:start].tobytes())
    header.pop("__metadata__", None)
    return {name: _tensor(content[start:], entry) for name, entry in header.items()}


def _tensor(data: npt.NDArray[np.uint8], entry: Mapping[str, Any]) -> npt.NDArray[Any]:
    first, end = entry["data_offsets"]
    return data[first:end].view(_DTYPES[entry["dtype"]]).reshape(entry["shape"])
