"""What it took until the loss had fallen to marks: tables that say how learning goes with steps, time and energy.

Prometheus knows figures by time alone, so a loss is shown against steps or joules by what these were when the loss was
first at a mark.
"""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders import table

from wattrain_dashboards.panels import column, rows
from wattrain_dashboards.promql import IDENTITY, Query, Scope

MARKS: Final = ("5", "3", "2", "1.5", "1", "0.5", "0.2", "0.1", "0.05", "0.02", "0.01", "0.005")
"""Losses. That of a classifier begins near the logarithm of the number of classes: 2.3 for ten."""
_ON_JOB: Final = f"on ({', '.join(IDENTITY)})"
_MEANING: Final = (
    "until the training loss was first seen at or below a mark, by the samples of Prometheus. Marks that were passed "
    "before the time that is shown, or are not yet passed, are left out."
)


def what_each_loss_took(scope: Scope) -> table.Panel:
    """Steps, seconds and joules by marks: a row for each."""
    amounts = {"steps": _steps(scope), "time": _seconds(scope), "energy": _joules(scope)}
    queries = [Query(" or ".join(_labelled(scope, amount, mark) for mark in MARKS)) for amount in amounts.values()]
    panel = rows("What each loss took", "none", f"Steps, time and energy {_MEANING}", list(amounts), *queries,
                 hide=("namespace", "trainingjob"))  # fmt: skip
    return panel.override_by_name("time", column("s")).override_by_name("energy", column("joule"))


def loss_against_steps(scope: Scope) -> table.Panel:
    """A row for each job, a column for each mark."""
    return _by_mark(scope, "Loss against steps", "none", "Steps", _steps(scope))


def loss_against_time(scope: Scope) -> table.Panel:
    """A row for each job, a column for each mark."""
    return _by_mark(scope, "Loss against time", "s", "Time since the start of the job", _seconds(scope))


def loss_against_energy(scope: Scope) -> table.Panel:
    """A row for each job, a column for each mark."""
    return _by_mark(scope, "Loss against energy", "joule", "Energy of the job", _joules(scope))


def _by_mark(scope: Scope, title: str, unit: str, what: str, amount: str) -> table.Panel:
    names = [f"to {mark}" for mark in MARKS]
    return rows(title, unit, f"{what} {_MEANING}", names, *(Query(_until(scope, amount, mark)) for mark in MARKS))


def _steps(scope: Scope) -> str:
    return scope.of_job("step")


def _seconds(scope: Scope) -> str:
    return f"(timestamp({scope.of_job('step')}) - {_ON_JOB} {scope.of_job('start_timestamp_seconds')})"


def _joules(scope: Scope) -> str:
    return scope.total("energy_joules_total")


def _until(scope: Scope, amount: str, mark: str) -> str:
    """The least of `amount`, which only grows, while the loss was at or below the mark."""
    loss = scope.of_job("loss")
    below = f"({amount} and {_ON_JOB} ({loss} <= {mark}))"
    was_above = f"max_over_time(({loss})[$__range:$__interval]) > {mark}"
    return f"min_over_time({below}[$__range:$__interval]) and {_ON_JOB} {was_above}"


def _labelled(scope: Scope, amount: str, mark: str) -> str:
    return f'label_replace({_until(scope, amount, mark)}, "loss", "{mark}", "", "")'
