"""Limits on the dashboard *Fleet*: power caps, who waits and for what, clean hours and prices."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders import table

from wattrain_dashboards.frame import Placed, Section
from wattrain_dashboards.panels import column, dashed, lines, rows, with_links_to_job
from wattrain_dashboards.promql import ALL_JOBS, IDENTITY, Query, of_domain

_SAVED: Final = ALL_JOBS.of_job("saved_co2e_grams", by=("basis",))


def sections() -> list[Section]:
    """What holds jobs back, and what that saves."""
    return [_caps(), _grid()]


def waiting_jobs() -> table.Panel:
    """By the reason as a label, since a table shows labels as texts."""
    since = ALL_JOBS.of_job("waiting_since_timestamp_seconds", by=("reason",))
    on_job = f"on ({', '.join(IDENTITY)}) group_left ()"
    position, start = ALL_JOBS.of_job("queue_position"), ALL_JOBS.of_job("expected_start_timestamp_seconds")
    panel = rows(
        "Queue", "none", "Jobs that wait, for what, their position in the queue of their power domain (1 is the next), "
        "and when each may start, where that is known.", ["waits since", "position", "expected start"],
        Query(f"{since} * 1000"), Query(f"{since} * 0 + {on_job} {position}"),
        Query(f"({since} * 0 + {on_job} {start}) * 1000"),
    )  # fmt: skip
    for name in ("waits since", "expected start"):
        panel.override_by_name(name, column("dateTimeAsLocal"))
    return with_links_to_job(panel)


def _caps() -> Section:
    return Section("Power caps", [
        Placed(
            lines("Power against cap", "watt", "What the jobs of each power domain draw now and what is reserved for "
                  "them, below what they may draw together (usable: the cap less headroom and base). Only domains with "
                  "`capWatts` have a cap; one that sheds power has a target meanwhile.",
                  Query(of_domain("power_watts"), "{{powerdomain}}, drawn"),
                  Query(of_domain("reserved_watts"), "{{powerdomain}}, reserved"),
                  Query(of_domain("usable_watts"), "{{powerdomain}}, usable"),
                  Query(of_domain("cap_watts"), "{{powerdomain}}, cap"),
                  Query(of_domain("shed_target_watts"), "{{powerdomain}}, while it sheds"))
            .min(0).override_by_regexp("/(usable|cap|sheds)$/", [dashed(4)]),
            14, 9,
        ),
        Placed(
            lines("Room under the cap", "watt", "Power that jobs which wait may still be granted, and power that jobs "
                  "draw beyond what they may: nobody is admitted meanwhile.",
                  Query(of_domain("free_watts"), "{{powerdomain}}, free"),
                  Query(of_domain("exceeded_watts"), "{{powerdomain}}, exceeded")).min(0),
            10, 9,
        ),
    ])  # fmt: skip


def _grid() -> Section:
    return Section("Clean hours and prices", [
        Placed(
            lines("CO2e saved by clean hours", "massg", "What jobs have saved by waiting, beside a start at once, by "
                  "the series of their power domains; marginal and average intensities are never added up.",
                  Query(f"sum by (basis) ({_SAVED})", "{{basis}}")),
            8, 8,
        ),
        Placed(
            lines("Carbon intensity", "none", "Grams of CO2 equivalent a kilowatt-hour, by which emissions are "
                  "counted.",
                  Query(of_domain("carbon_intensity_grams_per_kwh"), "{{powerdomain}}, g/kWh")).min(0),
            8, 8,
        ),
        Placed(
            lines("Price of a kilowatt-hour", "none", "By the tariff of each power domain, in its currency.",
                  Query(_price(), "{{powerdomain}}, {{currency}}")).min(0),
            8, 8,
        ),
    ])  # fmt: skip


def _price() -> str:
    selector = 'wattrain_powerdomain_energy_price_per_kwh{cluster=~"$cluster",powerdomain=~"$powerdomain"}'
    return f"max by (cluster, powerdomain, currency) ({selector})"
