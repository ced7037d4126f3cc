"""What it took until the loss had fallen to marks: a table that says how learning and energy go together."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders import table

from wattrain_dashboards.panels import column, rows
from wattrain_dashboards.promql import IDENTITY, Query, Scope

MARKS: Final = ("2", "1", "0.5", "0.2", "0.1", "0.05", "0.02", "0.01", "0.005")
"""Losses. A loss of classes begins near the logarithm of their number: 2.3 for ten."""


def cost_of_loss(scope: Scope, title: str) -> table.Panel:
    """Steps, seconds and joules of each job until its loss first was at a mark."""
    on = f"on ({', '.join(IDENTITY)})"
    start = scope.of_job("start_timestamp_seconds")
    found = {
        "steps": scope.of_job("step"),
        "seconds": f"(timestamp({scope.of_job('loss')}) - {on} {start})",
        "joules": scope.total("energy_joules_total"),
    }
    description = (
        "What it took until the training loss was first seen at or below a mark, by the samples of Prometheus. Marks "
        "that were passed before the time that is shown, or are not yet passed, are left out."
    )
    queries = [Query(_until(scope, amount)) for amount in found.values()]
    panel = rows(title, "none", description, list(found), *queries)
    return panel.override_by_name("seconds", column("s")).override_by_name("joules", column("joule"))


def _until(scope: Scope, amount: str) -> str:
    """The least of `amount`, which only grows, while the loss was at or below each mark."""
    on, loss = f"on ({', '.join(IDENTITY)})", scope.of_job("loss")
    reached = (
        f"label_replace(min_over_time(({amount} and {on} ({loss} <= {mark}))[$__range:$__interval])"
        f' and {on} max_over_time(({loss})[$__range:$__interval]) > {mark}, "loss", "{mark}", "", "")'
        for mark in MARKS
    )
    return " or ".join(reached)
