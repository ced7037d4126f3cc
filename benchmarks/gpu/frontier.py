"""A GPU under limits of its power, of its clock and of both: steps a second and joules a step at each point.

Limits are set by the node agent's own code, which reads them back and restores them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from wattrain_api.contract.gpu_limit import APPLIED, GpuLimit
from wattrain_worker.agent.gpu_limiter import GpuLimiter, Wish

SHARES = (1.0, 0.85, 0.7, 0.55)
"""Of the largest power limit, and of the highest clock."""
POD = "benchmark"


class Point(NamedTuple):
    """What was asked for; None: as it was."""

    watts: float | None
    clock_mhz: int | None


class Measured(NamedTuple):
    """What became of a point."""

    point: Point
    state: str
    message: str
    """Why it was refused; empty: it was not."""
    limit_watts: float | None = None
    """As the driver says."""
    clock_mhz: int | None = None
    """In the middle of the load."""
    watts: float = 0.0
    steps_per_second: float = 0.0
    joules_per_step: float = 0.0


class Load(NamedTuple):
    """What was done in a stretch of time."""

    steps: int
    seconds: float
    joules: float
    """By the GPU's counter."""
    clock_mhz: int


def points(most_watts: float, highest_mhz: int) -> list[Point]:
    """As it is, limits of power, clocks, and both."""
    watts = [round(share * most_watts) for share in SHARES[1:]]
    clocks = [round(share * highest_mhz) for share in SHARES[1:]]
    both = [Point(w, c) for w, c in zip(watts, clocks, strict=True)]
    return [Point(None, None), *(Point(w, None) for w in watts), *(Point(None, c) for c in clocks), *both]


def measure(limiter: GpuLimiter, uuid: str, asked: Sequence[Point], run: Callable[[], Load]) -> Iterator[Measured]:
    """Each point in turn. `run` loads the GPU for a while, and says what that was. The GPU is restored at the end."""
    try:
        for version, point in enumerate(asked, 1):
            limiter.restore_except(())
            answer = None
            if point != Point(None, None):
                wish = Wish(GpuLimit(version, point.watts, point.clock_mhz), (uuid,))
                answer = limiter.step({POD: wish})[POD]
                if answer.state != APPLIED:
                    yield Measured(point, answer.state, answer.message)
                    continue
            load = run()
            if answer is not None:  # a lock that is not obeyed shows only under load
                answer = limiter.step({POD: wish})[POD]
            yield Measured(
                point, APPLIED if answer is None else answer.state, "" if answer is None else answer.message,
                None if answer is None else answer.watts, load.clock_mhz, load.joules / load.seconds,
                load.steps / load.seconds, load.joules / load.steps,
            )  # fmt: skip
    finally:
        limiter.restore_except(())


def winner(found: Sequence[Measured], most_slower: float) -> Measured | None:
    """The point with the least joules a step that is at most so much slower, as a ratio, than the first; None: the
    first was not measured."""
    applied = [each for each in found if each.state == APPLIED]
    if not applied or applied[0].point != Point(None, None):
        return None
    least = applied[0].steps_per_second * (1 - most_slower)
    return min((each for each in applied if each.steps_per_second >= least), key=lambda each: each.joules_per_step)


def kind_of(point: Point) -> str:
    """For a person."""
    if point.watts is None and point.clock_mhz is None:
        return "as it was"
    parts = (
        "" if point.watts is None else f"{point.watts:g} W",
        "" if point.clock_mhz is None else f"{point.clock_mhz} MHz",
    )
    return " and ".join(part for part in parts if part)
