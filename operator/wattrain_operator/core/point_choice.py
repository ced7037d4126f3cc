"""Which points are tried to find the best number of threads, and which of them is the best.

The cost of a point is w E / E_least + (1 - w) T / T_least, with E joules a sample, T seconds a sample, and the weight
w of energy. It is the cost of Zeus (You, Chung, Chowdhury, NSDI 2023), w ETA + (1 - w) MaxPower TTA, with each term
divided by the least that was measured of it: so it needs no power that a device draws at most, and w is a share.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from wattrain_api.energy import Energy
from wattrain_api.status import PointStatus

_TIE_RATIO: Final = 0.02
"""What costs less by no more than this is no better than what the job has now. Our choice: each change of threads costs
the seconds in which the ranks agree on it, and means of five seconds differ by chance."""


def weight_of(energy: Energy) -> float | None:
    """How much of the objective is energy, from 0 to 1; None: there is no objective."""
    if energy.objective is None:
        return None
    return {"time": 0.0, "energy": 1.0}.get(energy.objective, energy.energy_weight)


def points_to_try(most_threads: int, present: int) -> tuple[int, ...]:
    """Threads of a rank: those of now first, then the powers of two and the most that there are, the most first."""
    powers = {1 << exponent for exponent in range(most_threads.bit_length())}
    return (present, *sorted({*powers, most_threads} - {present}, reverse=True))


def best_of(points: Sequence[PointStatus], weight: float) -> PointStatus:
    """The one that costs least; the first, which the job has now, where it costs hardly more."""
    costs = {point: _cost(point, points, weight) for point in points}
    best = min(points, key=lambda point: costs[point])
    return points[0] if costs[points[0]] <= costs[best] * (1 + _TIE_RATIO) else best


def _cost(point: PointStatus, points: Sequence[PointStatus], weight: float) -> float:
    least_joules = min(each.joules_per_sample for each in points)
    energy = point.joules_per_sample / least_joules if least_joules else 1.0
    time = max(each.samples_per_second for each in points) / point.samples_per_second
    return weight * energy + (1 - weight) * time
