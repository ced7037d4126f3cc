"""Which share of the time ranks are to compute, so that a group draws so many watts.

Power is taken for a line over that share: idle + slope x duty. Where it begins is estimated from the workers' limits;
the slope follows from what is measured, anew after each change. So little is believed of the estimate of idling that a
wrong one cannot make the corrections swing ever wider: on a line from 0 each of them leaves 0.43 of the error, on one
that begins at a third of the target 0.05, at half of it 0.3; only what idles with nearly all of it takes over ten.
"""

from __future__ import annotations

from typing import Final

LEAST_DUTY_RATIO: Final = 0.05
"""Ranks pause at most 19 times as long as they compute. Our choice: the rest is for who wants to suspend."""
TOLERANCE_RATIO: Final = 0.03
"""Share of the target by which the mean power may differ without a correction. Our choice: each costs a write."""
_IDLE_RATIO_BELIEVED: Final = 0.3
"""Of power that is measured, idling is taken for at most this share."""
_LARGEST_FACTOR: Final = 2.0
"""A duty is not changed by more at once: what was measured may have been something else than training."""
_DIGITS: Final = 3


def first_duty(target_watts: float, idle_watts: float, most_watts: float) -> float:
    """Where nothing is measured yet: of a group that idles with `idle_watts` and draws `most_watts` without pauses."""
    if target_watts >= most_watts:
        return 1.0
    return _bounded((target_watts - idle_watts) / (most_watts - idle_watts))


def next_duty(duty_ratio: float, watts: float, target_watts: float, idle_watts: float) -> float:
    """After `watts` were measured with `duty_ratio`. The same one where it is to stay."""
    if abs(watts - target_watts) <= TOLERANCE_RATIO * target_watts or watts <= 0:
        return duty_ratio
    idle = min(idle_watts, _IDLE_RATIO_BELIEVED * min(watts, target_watts))
    factor = (target_watts - idle) / (watts - idle)
    return _bounded(duty_ratio * min(max(factor, 1 / _LARGEST_FACTOR), _LARGEST_FACTOR))


def _bounded(duty_ratio: float) -> float:
    return round(min(max(duty_ratio, LEAST_DUTY_RATIO), 1.0), _DIGITS)
