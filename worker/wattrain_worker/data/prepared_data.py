"""Prepared shards: the files of WATTRAIN_DATA_DIR, written whole and read back with their checksums verified."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from wattrain_api.atomic_file import write_atomically
from wattrain_api.names import FILE_PREPARE
from wattrain_api.recipe_parameters import TaskKind
from wattrain_worker.errors import BadData, InputMissing

PREPARE_VERSION: Final = 2
"""Version of the layout of prepare.json; shards of another version are prepared anew."""
SPLITS: Final = ("train", "validation", "test")
Label = int | str | bool


@dataclass(frozen=True)
class Shard:
    """One split's samples."""

    features: npt.NDArray[np.float32]
    """[rows, columns], normalized."""
    labels: npt.NDArray[np.int64] | npt.NDArray[np.float32]
    """[rows], indices into the classes; in a regression numbers, normalized."""


class LabelScaling(NamedTuple):
    """What makes a number in the label's own unit of a normalized one: number * scale + mean."""

    mean: float
    scale: float


@dataclass(frozen=True)
class Prepared:
    """Everything a training needs to know about its data."""

    train: Shard
    validation: Shard
    """Without rows where its share is 0."""
    test: Shard
    """Without rows where its share is 0."""
    columns: tuple[str, ...]
    """Names of the feature columns."""
    classes: tuple[Label, ...]
    """What each label index stands for; none in a regression."""
    document: dict[str, Any]
    """prepare.json as it was read."""

    @property
    def task(self) -> TaskKind:
        """What the data was prepared for."""
        return task_of(self.document)

    @property
    def label_scaling(self) -> LabelScaling:
        """Of a regression's labels; that of classes changes nothing."""
        return label_scaling_of(self.document)


def task_of(document: Mapping[str, Any]) -> TaskKind:
    """What `document`, a prepare.json, is of; older ones know classes alone."""
    return "regression" if document.get("task") == "regression" else "classification"


def label_scaling_of(document: Mapping[str, Any]) -> LabelScaling:
    """How the labels of `document`, a prepare.json, are scaled."""
    scaler = document.get("labelScaler") or {"mean": 0.0, "scale": 1.0}
    return LabelScaling(float(scaler["mean"]), float(scaler["scale"]))


def load_prepared(data_dir: str | Path) -> Prepared:
    """The shards in `data_dir`, all verified against the SHA-256 sums in its prepare.json.

    InputMissing where a file is absent, BadData where one is damaged; both say to prepare the data anew.
    """
    directory = Path(data_dir)
    document = read_document(directory)
    try:
        train, validation, test = (_load_shard(directory, split, document) for split in SPLITS)
        columns, classes = tuple(document["columns"]), tuple(document["classes"])
    except (KeyError, TypeError, safetensors.SafetensorError) as error:
        raise BadData(f"{directory / FILE_PREPARE}: not what a preparation writes ({error!r}); {_REMEDY}") from error
    return Prepared(train, validation, test, columns, classes, document)


def read_document(directory: Path) -> dict[str, Any]:
    """The prepare.json in `directory`. InputMissing where there is none, BadData where it is not ours."""
    path = directory / FILE_PREPARE
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise InputMissing(f"{path}: not found, so the data is not prepared; {_REMEDY}") from error
    except OSError as error:
        raise InputMissing(f"{path}: {error.strerror}; {_REMEDY}") from error
    except ValueError as error:
        raise BadData(f"{path}: not JSON ({error}); {_REMEDY}") from error
    version = document.get("version") if isinstance(document, dict) else None
    if version != PREPARE_VERSION:
        raise BadData(f"{path}: version {version!r}, this worker reads version {PREPARE_VERSION}; {_REMEDY}")
    return dict(document)


def verify_files(directory: Path, document: Mapping[str, Any]) -> bool:
    """Whether every shard that `document` lists is in `directory` with the size and SHA-256 it lists."""
    try:
        for split in SPLITS:
            _read_verified(directory, shard_name(split), document)
    except (KeyError, TypeError, InputMissing, BadData):
        return False
    return True


def write_shard(directory: Path, split: str, shard: Shard) -> dict[str, Any]:
    """Write `shard` atomically and return its entry in prepare.json: sha256, bytes and rows."""
    payload = safetensors.numpy.save({"features": shard.features, "labels": shard.labels})
    write_atomically(directory / shard_name(split), payload)
    return {"sha256": hashlib.sha256(payload).hexdigest(), "bytes": len(payload), "rows": len(shard.labels)}


def write_document(directory: Path, document: Mapping[str, Any]) -> None:
    """Write prepare.json, the last of the files: where it is, the shards are whole."""
    text = json.dumps(document, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)
    write_atomically(directory / FILE_PREPARE, text.encode() + b"\n")


def shard_name(split: str) -> str:
    """Name of the file with the samples of `split`."""
    return f"{split}.safetensors"


_REMEDY = "prepare it anew with python -m wattrain_worker.data"


def _read_verified(directory: Path, name: str, document: Mapping[str, Any]) -> bytes:
    path, entry = directory / name, document["files"][name]
    try:
        payload = path.read_bytes()
    except OSError as error:
        raise InputMissing(f"{path}: {error.strerror}, though prepare.json lists it; {_REMEDY}") from error
    if len(payload) != entry["bytes"]:
        raise BadData(f"{path}: {len(payload)} bytes, prepare.json says {entry['bytes']}; {_REMEDY}")
    if (found := hashlib.sha256(payload).hexdigest()) != entry["sha256"]:
        raise BadData(f"{path}: damaged, its SHA-256 is {found}, prepare.json says {entry['sha256']}; {_REMEDY}")
    return payload


def _load_shard(directory: Path, split: str, document: Mapping[str, Any]) -> Shard:
    tensors = safetensors.numpy.load(_read_verified(directory, shard_name(split), document))
    return Shard(tensors["features"], tensors["labels"])
