"""/metrics of a worker: what its progress says at the moment of the scrape.

Nothing is kept for Prometheus between scrapes, so the training pays nothing for it, and a figure that no rank has
reported yet is absent instead of 0.
"""

from __future__ import annotations

from dataclasses import replace

from wattrain_api.contract.progress import Progress
from wattrain_api.metric_families import families_of, text_of
from wattrain_api.metrics import WORKER


def metrics_text(progress: Progress, *, has_ended: bool = False) -> bytes:
    """All metrics of a worker in Prometheus' text format. One that has ended draws nothing, while it is still asked."""
    if has_ended:
        progress = replace(progress, power=tuple(replace(reading, watts=0.0) for reading in progress.power))
    return text_of(family for family in families_of(WORKER, progress) if family.samples)
