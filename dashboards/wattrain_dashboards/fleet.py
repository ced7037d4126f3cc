"""Dashboard *Fleet*: all jobs of a cluster or of some namespaces."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders import common as build
from grafana_foundation_sdk.builders import dashboard, table
from grafana_foundation_sdk.models import common

from wattrain_dashboards import fleet_caps, fleet_energy, frame
from wattrain_dashboards.frame import Placed, Section
from wattrain_dashboards.panels import column, dashed, lines, rows, with_links_to_job
from wattrain_dashboards.promql import ALL_JOBS, IDENTITY, Query, of_domain

UID: Final = "wattrain-fleet"


def build_dashboard() -> dashboard.Dashboard:
    """The dashboard."""
    made = frame.dashboard_of(UID, "Wattrain / Fleet", "Jobs, queue, power, energy, carbon and cost of all jobs.")
    domains = frame.values_variable("powerdomain", "Power domain", "wattrain_powerdomain_granted_jobs")
    for variable in (frame.cluster_variable(), frame.namespaces_variable(), domains):
        made = made.with_variable(variable)
    made = made.refresh("1m")
    return frame.with_sections(made, [fleet_energy.now(), _jobs(), *fleet_caps.sections(), *fleet_energy.sections()])


def _jobs() -> Section:
    # Nine in ten of these series are 0: of 1,000 jobs they are dropped before anything is grouped.
    in_state = f"max by ({', '.join(IDENTITY)}, state) ({ALL_JOBS.job('state')} == 1)"
    # Without the zeros a legend goes on saying how many there were when the last one left the state.
    seen = f"max by (state) (max_over_time({ALL_JOBS.job('state')}[$__range] @ end())) == 1"
    states = f"count by (state) ({in_state}) or ({seen}) * 0"
    ready, desired = (f"sum({ALL_JOBS.of_job(f'workers_{what}')})" for what in ("ready", "desired"))
    return Section("Jobs", [
        Placed(
            lines("Jobs by state", "none", "Jobs in each state.", Query(states, "{{state}}")).min(0).decimals(0)
            .fill_opacity(30).stacking(build.StackingConfig().mode(common.StackingMode.NORMAL)),
            9, 9,
        ),
        Placed(
            lines("Jobs that run, by power domain", "none", "Jobs that a power domain lets run, those that wait for "
                  "it, and how many it lets run at most: `maxRunningJobs`, where it is set.",
                  Query(of_domain("granted_jobs"), "{{powerdomain}}, granted"),
                  Query(of_domain("queued_jobs"), "{{powerdomain}}, queued"),
                  Query(of_domain("max_running_jobs"), "{{powerdomain}}, at most"))
            .min(0).decimals(0).line_interpolation(common.LineInterpolation.STEP_AFTER)
            .override_by_regexp("/at most/", [dashed(4)]),
            9, 9,
        ),
        Placed(fleet_caps.waiting_jobs(), 6, 9),
        Placed(
            lines("Jobs by namespace", "none", "Jobs that have not ended, by namespace.",
                  Query(f"count by (namespace) ({_not_ended()})", "{{namespace}}")).min(0).decimals(0),
            6, 8,
        ),
        Placed(
            lines("Workers", "none", "Workers of all jobs: those that are to be there, and those whose supervisor "
                  "answers.", Query(desired, "desired"), Query(ready, "ready")).min(0).decimals(0)
            .line_interpolation(common.LineInterpolation.STEP_AFTER),
            6, 8,
        ),
        Placed(with_links_to_job(_stand_still()), 12, 8),
    ])  # fmt: skip


def _not_ended() -> str:
    going_on = ALL_JOBS.job("state", 'state!~"Complete|Failed"')
    return f"max by ({', '.join(IDENTITY)}) ({going_on}) == 1"


def _stand_still() -> table.Panel:
    """By the state as a label, since a table shows labels as texts."""
    stuck = ALL_JOBS.job("state", 'state=~"Failed|Suspending|Suspended|Restarting|Pending"')
    of_state = f"(max by ({', '.join(IDENTITY)}, state) ({stuck}) == 1)"
    on_job = f"on ({', '.join(IDENTITY)}) group_left ()"
    restarts = f"{of_state} * {on_job} {ALL_JOBS.of_job('restarts_total')}"
    lost = f"{of_state} * {on_job} {ALL_JOBS.of_job('wasted_energy_joules')}"
    panel = rows(
        "Jobs that stand still", "none", "Jobs that have failed, are suspended, restart or have not begun, with their "
        "restarts and the energy that these have lost.", ["restarts", "lost in restarts"], Query(restarts), Query(lost),
    )  # fmt: skip
    return panel.override_by_name("lost in restarts", column("joule"))
