"""What of a recorded step is tracked, by the names that its metrics have without `wattrain_trainingjob_`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import NamedTuple

from wattrain_api.contract.progress import Evaluation
from wattrain_api.contract.recorded_step import RecordedStep

TOTAL = "total_"
"""Before the names of what the last line of a supervisor says: no figure of a step."""


class TrackedFigure(NamedTuple):
    """A figure at a step."""

    name: str
    value: float
    step: int


def figures_of(line: RecordedStep) -> Iterator[TrackedFigure]:
    """What is known, in a line of metrics.jsonl. Those of an evaluation stand at the step of the evaluation."""
    is_last = line.phase is not None
    figures = {
        "energy_joules": line.joules,
        "energy_low_joules": line.low_joules,
        "energy_high_joules": line.high_joules,
    }
    if is_last:
        figures = {f"{TOTAL}{name}": value for name, value in figures.items()}
    else:
        figures |= {
            "loss": line.loss,
            "learning_rate": line.learning_rate,
            "samples_per_second": line.samples_per_second,
            "power_watts": line.watts,
        }
    for name, value in figures.items():
        if value is not None:
            yield TrackedFigure(name, value, line.step)
    if line.validation is not None:
        yield from figures_of_evaluation("validation", line.validation)


def figures_of_evaluation(split: str, evaluation: Evaluation) -> Iterator[TrackedFigure]:
    """What is known of an evaluation on `split`: its loss and its metrics, at its step."""
    for each in fields(evaluation):
        value = getattr(evaluation, each.name)
        if each.name != "step" and value is not None:
            yield TrackedFigure(f"{split}_{each.name}", value, evaluation.step)
