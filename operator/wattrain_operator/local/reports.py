"""What supervisors say, in JSON, as what the core understands. Tolerant: a figure that is missing stays unknown."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wattrain_api import reasons
from wattrain_api.status import Meter, Metrics
from wattrain_operator.core.observed import Failure, InPlaceRestart, LastWord, Report, Role

Json = dict[str, Any]


def to_report(progress: Json, role: Role, attempt: int, unchanged_seconds: float) -> Report:
    """What `/v1/progress` answered, in the core's words."""
    group: Json = progress.get("group") or {"energy": progress.get("power", [])}
    checkpoint: Json = progress.get("checkpoint") or {}
    own_samples = progress.get("samples") or 0  # worker 0's share; all have the same to within one sample a step
    return Report(
        role=role,
        attempt=attempt,
        unchanged_seconds=unchanged_seconds,
        generation=progress.get("generation", 0),
        phase=progress.get("phase", ""),
        step=progress.get("step") or 0,
        total_steps=progress.get("totalSteps") or 0,
        epoch=progress.get("epoch") or 0,
        loss=progress.get("loss"),
        learning_rate=progress.get("learningRate"),
        step_seconds=progress.get("stepSeconds") or 0.0,
        samples=group.get("samples") or own_samples * max(1, len(group.get("workers", ()))),
        samples_per_second=group.get("samplesPerSecond"),
        validation=_metrics(progress.get("validation")),
        watts=group.get("watts", sum(p.get("watts", 0.0) for p in progress.get("power", ()))),
        energy=to_meters(group.get("energy", ())),
        checkpoint_step=checkpoint.get("step"),
        checkpoint_joules=checkpoint.get("groupJoules") or 0.0,
        restarts=tuple(_in_place(r) for r in group.get("restarts", ())),
    )


def read_last_word(file: Path, exit_code: int, rank: int) -> tuple[LastWord, Json]:
    """What the supervisor of worker `rank` left when it ended with `exit_code` (-n: by signal n), and the JSON itself.
    Where it left nothing, or nothing readable, the exit code alone tells."""
    try:
        word = json.loads(file.read_bytes())
    except (OSError, ValueError):
        word = None
    if not isinstance(word, dict):
        failure = Failure(reasons.meaning_of_exit(exit_code).reason, exit_code, rank) if exit_code else None
        return LastWord(exit_code, failure), {}
    cause = word.get("cause")
    return LastWord(
        exit_code=exit_code,
        failure=_failure(cause) if exit_code and cause else None,
        step=word.get("step") or 0,
        energy=to_meters(word.get("energy", ())),
        test=_metrics(word.get("test")),
        model_uri=(word.get("model") or {}).get("path", ""),
    ), word


def with_last_word(progress: Json, word: Json) -> Json:
    """The last answer brought up to the end: between two looks the last steps and a checkpoint may have been made."""
    merged = dict(progress)
    if (word.get("step") or 0) >= (progress.get("step") or 0):
        keys = ("step", "loss", "phase", "test", "model", "generation")
        merged |= {key: word[key] for key in keys if word.get(key) is not None}
    if merged.get("step") and merged["step"] == merged.get("totalSteps") and merged.get("epochs"):
        merged["epoch"] = merged["epochs"]
    saved = word.get("checkpointStep") or 0
    if saved > ((progress.get("checkpoint") or {}).get("step") or 0):
        spent = sum(p["joules"] for p in (progress.get("group") or {}).get("energy", ()))
        merged["checkpoint"] = {"step": saved, "groupJoules": spent}  # at least that much, as it was saved after that
    return merged


def to_meters(power: Iterable[Json]) -> tuple[Meter, ...]:
    """Joules by component and source; the devices of one component are added up."""
    sums: dict[tuple[str, str], Meter] = {}
    for p in power:
        key = (p["component"], p["source"])
        old = sums.get(key, Meter(component=key[0], source=key[1]))
        sums[key] = Meter(
            component=key[0], source=key[1], joules=old.joules + p["joules"],
            low_joules=old.low_joules + p["lowJoules"], high_joules=old.high_joules + p["highJoules"],
        )  # fmt: skip
    return tuple(sums[key] for key in sorted(sums))


def _metrics(found: Json | None) -> Metrics | None:
    return None if not found else Metrics.model_validate(found, extra="ignore")


def _failure(cause: Json) -> Failure:
    return Failure(
        reason=cause.get("reason") or reasons.PROGRAM_FAILED,
        exit_code=cause.get("exitCode"),
        rank=cause.get("rank"),
        node=cause.get("node") or "",
        last_line=cause.get("lastLine") or "",
        step=cause.get("step") or 0,
    )


def _in_place(restart: Json) -> InPlaceRestart:
    return InPlaceRestart(
        time=datetime.fromtimestamp(restart["time"], UTC),
        generation=restart.get("generation") or 0,
        failure=_failure(restart),
        resumed_from_step=restart.get("resumedFromStep") or 0,
        joules_lost=restart.get("joulesLost") or 0.0,
        recovery_seconds=restart.get("recoverySeconds"),
    )
