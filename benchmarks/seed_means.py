"""Two models that were trained with several seeds each, as a line of a Markdown table: means, and the noise of their
difference."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Final

_ERRORS: Final = 2
"""A difference is more than noise where it is larger than so many of its standard errors."""


def heading(first: str, other: str) -> str:
    """The head of the table; `first` names the columns before `other`, whose models stand beside Wattrain's."""
    columns = f"{first} | metric | Wattrain | {other} | difference | noise".split(" | ")
    return f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}"


def cells(metric: str, own: Sequence[float], others: Sequence[float]) -> str:
    """The columns from `metric` on; each mean with the least and the largest value. A value for each seed."""
    each = [f"{fmean(values):.4f} ({min(values):.4f} to {max(values):.4f})" for values in (own, others)]
    return f"{metric} | {' | '.join(each)} | {fmean(own) - fmean(others):+.4f} | {_noise(own, others):.4f}"


def is_less(own: Sequence[float], others: Sequence[float]) -> bool:
    """Whether `own` has the lower mean, by more than noise. Of one seed no noise is known: False."""
    return fmean(others) - fmean(own) > _noise(own, others)


def _noise(own: Sequence[float], others: Sequence[float]) -> float:
    if len(own) < 2:
        return float("nan")
    return float(_ERRORS * ((stdev(own) ** 2 + stdev(others) ** 2) / len(own)) ** 0.5)
