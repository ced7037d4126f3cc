"""Energy on the dashboard *Training job*: figures, curves, and what each loss has cost."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.models import common, dashboard

from wattrain_dashboards.frame import Placed, Section
from wattrain_dashboards.loss_marks import what_each_loss_took
from wattrain_dashboards.panels import MODELLED, bars, dashed, figure, lines, words
from wattrain_dashboards.promql import ONE_JOB, Query

_BY_SOURCE: Final = ("component", "source")
_MEASURED: Final = 'source!="model"'
_IS_MODELLED: Final = 'source="model"'
_NAME_MEASURED: Final = "{{component}}, measured by {{source}}"
_NAME_MODELLED: Final = f"{{{{component}}}}, {MODELLED}"
_LEAST: Final = "all, at least"
_MOST: Final = "all, at most"


def figures_now() -> list[Placed]:
    """The most important ones."""
    return [
        Placed(
            figure("Power", "watt", "Power of all workers now, measured and modelled together; 0 at the end.",
                   Query(ONE_JOB.of_job("power_watts"))),
            3, 4,
        ),
        Placed(
            figure("Energy", "joule", "Energy of the job so far: all ranks, all attempts, the preparation. With the "
                   "least and the most that it may have been.",
                   Query(ONE_JOB.total("energy_low_joules_total"), "at least"),
                   Query(ONE_JOB.total("energy_joules_total"), "energy"),
                   Query(ONE_JOB.total("energy_high_joules_total"), "at most")),
            6, 4,
        ),
        Placed(
            figure("Measured share", "percentunit", "Share of the energy that a counter measured; the rest is "
                   "modelled. Empty where something was not counted.", Query(ONE_JOB.of_job("measured_energy_ratio")))
            .mappings([words(("all modelled", "orange"), ("all measured", "green"))]).no_value("-"),
            3, 4,
        ),
        Placed(
            figure("Counted", "none", "Whether all that drew power was counted. Where it was not, more was used than "
                   "the joules say.", Query(ONE_JOB.of_job("energy_incomplete")))
            .mappings([words(("all", "green"), ("not all", "orange"))]),
            3, 4,
        ),
        Placed(
            figure("CO2e", "massg", "CO2 equivalent of the energy with cooling and losses, location-based.",
                   Query(ONE_JOB.of_job("emissions_co2e_grams_total"))),
            3, 4,
        ),
        Placed(
            figure("Cost", "none", "Cost of the energy with cooling and losses, by currency. Empty without a tariff in "
                   "the job's PowerDomain.",
                   Query(ONE_JOB.of_job("energy_cost_total", by=("currency",)), "{{currency}}"))
            .text_mode(common.BigValueTextMode.VALUE_AND_NAME).decimals(4).no_value("-"),
            3, 4,
        ),
        Placed(
            figure("Energy a sample", "joule", "Energy of the current attempt / samples that it has trained on.",
                   Query(ONE_JOB.of_job("joules_per_sample"))),
            3, 4,
        ),
    ]  # fmt: skip


def sections() -> list[Section]:
    """Curves of power and energy, what was lost, and what each phase and each loss has cost."""
    return [_power(), _limits(), _account()]


def _power() -> Section:
    power = lines(
        "Power by component and source", "watt",
        "Mean power between two scrapes, from the counters of energy. Dashed: modelled. The band holds what the power "
        "of all components together may have been.",
        Query(ONE_JOB.rate_of_job("energy_joules_total", _MEASURED, by=_BY_SOURCE), _NAME_MEASURED),
        Query(ONE_JOB.rate_of_job("energy_joules_total", _IS_MODELLED, by=_BY_SOURCE), _NAME_MODELLED),
        Query(ONE_JOB.total_rate("energy_low_joules_total"), _LEAST),
        Query(ONE_JOB.total_rate("energy_high_joules_total"), _MOST),
    )  # fmt: skip
    energy = lines(
        "Energy by component and source", "joule",
        "Energy of the job so far. Dashed: modelled. With cooling and losses: times the PUE of the power domain.",
        Query(ONE_JOB.of_job("energy_joules_total", _MEASURED, by=_BY_SOURCE), _NAME_MEASURED),
        Query(ONE_JOB.of_job("energy_joules_total", _IS_MODELLED, by=_BY_SOURCE), _NAME_MODELLED),
        Query(ONE_JOB.total("energy_low_joules_total"), _LEAST),
        Query(ONE_JOB.total("energy_high_joules_total"), _MOST),
        Query(ONE_JOB.of_job("facility_energy_joules_total"), "all, with cooling and losses"),
    )  # fmt: skip
    for panel in (power, energy):
        panel.min(0).override_by_name(_LEAST, [dashed(4), _thin()])
        panel.override_by_name(_MOST, [dashed(4), _thin(), *_filled_down_to(_LEAST)])
    return Section("Power and energy", [Placed(power, 12, 10), Placed(energy, 12, 10)])


def _limits() -> Section:
    return Section("Power cap and budget", [
        Placed(
            lines("Power under a cap", "watt", "What the job is held to (`energy.powerCap`), the mean that it was last "
                  "seen to draw while it trained, and its power now. Empty where it is held to nothing.",
                  Query(ONE_JOB.of_job("power_cap_watts"), "held to"),
                  Query(ONE_JOB.of_job("power_cap_effective_watts"), "drawn, mean"),
                  Query(f"{ONE_JOB.of_job('power_watts')} and {ONE_JOB.of_job('power_cap_watts')}", "drawn now"))
            .min(0).override_by_name("held to", [dashed(4)]),
            8, 8,
        ),
        Placed(
            lines("Duty cycle", "percentunit", "Share of the time in which the ranks of a job that is held to a cap "
                  "compute; they pause for the rest.", Query(ONE_JOB.of_job("duty_ratio"), "computes")).min(0).max(1),
            8, 8,
        ),
        Placed(
            lines("Budget", "percentunit", "Share of `energy.budget` that is spent, of its limit that is used most, "
                  "and that share at the job's end, as it goes now.",
                  Query(ONE_JOB.of_job("budget_used_ratio"), "used"),
                  Query(ONE_JOB.of_job("budget_forecast_ratio"), "at the end")).min(0),
            8, 8,
        ),
    ])  # fmt: skip


def _account() -> Section:
    wasted, whole = ONE_JOB.of_job("wasted_energy_joules"), ONE_JOB.total("energy_joules_total")
    return Section("What the energy was for", [
        Placed(what_each_loss_took(ONE_JOB), 12, 10),
        Placed(
            bars("Energy by state", "joule", "Energy of the job by the state that it was used in.",
                 Query(ONE_JOB.of_job("phase_energy_joules_total", by=("phase",)), "{{phase}}")),
            6, 10,
        ),
        Placed(
            bars("Time by state", "s", "How long the job was in each state, until its end.",
                 Query(ONE_JOB.of_job("phase_seconds_total", by=("phase",)), "{{phase}}")),
            6, 10,
        ),
        Placed(
            bars("Energy by cause", "joule", "What the energy of the job went to, divided by the time of each cause: "
                 "an attribution. The sum is the energy of the job.",
                 Query(f"{ONE_JOB.of_job('cause_energy_joules', by=('cause',))} > 0", "{{cause}}")),
            8, 10,
        ),
        Placed(
            bars("Time by cause", "s", "What the job's time went to; idle is a place that is held while nothing runs.",
                 Query(f"{ONE_JOB.of_job('cause_seconds', by=('cause',))} > 0", "{{cause}}")),
            8, 10,
        ),
        Placed(
            lines("Goodput of energy", "percentunit", "Share of the energy whose result was not lost in restarts.",
                  Query(f"1 - {wasted} / ({whole} > 0)", "kept"),
                  Query(f"{wasted} / ({whole} > 0)", "lost in restarts")).min(0).max(1),
            8, 10,
        ),
    ])  # fmt: skip


def _thin() -> dashboard.DynamicConfigValue:
    return dashboard.DynamicConfigValue(id_val="custom.lineWidth", value=1)


def _filled_down_to(series: str) -> list[dashboard.DynamicConfigValue]:
    return [
        dashboard.DynamicConfigValue(id_val="custom.fillBelowTo", value=series),
        dashboard.DynamicConfigValue(id_val="custom.fillOpacity", value=10),
    ]
