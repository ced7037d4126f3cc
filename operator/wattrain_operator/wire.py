"""What supervisors say, in JSON, as what the core understands.

It comes from pods in which a user's program runs, so none of it is believed: what is missing or makes no sense stays
unknown, whatever its type, and texts become one harmless line.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any, Final, overload

from wattrain_api import reasons
from wattrain_api.metrics import COMPONENTS, SOURCES
from wattrain_api.status import Meter, Metrics
from wattrain_operator.core.ledger import JOULES_DIGITS
from wattrain_operator.core.observed import Failure, InPlaceRestart, LastWord, Report, Role
from wattrain_operator.sound import Json, Shape, amount, count, integer, number, one_of, sound, text, whole

LINE_CHARACTERS: Final = 1024
FIGURE_DIGITS: Final = 5
"""Digits that are kept of figures for the eye, which `kubectl get` shows as they are."""


def _reason(value: Any) -> str | None:
    return value if isinstance(value, str) and re.fullmatch("[A-Z][A-Za-z]{0,63}", value) else None


def _timestamp(value: Any) -> float | None:
    found = amount(value)
    return found if found is not None and found < 2**33 else None  # the year 2242: datetime goes no further than 9999


_NAMED: Final[Shape] = {"component": one_of(COMPONENTS), "source": one_of(SOURCES)}
_METER: Final = whole({**_NAMED, "joules": amount, "lowJoules": amount, "highJoules": amount})
_METRICS: Final[Shape] = {"step": count, "loss": number, "accuracy": number}
_CAUSE: Final[Shape] = {
    "rank": count, "node": text(253), "reason": _reason, "exitCode": integer, "lastLine": text(LINE_CHARACTERS),
    "step": count,
}  # fmt: skip
_RESTART: Final[Shape] = {
    **_CAUSE, "time": _timestamp, "generation": count, "resumedFromStep": count, "joulesLost": amount,
    "recoverySeconds": amount,
}  # fmt: skip
_CHECKPOINT: Final[Shape] = {"step": count, "groupJoules": amount}
_PROGRESS: Final[Shape] = {
    "generation": count, "phase": text(32), "step": count, "totalSteps": count, "epoch": count, "epochs": count,
    "loss": number, "learningRate": number, "stepSeconds": amount, "samples": count, "validation": _METRICS,
    "checkpoint": _CHECKPOINT, "resumed": {"step": count}, "power": [{**_NAMED, "watts": amount}],
    "group": {
        "samples": count, "samplesPerSecond": amount, "watts": amount, "energy": [_METER], "workers": [{}],
        "restarts": [_RESTART],
    },
}  # fmt: skip
_WORD: Final[Shape] = {
    "cause": _CAUSE, "generation": count, "step": count, "loss": number, "phase": text(32), "checkpointStep": count,
    "energy": [_METER], "test": _METRICS, "model": {"path": text(2048)},
}  # fmt: skip


def to_report(progress: Json, role: Role, attempt: int, unchanged_seconds: float) -> Report:
    """What `/v1/progress` answered, in the core's words."""
    said = sound(progress, _PROGRESS)
    group: Json = said.get("group", {})
    checkpoint: Json = said.get("checkpoint", {})
    own_samples = said.get("samples", 0)  # worker 0's share; all have the same to within one sample a step
    return Report(
        role=role,
        attempt=attempt,
        unchanged_seconds=unchanged_seconds,
        generation=said.get("generation", 0),
        phase=said.get("phase", ""),
        step=said.get("step", 0),
        total_steps=said.get("totalSteps", 0),
        epoch=said.get("epoch", 0),
        loss=_figure(said.get("loss")),
        learning_rate=_figure(said.get("learningRate")),
        step_seconds=said.get("stepSeconds", 0.0),
        samples=group.get("samples") or own_samples * max(1, len(group.get("workers", ()))),
        samples_per_second=_figure(group.get("samplesPerSecond")),
        validation=_metrics(said.get("validation")),
        watts=_figure(group.get("watts", sum(p.get("watts", 0.0) for p in said.get("power", ())))),
        energy=to_meters(group["energy"] if "energy" in group else progress.get("power")),
        checkpoint_step=checkpoint.get("step"),
        checkpoint_joules=checkpoint.get("groupJoules", 0.0),
        resumed_step=said.get("resumed", {}).get("step"),
        restarts=tuple(_in_place(r) for r in group.get("restarts", ()) if "time" in r),
    )


def to_last_word(message: str | bytes, exit_code: int, rank: int) -> tuple[LastWord, Json]:
    """What the supervisor of worker `rank` left when it ended with `exit_code` (-n: by signal n), and the JSON itself.
    Where that is nothing, or nothing readable, the exit code alone tells."""
    try:
        word = json.loads(message)
    except (ValueError, RecursionError):
        word = None
    if not isinstance(word, dict):
        failure = Failure(reasons.meaning_of_exit(exit_code).reason, exit_code, rank) if exit_code else None
        return LastWord(exit_code, failure), {}
    said = sound(word, _WORD)
    cause: Json = said.get("cause", {})
    return LastWord(
        exit_code=exit_code,
        failure=_failure(cause) if exit_code and cause else None,
        step=said.get("step", 0),
        energy=to_meters(said.get("energy")),
        test=_metrics(said.get("test")),
        model_uri=said.get("model", {}).get("path", ""),
    ), said


def with_last_word(progress: Json, word: Json) -> Json:
    """The last answer brought up to the end: between two looks the last steps and a checkpoint may have been made."""
    before, said, merged = sound(progress, _PROGRESS), sound(word, _WORD), dict(progress)
    if said.get("step", 0) >= before.get("step", 0):
        keys = ("step", "loss", "phase", "test", "model", "generation")
        merged |= {key: said[key] for key in keys if key in said}
    if merged.get("step") and merged["step"] == merged.get("totalSteps") and merged.get("epochs"):
        merged["epoch"] = merged["epochs"]
    saved = said.get("checkpointStep", 0)
    if saved > before.get("checkpoint", {}).get("step", 0):
        spent = sum(p["joules"] for p in before.get("group", {}).get("energy", ()))
        merged["checkpoint"] = {"step": saved, "groupJoules": spent}  # at least that much, as it was saved after that
    return merged


def to_meters(power: object) -> tuple[Meter, ...]:
    """Joules by component and source, from a list of readings; the devices of one component are added up."""
    sums: dict[tuple[str, str], Meter] = {}
    for p in sound({"power": power}, {"power": [_METER]}).get("power", ()):
        key = (p["component"], p["source"])
        old = sums.get(key, Meter(component=key[0], source=key[1]))
        sums[key] = Meter(
            component=key[0], source=key[1], joules=round(old.joules + p["joules"], JOULES_DIGITS),
            low_joules=round(old.low_joules + p["lowJoules"], JOULES_DIGITS),
            high_joules=round(old.high_joules + p["highJoules"], JOULES_DIGITS),
        )  # fmt: skip
    return tuple(sums[key] for key in sorted(sums))


def _metrics(found: Json | None) -> Metrics | None:
    if not found:
        return None
    return Metrics(step=found.get("step", 0), loss=_figure(found.get("loss")), accuracy=_figure(found.get("accuracy")))


@overload
def _figure(value: float) -> float: ...
@overload
def _figure(value: None) -> None: ...
def _figure(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{FIGURE_DIGITS}g}")


def _failure(cause: Json) -> Failure:
    return Failure(
        reason=cause.get("reason", reasons.PROGRAM_FAILED),
        exit_code=cause.get("exitCode"),
        rank=cause.get("rank"),
        node=cause.get("node", ""),
        last_line=cause.get("lastLine", ""),
        step=cause.get("step", 0),
    )


def _in_place(restart: Json) -> InPlaceRestart:
    return InPlaceRestart(
        time=datetime.fromtimestamp(restart["time"], UTC),
        generation=restart.get("generation", 0),
        failure=_failure(restart),
        resumed_from_step=restart.get("resumedFromStep", 0),
        joules_lost=restart.get("joulesLost", 0.0),
        recovery_seconds=restart.get("recoverySeconds"),
    )
