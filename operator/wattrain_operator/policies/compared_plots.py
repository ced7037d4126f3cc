"""What is drawn of policies that were compared: power against the cap, who waits, and how long jobs waited. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, inf
from typing import Final, NamedTuple

from wattrain_operator.policies.job_trace import TraceJob
from wattrain_operator.policies.power_curve import SLOT_SECONDS
from wattrain_operator.policies.virtual_time import Run
from wattrain_operator.receipt.plotted import Plotted, PlottedLine

_MOST_POINTS: Final = 600
"""Of a curve: about as many as a plot has pixels."""
_PERCENTS: Final = tuple(range(101))


class Grid(NamedTuple):
    """Equal stretches of the time of all runs, each of whole slots."""

    step_seconds: float
    stretches: int

    @property
    def hours(self) -> tuple[float, ...]:
        """The middle of each."""
        return tuple((n + 0.5) * self.step_seconds / 3600 for n in range(self.stretches))


def grid_of(until_seconds: float) -> Grid:
    """A grid that ends at `until_seconds` or later."""
    slots = max(1, ceil(until_seconds / SLOT_SECONDS))
    step = ceil(slots / _MOST_POINTS)
    return Grid(step * SLOT_SECONDS, ceil(slots / step))


def power_plot(runs: Sequence[tuple[str, Run]], usable_watts: float, grid: Grid) -> Plotted:
    """Mean watts of all jobs in each stretch, and what the cap leaves for them where there is one."""
    lines = [PlottedLine(name, _mean_watts(run, grid)) for name, run in runs]
    if usable_watts < inf:
        lines.append(PlottedLine("cap, for jobs", (usable_watts,) * grid.stretches, width=1))
    return Plotted("Power", "hours", "watt", grid.hours, tuple(lines), scale=(("min", 0),), calcs=("mean", "max"))


def waiting_plot(runs: Sequence[tuple[str, Run]], grid: Grid) -> Plotted:
    """The most jobs that waited at one moment of each stretch."""
    lines = tuple(PlottedLine(name, _most_waiting(run, grid)) for name, run in runs)
    return Plotted("Waiting jobs", "hours", "none", grid.hours, lines, scale=(("min", 0),), calcs=("mean", "max"))


def wait_plot(jobs: Sequence[TraceJob], runs: Sequence[tuple[str, Run]]) -> Plotted:
    """How long so many percent of the jobs that ran waited at most, in hours."""
    lines = tuple(PlottedLine(name, _wait_hours(jobs, run)) for name, run in runs)
    return Plotted(
        "Hours waited", "percent of jobs", "none", tuple(map(float, _PERCENTS)), lines, scale=(("min", 0),),
        calcs=("mean", "max"),
    )  # fmt: skip


def _mean_watts(run: Run, grid: Grid) -> tuple[float, ...]:
    slots = round(grid.step_seconds / SLOT_SECONDS)
    joules = run.curve.joules
    return tuple(sum(joules[n * slots : (n + 1) * slots]) / grid.step_seconds for n in range(grid.stretches))


def _most_waiting(run: Run, grid: Grid) -> tuple[float, ...]:
    found = [0.0] * grid.stretches
    before, at = 0, 0
    for moment, count in [*run.waiting, (inf, 0)]:
        until = min(grid.stretches - 1, int(min(moment / grid.step_seconds, grid.stretches)))
        for n in range(at, until + 1):
            found[n] = max(found[n], before)
        found[until] = max(found[until], count)
        before, at = count, until
    return tuple(found)


def _wait_hours(jobs: Sequence[TraceJob], run: Run) -> tuple[float | None, ...]:
    waits = sorted(
        max(0.0, end - job.submit_seconds - job.duration_seconds)
        for job, end in zip(jobs, run.ends, strict=True)
        if end < inf
    )  # fmt: skip
    if not waits:
        return (None,) * len(_PERCENTS)
    return tuple(waits[max(0, ceil(percent / 100 * len(waits)) - 1)] / 3600 for percent in _PERCENTS)
