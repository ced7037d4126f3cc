"""The file that makes a directory a checkpoint: written last, it says what the others must be."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from wattrain_api.atomic_file import write_atomically
from wattrain_api.names import FILE_MANIFEST
from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_worker.train.elastic_sampler import Position
from wattrain_worker.train.evaluation import Best, Patience
from wattrain_worker.train.loss_scaling import LossScale
from wattrain_worker.train.non_finite import NonFiniteSteps
from wattrain_worker.train.tuning import Tuning, tuning_from

_VERSION: Final = 1
_DIRECTORY: Final = re.compile(r"step-(\d+)\.attempt-(\d+)\.generation-(\d+)")
_OF_NO_EFFECT: Final = ("recordEverySteps", "onnx")
"""Fields of `training` that change what is told or written, not what is computed."""


@dataclass(frozen=True)
class Progress:
    """Where a training stands between two steps; with the tensors, all that is needed to go on."""

    step: int = 0
    position: Position = field(default_factory=Position)
    patience: Patience = field(default_factory=Patience)
    evaluated_step: int = 0
    """Step after which the validation split was evaluated last."""
    best: Best | None = None
    """The evaluation whose model is to be exported, as far as it is known; None: that of the last step is."""
    non_finite: NonFiniteSteps = field(default_factory=NonFiniteSteps)
    loss_scale: LossScale = field(default_factory=LossScale)
    """Of `precision: fp16`; the same on all ranks."""
    tuning: Tuning = field(default_factory=Tuning)


@dataclass(frozen=True)
class Fence:
    """Which start of the group writes; another start never writes into the same directory."""

    attempt: int
    generation: int
    world_size: int
    spec_hash: str


@dataclass(frozen=True, order=True)
class CheckpointName:
    """Names a checkpoint's directory. A later generation went on from the newest checkpoint that was good, so order is
    by attempt and generation first: its checkpoints replace the earlier ones, also those of a higher step."""

    attempt: int
    generation: int
    step: int

    def __str__(self) -> str:
        return f"step-{self.step:08d}.attempt-{self.attempt}.generation-{self.generation}"

    @classmethod
    def parse(cls, text: str) -> CheckpointName | None:
        """The name that `text` is, or None."""
        match = _DIRECTORY.fullmatch(text)
        return cls(int(match[2]), int(match[3]), int(match[1])) if match else None


def checkpoint_names(root: Path) -> list[CheckpointName]:
    """All directories of `root` that are, or were to become, checkpoints: the newest first."""
    if not root.is_dir():
        return []
    names = (CheckpointName.parse(path.name) for path in root.iterdir() if path.is_dir())
    return sorted((name for name in names if name is not None), reverse=True)


def spec_sha256(spec: TrainingJobSpec) -> str:
    """A hash of what defines the training: recipe, data and training. Same hash, same losses. Of fields that have their
    default it holds nothing: a newer worker, which has more fields, goes on from the checkpoints of an older one."""
    whole = spec.without_defaults()
    defining: dict[str, Any] = {key: whole.get(key) for key in ("recipe", "data", "training")}
    defining["training"] = {k: v for k, v in (defining["training"] or {}).items() if k not in _OF_NO_EFFECT}
    return hashlib.sha256(json.dumps(defining, sort_keys=True).encode()).hexdigest()


def write_manifest(directory: Path, name: CheckpointName, progress: Progress, world_size: int, spec_hash: str) -> int:
    """Commit `directory`: list its files with their sizes and sums, on disk when this returns. Returns all bytes."""
    files = {path.name: _file_entry(path) for path in sorted(directory.iterdir()) if path.name != FILE_MANIFEST}
    document = {
        "version": _VERSION,
        "step": name.step,
        "attempt": name.attempt,
        "generation": name.generation,
        "worldSize": world_size,
        "specSha256": spec_hash,
        "position": asdict(progress.position),
        "patience": {"best": progress.patience.best, "evaluations": progress.patience.evaluations_since_best},
        "evaluatedStep": progress.evaluated_step,
        "best": None if progress.best is None else asdict(progress.best),
        "nonFiniteSteps": {"total": progress.non_finite.total, "inARow": progress.non_finite.in_a_row},
        "lossScale": asdict(progress.loss_scale),
        "tuning": asdict(progress.tuning),
        "files": files,
    }
    write_atomically(directory / FILE_MANIFEST, json.dumps(document, indent=1, allow_nan=False).encode())
    return sum(entry["bytes"] for entry in files.values())


class DamagedCheckpoint(Exception):  # noqa: N818
    """A committed checkpoint is not what its manifest says; the text says what is wrong."""


def read_manifest(directory: Path) -> tuple[Progress, str]:
    """Progress and spec hash of the checkpoint in `directory`. DamagedCheckpoint where it is not whole; OSError where
    it cannot be read."""
    try:
        document = json.loads((directory / FILE_MANIFEST).read_bytes())
        files = dict(document["files"])
        position = Position(int(document["position"]["epoch"]), int(document["position"]["offset"]))
        patience = Patience(document["patience"]["best"], int(document["patience"]["evaluations"]))
        step = int(document["step"])
        best, left_out = document.get("best"), document.get("nonFiniteSteps", {})
        progress = Progress(
            step=step,
            position=position,
            patience=patience,
            evaluated_step=int(document.get("evaluatedStep", step)),
            best=None if best is None else Best(int(best["step"]), float(best["value"])),
            loss_scale=_loss_scale(document.get("lossScale")),
            tuning=tuning_from(document.get("tuning")),
            non_finite=NonFiniteSteps(int(left_out.get("total", 0)), int(left_out.get("inARow", 0))),
        )
        spec_hash = str(document["specSha256"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedCheckpoint(f"{FILE_MANIFEST} cannot be understood ({error!r})") from error
    for name, expected in files.items():
        try:
            found = _file_entry(directory / name)
        except FileNotFoundError as error:
            raise DamagedCheckpoint(f"{name} is missing") from error
        if found != expected:
            raise DamagedCheckpoint(_difference(name, found, expected))
    return progress, spec_hash


def _loss_scale(found: dict[str, Any] | None) -> LossScale:
    if found is None:  # of a worker that had no fp16 yet
        return LossScale()
    return LossScale(float(found["factor"]), int(found["good_steps"]), int(found["overflows"]))


def _difference(name: str, found: dict[str, Any], expected: dict[str, Any]) -> str:
    if found["bytes"] != expected.get("bytes"):
        return f"{name} has {found['bytes']} bytes instead of {expected.get('bytes')}"
    return f"{name} has other bytes than were written: their SHA-256 begins with {found['sha256'][:12]}"


def _file_entry(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        return {"bytes": path.stat().st_size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
