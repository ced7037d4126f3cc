"""Dashboard *Compare*: two to five jobs beside each other."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders import dashboard, timeseries

from wattrain_dashboards import frame
from wattrain_dashboards.frame import Placed, Section
from wattrain_dashboards.loss_marks import loss_against_energy, loss_against_steps, loss_against_time
from wattrain_dashboards.panels import against, column, hidden, lines, rows, states, with_links_to_job
from wattrain_dashboards.promql import ONE_JOB, Query

UID: Final = "wattrain-compare"
_NAME: Final = "{{namespace}}/{{trainingjob}}"


def build_dashboard() -> dashboard.Dashboard:
    """The dashboard."""
    about = "Two to five jobs, chosen above: their loss against steps, time and energy, their speed and their power."
    made = frame.dashboard_of(UID, "Wattrain / Compare", about)
    for variable in (frame.cluster_variable(), frame.namespaces_variable(), frame.jobs_variable()):
        made = made.with_variable(variable)
    return frame.with_sections(made, [_figures(), _curves(), _loss()])


def _figures() -> Section:
    units = {
        "progress": "percentunit", "loss": "none", "validation loss": "none", "accuracy": "percentunit", "R2": "none",
        "samples a second": "short", "energy": "joule", "energy a sample": "joule", "CO2e": "massg", "restarts": "none",
    }  # fmt: skip
    names = (
        "progress_ratio", "loss", "validation_loss", "validation_accuracy_ratio", "validation_r2_ratio",
        "samples_per_second", None, "joules_per_sample", "emissions_co2e_grams_total", "restarts_total",
    )  # fmt: skip
    queries = [Query(ONE_JOB.of_job(name) if name else ONE_JOB.total("energy_joules_total")) for name in names]
    table = rows("Jobs", "none", "How far they are and what they have used.", list(units), *queries)
    for name, unit in units.items():
        table.override_by_name(name, column(unit))
    parts = ("recipe", "strategy", "precision", "image", "powerdomain")
    info = rows("What they are", "none", "Recipe, strategy, precision, image and power domain.",
                ["info"], Query(ONE_JOB.of_job("info", by=parts))).override_by_name("info", [hidden()])  # fmt: skip
    return Section("Figures", [Placed(with_links_to_job(table), 24, 7), Placed(info, 24, 6)])


def _curves() -> Section:
    return Section("Over time", [
        Placed(_curve("Loss", "none", "Training loss of the last recorded step.", ONE_JOB.of_job("loss")), 12, 10),
        Placed(
            _curve("Validation loss", "none", "Loss on the validation split.", ONE_JOB.of_job("validation_loss")),
            12, 10,
        ),
        Placed(
            _curve("Samples a second", "short", "Samples trained on per second, all workers together.",
                   ONE_JOB.of_job("samples_per_second")).min(0),
            8, 8,
        ),
        Placed(
            _curve("Power", "watt", "Mean power between two scrapes, measured and modelled together.",
                   ONE_JOB.total_rate("energy_joules_total")).min(0),
            8, 8,
        ),
        Placed(states("State over time", "State of each job.", Query(ONE_JOB.state_code(), _NAME)), 8, 8),
    ])  # fmt: skip


def _loss() -> Section:
    loss = ("loss", "none", Query(ONE_JOB.of_job("loss"), _NAME))
    step = ("step", "none", Query(ONE_JOB.of_job("step"), _NAME))
    energy = ("energy", "joule", Query(ONE_JOB.total("energy_joules_total"), _NAME))
    again = "After a restart steps come again: the newer loss is drawn. Grafana draws this from 11.1 on."
    return Section("Loss against steps, time and energy", [
        Placed(against("Loss by step", f"Training loss against optimizer steps. {again}", step, loss), 12, 10),
        Placed(
            against("Loss by energy", "Training loss against the energy of the job so far, measured and modelled "
                    "together: a lower line learns with fewer joules. Grafana draws this from 11.1 on.",
                    energy, loss),
            12, 10,
        ),
        Placed(loss_against_steps(ONE_JOB), 24, 7),
        Placed(loss_against_time(ONE_JOB), 24, 7),
        Placed(loss_against_energy(ONE_JOB), 24, 7),
    ])  # fmt: skip


def _curve(title: str, unit: str, description: str, expr: str) -> timeseries.Panel:
    return lines(title, unit, description, Query(expr, _NAME))
