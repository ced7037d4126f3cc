"""How the simulated group trains with so many threads, and what it says of that."""

from __future__ import annotations

from typing import Any, Final

from wattrain_operator.simulated.objects import Group

MOST_THREADS: Final = 4
SAMPLES_PER_SECOND: Final = {1: 400.0, 2: 800.0, 4: 1000.0}
"""By threads of a rank."""
WATTS: Final = {1: 6.0, 2: 10.0, 4: 20.0}
WINDOW_SECONDS: Final = 5.0
"""What the means are taken over."""
MIXED: Final = 1.0
"""Samples a second that no number of threads has: a mean that is partly of a start, or of another number."""


def with_threads(group: Group, threads: int, now: float) -> Group:
    """`group` as it trains with so many threads; its means are of them alone a window later."""
    if group.threads == threads and group.training:
        return group
    return group._replace(threads=threads, mixed_until=now + WINDOW_SECONDS)


def with_means(group: Group, now: float) -> Group:
    """`group` when time has passed."""
    return group._replace(mixed_until=0.0) if group.mixed_until and group.mixed_until <= now else group


def figures(group: Group) -> dict[str, Any]:
    """What it says of threads, as fields of a Report; empty: it does not train, or has no objective."""
    if not group.training or not group.threads:
        return {}
    return {
        "threads": group.threads, "most_threads": MOST_THREADS, "training_watts": WATTS[group.threads],
        "training_watts_seconds": WINDOW_SECONDS,
        "training_samples_per_second": MIXED if group.mixed_until else SAMPLES_PER_SECOND[group.threads],
    }  # fmt: skip
