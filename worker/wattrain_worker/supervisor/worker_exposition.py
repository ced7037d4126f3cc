"""/metrics of a worker: what its progress says at the moment of the scrape.

Nothing is kept for Prometheus between scrapes, so the training pays nothing for it, and a figure that no rank has
reported yet is absent instead of 0.
"""

from __future__ import annotations

from wattrain_api.contract.progress import Progress
from wattrain_api.metric_families import families_of, text_of
from wattrain_api.metrics import WORKER


def metrics_text(progress: Progress) -> bytes:
    """All metrics of a worker in Prometheus' text format."""
    return text_of(family for family in families_of(WORKER, progress) if family.samples)
