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

from wattrain_api.atomic_file import write_atomically
from wattrain_api.names import FILE_PREPARE
from wattrain_api.recipe_parameters import SampleKind, TaskKind
from wattrain_worker.data.shard_file import DamagedFile, Tensors, verified_tensors, write_tensors
from wattrain_worker.errors import BadData, InputMissing

PREPARE_VERSION: Final = 2
"""Version of the layout of prepare.json; shards of another version are prepared anew."""
MODEL_VERSION: Final = 2
"""Version of the layout of model.json and of the prepare.json beside it."""
FILE_INITIAL: Final = "initial.safetensors"
"""Weights that a training begins with: a file beside the shards that does not go with the model."""
SPLITS: Final = ("train", "validation", "test")
Label = int | str | bool


@dataclass(frozen=True)
class Shard:
    """One split's samples."""

    tensors: Tensors
    """By name, [rows, ...] each: what the kind of samples consists of."""

    @classmethod
    def of_table(
        cls, features: npt.NDArray[np.float32], labels: npt.NDArray[np.int64] | npt.NDArray[np.float32]
    ) -> Shard:
        """Rows of a table."""
        return cls({"features": features, "labels": labels})

    def __len__(self) -> int:
        return len(next(iter(self.tensors.values())))

    @property
    def features(self) -> npt.NDArray[np.float32]:
        """Of a table: [rows, columns], normalized."""
        return self.tensors["features"]

    @property
    def labels(self) -> npt.NDArray[np.int64] | npt.NDArray[np.float32]:
        """[rows], indices into the classes; in a regression numbers, normalized."""
        return self.tensors["labels"]


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
    document: dict[str, Any]
    """prepare.json as it was read."""

    @property
    def samples(self) -> SampleKind:
        """What a sample is."""
        return samples_of(self.document)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the feature columns of a table."""
        return tuple(self.document.get("columns", ()))

    @property
    def classes(self) -> tuple[Label, ...]:
        """What each label index stands for; none where no class is predicted."""
        return tuple(self.document.get("classes", ()))

    @property
    def task(self) -> TaskKind:
        """What the data was prepared for."""
        return task_of(self.document)

    @property
    def label_scaling(self) -> LabelScaling:
        """Of a regression's labels; that of classes changes nothing."""
        return label_scaling_of(self.document)


def samples_of(document: Mapping[str, Any]) -> SampleKind:
    """What the samples of `document`, a prepare.json, are; older ones know tables alone."""
    found: SampleKind = document.get("samples", "table")
    return found


def task_of(document: Mapping[str, Any]) -> TaskKind:
    """What `document`, a prepare.json, is for; older ones know classes alone."""
    found: TaskKind = document.get("task", "classification")
    return found


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
    except (KeyError, TypeError) as error:
        raise BadData(f"{directory / FILE_PREPARE}: not what a preparation writes ({error!r}); {_REMEDY}") from error
    return Prepared(train, validation, test, document)


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
        for name in document["files"]:
            _verify(directory, name, document)
    except (KeyError, TypeError, InputMissing, BadData):
        return False
    return True


def write_shard(directory: Path, split: str, shard: Shard) -> dict[str, Any]:
    """Write `shard` atomically and return its entry in prepare.json: sha256, bytes and rows."""
    return write_tensors(directory / shard_name(split), shard.tensors)


def write_companion(directory: Path, name: str, content: bytes) -> dict[str, Any]:
    """Write a file that is used beside the shards and goes with the model, such as a tokenizer; its entry there."""
    write_atomically(directory / name, content)
    return {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}


def companions_of(document: Mapping[str, Any]) -> list[str]:
    """Names of the files of `document`, a prepare.json, that go with the model."""
    return [name for name in document["files"] if name != FILE_INITIAL and not _is_shard(name)]


def read_companion(directory: Path, name: str, document: Mapping[str, Any]) -> bytes:
    """The content of a file that `write_companion` wrote. InputMissing, BadData."""
    path, entry = directory / name, document["files"][name]
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputMissing(f"{path}: {error.strerror}, though prepare.json lists it; {_REMEDY}") from error
    if hashlib.sha256(content).hexdigest() != entry["sha256"]:
        raise BadData(f"{path}: damaged, its SHA-256 is not what prepare.json says; {_REMEDY}")
    return content


def write_document(directory: Path, document: Mapping[str, Any]) -> None:
    """Write prepare.json, the last of the files: where it is, the shards are whole."""
    text = json.dumps(document, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)
    write_atomically(directory / FILE_PREPARE, text.encode() + b"\n")


def shard_name(split: str) -> str:
    """Name of the file with the samples of `split`."""
    return f"{split}.safetensors"


def _is_shard(name: str) -> bool:
    return name in map(shard_name, SPLITS)


_REMEDY = "prepare it anew with python -m wattrain_worker.data"


def _verify(directory: Path, name: str, document: Mapping[str, Any]) -> None:
    if _is_shard(name):
        _tensors(directory, name, document)
    else:
        read_companion(directory, name, document)


def _load_shard(directory: Path, split: str, document: Mapping[str, Any]) -> Shard:
    return Shard(_tensors(directory, shard_name(split), document))


def _tensors(directory: Path, name: str, document: Mapping[str, Any]) -> Tensors:
    path, entry = directory / name, document["files"][name]
    try:
        return verified_tensors(path, entry)
    except DamagedFile as error:
        raise BadData(f"{path}: {error}; {_REMEDY}") from error
    except OSError as error:
        raise InputMissing(f"{path}: {error.strerror}, though prepare.json lists it; {_REMEDY}") from error
