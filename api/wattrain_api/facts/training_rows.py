"""With which settings was trained, as rows of a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def training_rows(spec: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Of `spec` with its defaults filled in. For recipes alone: a script decides for itself what it takes of it."""
    recipe, training = spec.get("recipe"), spec.get("training")
    if recipe is None:
        return
    told = ", ".join(f"{name} {_shown(value)}" for name, value in recipe["params"].items())
    yield "recipe", f"{recipe['name']}: {told}" if told else recipe["name"]
    if training is None:
        return
    optimizer, schedule = training["optimizer"], training["schedule"]
    extra = {
        "weight decay": optimizer["weightDecay"],
        "momentum": optimizer.get("momentum"),
        "ema": training.get("ema"),
    }
    yield "optimizer", ", ".join([optimizer["name"], *(f"{name} {value:g}" for name, value in extra.items() if value)])
    rate = f"{optimizer['lr']:g}"
    warmup = schedule.get("warmupSteps")
    if schedule["name"] != "constant" or warmup:
        rate += f", {schedule['name']}" + ("" if warmup is None else f", {warmup:,} warm-up steps")
    yield "learning rate", rate
    yield "batch size", f"{training['batchSize']:,}"
    if training.get("epochs") is not None:
        yield "epochs", f"{training['epochs']:,}"
    if training.get("maxSteps") is not None:
        yield "steps", f"{training['maxSteps']:,}"
    early = training.get("earlyStopping")
    if early is not None:
        yield "early stopping", f"{early['metric']}, patience {early['patience']:,}, at least {early['minDelta']:g}"


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
