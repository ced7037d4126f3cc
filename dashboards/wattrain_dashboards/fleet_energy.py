"""Energy on the dashboard *Fleet*: by namespace, by what it was for, and a ranking of jobs."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders import table
from grafana_foundation_sdk.models import common

from wattrain_api.status import State
from wattrain_dashboards.frame import Placed, Section
from wattrain_dashboards.other_exporters import power_by_node
from wattrain_dashboards.panels import MODELLED, bars, column, figure, lines, rows, with_links_to_job
from wattrain_dashboards.promql import ALL_JOBS, IDENTITY, Query, of_domain

RANKED: Final = 20
"""Jobs in a ranking."""
_ON_JOB: Final = f"on ({', '.join(IDENTITY)})"
_ENERGY: Final = ALL_JOBS.total("energy_joules_total")
_WASTED: Final = ALL_JOBS.of_job("wasted_energy_joules")
_USED: Final = ALL_JOBS.in_range("energy_joules_total", by=("component", "source"))
_EMITTED: Final = ALL_JOBS.in_range("emissions_co2e_grams_total")
_PAID: Final = ALL_JOBS.in_range("energy_cost_total", by=("currency",))


def now() -> Section:
    """The most important figures."""
    return Section("Now", [
        Placed(figure("Running", "none", "Jobs that train now.", Query(_count("Running"))), 3, 4),
        Placed(figure("Queued", "none", "Jobs that wait for their power domain.", Query(_count("Queued"))), 3, 4),
        Placed(
            figure("Failed", "none", "Jobs that have failed and have not been deleted.", Query(_count("Failed")),
                   steps=((None, "green"), (1, "red"))),
            3, 4,
        ),
        Placed(
            figure("Power", "watt", "Power of all workers of all jobs now, measured and modelled together.",
                   Query(f"sum({ALL_JOBS.of_job('power_watts')})")),
            3, 4,
        ),
        Placed(
            figure("Energy", "joule", "Energy that jobs used in the time that is shown, measured and modelled "
                   "together.",
                   Query(f"sum({_USED})")),
            3, 4,
        ),
        Placed(
            figure("CO2e", "massg", "CO2 equivalent of that energy with cooling and losses, location-based.",
                   Query(f"sum({_EMITTED})")),
            3, 4,
        ),
        Placed(
            figure("Cost", "none", "Cost of that energy with cooling and losses, by currency. Empty without a tariff.",
                   Query(f"sum by (currency) ({_PAID})", "{{currency}}"))
            .text_mode(common.BigValueTextMode.VALUE_AND_NAME).decimals(2).no_value("-"),
            3, 4,
        ),
        Placed(
            figure("Goodput of energy", "percentunit", "Share of the energy of all jobs whose result was not lost in "
                   "restarts.", Query(f"1 - sum({_WASTED}) / (sum({_ENERGY}) > 0)"),
                   steps=((None, "red"), (0.8, "orange"), (0.95, "green"))),
            3, 4,
        ),
    ])  # fmt: skip


def sections() -> list[Section]:
    """Power and energy by namespace, what energy was for, and which jobs use most."""
    return [_by_namespace(), _use(), _ranking()]


def _by_namespace() -> Section:
    measured, modelled = (
        f"sum by (namespace) ({ALL_JOBS.rate_of_job('energy_joules_total', which, by=('component', 'source'))})"
        for which in ('source!="model"', 'source="model"')
    )
    return Section("Power, energy, carbon and cost", [
        Placed(
            lines("Power by namespace", "watt", "Mean power between two scrapes, from the counters of energy. Dashed: "
                  "modelled.", Query(measured, "{{namespace}}, measured"),
                  Query(modelled, f"{{{{namespace}}}}, {MODELLED}")).min(0),
            8, 9,
        ),
        Placed(
            lines("Power by power domain", "watt", "Power of the jobs of each power domain now.",
                  Query(of_domain("power_watts"), "{{powerdomain}}")).min(0),
            8, 9,
        ),
        Placed(
            lines("Power by node", "watt", "Power of all workers on each node now: what "
                  "jobs draw, not what the node does. Needs kube-state-metrics, which says where pods are.",
                  power_by_node()).min(0),
            8, 9,
        ),
        Placed(
            bars("Energy by namespace", "joule", "Energy that jobs used in the time that is shown.",
                 Query(f"sum by (namespace) ({_USED})", "{{namespace}}")),
            8, 8,
        ),
        Placed(
            bars("CO2e by namespace", "massg", "CO2 equivalent of that energy with cooling and losses.",
                 Query(f"sum by (namespace) ({_EMITTED})", "{{namespace}}")),
            8, 8,
        ),
        Placed(
            bars("Cost by namespace", "none", "Cost of that energy with cooling and losses, by currency.",
                 Query(f"sum by (namespace, currency) ({_PAID})", "{{namespace}}, {{currency}}")).decimals(4),
            8, 8,
        ),
    ])  # fmt: skip


def _use() -> Section:
    others = ALL_JOBS.of_job("cause_energy_joules", 'cause!="training"', by=("cause",))
    return Section("Goodput and waste", [
        Placed(
            lines("Goodput of energy", "percentunit", "Share of the energy of all jobs whose result was not lost in "
                  "restarts, and the share that was.",
                  Query(f"1 - sum({_WASTED}) / (sum({_ENERGY}) > 0)", "kept"),
                  Query(f"sum({_WASTED}) / (sum({_ENERGY}) > 0)", "lost in restarts")).min(0).max(1),
            8, 8,
        ),
        Placed(
            bars("Energy beside training, by cause", "joule", "Energy of all jobs that went to something else than new "
                 "steps, divided by the time of each cause: an attribution. computed_again is the second time that "
                 "steps were made; lost in restarts is the first time, and starting anew.",
                 Query(f"sum by (cause) ({others}) > 0", "{{cause}}"), Query(f"sum({_WASTED})", "lost in restarts")),
            8, 8,
        ),
        Placed(
            bars("Energy lost in restarts by namespace", "joule", "Energy whose result was lost in restarts.",
                 Query(f"sum by (namespace) ({_WASTED})", "{{namespace}}")),
            8, 8,
        ),
    ])  # fmt: skip


def _ranking() -> Section:
    per_sample = f"topk({RANKED}, {ALL_JOBS.of_job('joules_per_sample')})"
    ranked = rows(
        "Jobs by energy a sample", "none", f"The {RANKED} jobs that use most joules a sample, with all that they used.",
        ["energy a sample", "energy", "samples a second", "lost in restarts"],
        Query(per_sample), Query(f"{_ENERGY} and {_ON_JOB} {per_sample}"),
        Query(f"{ALL_JOBS.of_job('samples_per_second')} and {_ON_JOB} {per_sample}"),
        Query(f"{_WASTED} and {_ON_JOB} {per_sample}"),
    )  # fmt: skip
    running = ALL_JOBS.is_running()
    at_work = rows(
        "Jobs that run", "none", "How far they are.", ["progress", "loss", "samples a second", "power", "time left"],
        *(Query(f"{ALL_JOBS.of_job(name)} {running}")
          for name in ("progress_ratio", "loss", "samples_per_second", "power_watts", "eta_seconds")),
    )  # fmt: skip
    for name, unit in (("energy a sample", "joule"), ("energy", "joule"), ("lost in restarts", "joule")):
        ranked.override_by_name(name, column(unit))
    for name, unit in (("progress", "percentunit"), ("power", "watt"), ("time left", "s")):
        at_work.override_by_name(name, column(unit))
    return Section("Jobs one by one", [
        Placed(with_links_to_job(at_work), 12, 10), Placed(with_links_to_job(ranked), 12, 10),
        Placed(with_links_to_job(_ended()), 24, 8),
    ])  # fmt: skip


def _ended() -> table.Panel:
    took = f"{ALL_JOBS.of_job('completion_timestamp_seconds')} - {ALL_JOBS.of_job('start_timestamp_seconds')}"
    has_ended = f"and {_ON_JOB} {ALL_JOBS.of_job('completion_timestamp_seconds')}"
    panel = rows(
        "Jobs that have ended", "none", "How long jobs took from their start to their end, and what they used.",
        ["time", "energy", "CO2e", "loss", "restarts", "ended"],
        Query(took), Query(f"{_ENERGY} {has_ended}"),
        *(Query(f"{ALL_JOBS.of_job(name)} {has_ended}")
          for name in ("emissions_co2e_grams_total", "loss", "restarts_total")),
        Query(f"{ALL_JOBS.of_job('completion_timestamp_seconds')} * 1000"),
    )  # fmt: skip
    units = {"time": "s", "energy": "joule", "CO2e": "massg", "ended": "dateTimeAsLocal"}
    for name, unit in units.items():
        panel.override_by_name(name, column(unit))
    return panel


def _count(state: State) -> str:
    return f"sum({ALL_JOBS.in_state(state)})"
