"""Policies that were compared as one file: `wattrain simulate --output html`. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import inf
from typing import NamedTuple

from wattrain_api.facts.titled_rows import Table
from wattrain_operator.dashboard.drawing_code import DrawingCode
from wattrain_operator.policies.compared_plots import grid_of, power_plot, wait_plot, waiting_plot
from wattrain_operator.policies.compared_rows import rows_of
from wattrain_operator.policies.job_trace import TraceJob
from wattrain_operator.policies.outcome import Bound, Outcome
from wattrain_operator.policies.registry import POLICIES
from wattrain_operator.policies.virtual_time import Run
from wattrain_operator.receipt.page_frame import figure, table_markup, whole_page


class Compared(NamedTuple):
    """All that a page of a comparison shows."""

    trace: str
    """Name of its file."""
    domain: str
    """Name of the power domain."""
    jobs: Sequence[TraceJob]
    results: Sequence[tuple[Outcome, Run]]
    least: Bound
    usable_watts: float
    """What the cap leaves for jobs; inf: there is no cap."""
    currency: str
    """Of the domain's tariff; empty: there is none."""


def to_html(found: Compared, drawing: DrawingCode) -> str:
    """The page, which carries `drawing` for its plots; names of the user cannot become markup."""
    title = f"Policies on {found.trace}, in power domain {found.domain}"
    runs = [(outcome.policy, run) for outcome, run in found.results]
    grid = grid_of(max(outcome.makespan_seconds for outcome, _ in found.results))
    minutes = grid.step_seconds / 60
    plots = (
        figure(power_plot(runs, found.usable_watts, grid), f"What jobs draw, in watts: means of {minutes:g} minutes"),
        figure(waiting_plot(runs, grid), "Jobs that wait: the most at one moment"),
        figure(wait_plot(found.jobs, runs), "Hours that so many percent of the jobs waited, at most"),
    )
    body = "\n".join(
        [
            f"<h1>{escape(title)}</h1>",
            f"<p>{escape(_sentence(found))}</p>",
            f'<div class="plots">{"".join(plots)}</div>',
            table_markup(_figures(found)),
            table_markup(Table("Who is admitted", ("Policy", ""), _shown(found))),
        ]
    )
    return whole_page(title, body, drawing)


def _sentence(found: Compared) -> str:
    cap = "There is no cap." if found.usable_watts == inf else f"The cap leaves {found.usable_watts:,.0f} W for jobs."
    return (
        f"{len(found.jobs):,} jobs in virtual time. {cap} Each job draws what the trace says, as long as it runs. The "
        "bound, which no policy can beat, is perfect packing of watts, and each job at once."
    )


def _figures(found: Compared) -> Table:
    outcomes = [outcome for outcome, _ in found.results]
    head, *rows = rows_of(outcomes, found.least, len(found.jobs), found.currency)
    return Table("Results", head, tuple(rows))


def _shown(found: Compared) -> tuple[tuple[str, str], ...]:
    names = {outcome.policy for outcome, _ in found.results}
    return tuple((policy.name, policy.help) for policy in POLICIES if policy.name in names)
