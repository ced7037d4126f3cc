"""Dashboard *Operator*: whether Wattrain's operator keeps up, and what it asks of the API server."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import common

from wattrain_dashboards import frame
from wattrain_dashboards.frame import Placed, Section
from wattrain_dashboards.panels import figure, lines
from wattrain_dashboards.promql import RATE, Query

UID: Final = "wattrain-operator"
_SELECTED: Final = 'cluster=~"$cluster",instance=~"$instance"'
_LEADS: Final = "and on (cluster, instance) wattrain_operator_leader == 1"


def build_dashboard() -> dashboard.Dashboard:
    """The dashboard."""
    made = frame.dashboard_of(
        UID, "Wattrain / Operator", "Passes, requests, cache, watches and process of the operator."
    )
    instances = frame.values_variable("instance", "Operator", "wattrain_operator_leader")
    for variable in (frame.cluster_variable("wattrain_operator_leader"), instances):
        made = made.with_variable(variable)
    return frame.with_sections(made, [_now(), _passes(), _requests(), _cache(), _process()])


def _now() -> Section:
    lag = f"max({_of('event_loop_lag_seconds')})"
    started = f"min(time() - {_of_process('start_time_seconds')})"
    return Section("Now", [
        Placed(
            figure("Leaders", "none", "Operators that work. One is right; others stand by.",
                   Query(f"sum({_of('leader')})"), steps=((None, "red"), (1, "green"), (2, "red"))),
            3, 4,
        ),
        Placed(
            figure("Version", "none", "Versions of the operators that run.",
                   Query(f"count by (version) ({_of('build_info', 'version')})", "{{version}}"))
            .text_mode(common.BigValueTextMode.NAME),
            3, 4,
        ),
        Placed(
            figure("Jobs to look at", "none", "Jobs that wait to be looked at now.",
                   Query(f"sum({_of('queue_depth')})"), steps=((None, "green"), (100, "orange"))),
            3, 4,
        ),
        Placed(
            figure("Failing jobs", "none", "Jobs whose last pass failed, and which are tried again after a pause.",
                   Query(f"sum({_of('failing_jobs')})"), steps=((None, "green"), (1, "red"))),
            3, 4,
        ),
        Placed(
            figure("Age of the cache", "s", "Longest time since all objects of a kind were last read. That is done "
                   "every 90 seconds.", Query(f"max({_of('list_age_seconds', 'kind')} {_LEADS})"),
                   steps=((None, "green"), (300, "orange"), (600, "red"))),
            3, 4,
        ),
        Placed(
            figure("Missed changes", "none", "Changes that the last reading found and no watch had shown.",
                   Query(f"sum({_of('watch_missed_changes', 'kind')})"), steps=((None, "green"), (1, "orange"))),
            3, 4,
        ),
        Placed(
            figure("Event loop lag", "s", "How late the event loop was when last measured.", Query(lag),
                   steps=((None, "green"), (0.25, "orange"), (1, "red"))),
            3, 4,
        ),
        Placed(figure("Up since", "s", "Time since the youngest operator started.", Query(started)), 3, 4),
    ])  # fmt: skip


def _passes() -> Section:
    buckets = _rate("reconcile_duration_seconds_bucket", "le")
    return Section("Passes over jobs", [
        Placed(
            lines("Leader", "none", "1 for the operator that works, 0 for one that stands by.",
                  Query(_of("leader"), "{{instance}}")).min(0).decimals(0)
            .line_interpolation(common.LineInterpolation.STEP_AFTER),
            6, 8,
        ),
        Placed(
            lines("Time of a pass", "s", "Time of one pass over one job: looking, deciding, writing.",
                  Query(f"histogram_quantile(0.5, {buckets})", "median"),
                  Query(f"histogram_quantile(0.99, {buckets})", "99th percentile")).min(0),
            6, 8,
        ),
        Placed(
            lines("Passes a second", "ops", "Passes by outcome. `retry` is tried again after a pause, `crash` is a "
                  "defect of the operator.", Query(_rate("reconciles_total", "outcome"), "{{outcome}}")).min(0),
            6, 8,
        ),
        Placed(
            lines("Queue", "none", "Jobs that wait to be looked at, and jobs whose last pass failed.",
                  Query(f"sum({_of('queue_depth')})", "wait"),
                  Query(f"sum({_of('failing_jobs')})", "failing")).min(0).decimals(0),
            6, 8,
        ),
    ])  # fmt: skip


def _requests() -> Section:
    return Section("Requests", [
        Placed(
            lines("Requests to the API server", "ops", "Requests besides watches, by verb and resource.",
                  Query(_rate("api_requests_total", "verb", "resource"), "{{verb}} {{resource}}")).min(0),
            8, 8,
        ),
        Placed(
            lines("Requests by answer", "ops", "By HTTP status; 0: no answer. 404 and 409 are a part of normal work.",
                  Query(_rate("api_requests_total", "code"), "{{code}}")).min(0),
            8, 8,
        ),
        Placed(
            lines("Questions to workers", "ops", "How far they are. `unreachable`: no answer in time.",
                  Query(_rate("progress_requests_total", "outcome"), "{{outcome}}")).min(0),
            8, 8,
        ),
    ])  # fmt: skip


def _cache() -> Section:
    return Section("Cache and watches", [
        Placed(
            lines("Objects in the cache", "none", "Objects that the operator knows of.",
                  Query(f"max by (kind) ({_of('cache_objects', 'kind')})", "{{kind}}")).min(0).decimals(0),
            6, 8,
        ),
        Placed(
            lines("Age of the cache", "s", "Time since all objects of the kind were last read.",
                  Query(f"max by (kind) ({_of('list_age_seconds', 'kind')} {_LEADS})", "{{kind}}"),
                  steps=((None, "transparent"), (300, "orange"))).min(0),
            6, 8,
        ),
        Placed(
            lines("Age of watches", "s", "Time since a watch showed an object of the kind. Long where nothing changes.",
                  Query(f"max by (kind) ({_of('watch_age_seconds', 'kind')} {_LEADS})", "{{kind}}")).min(0),
            6, 8,
        ),
        Placed(
            lines("Missed changes", "none", "Changes that the last reading found and the watch has not shown: more "
                  "than 0 for long means a watch that shows nothing.",
                  Query(f"max by (kind) ({_of('watch_missed_changes', 'kind')})", "{{kind}}")).min(0).decimals(0),
            6, 8,
        ),
    ])  # fmt: skip


def _process() -> Section:
    cpu = _of_operators(f"rate(process_cpu_seconds_total{{{_SELECTED}}}[{RATE}])")
    return Section("Process", [
        Placed(lines("CPU", "none", "CPUs in use.", Query(cpu, "{{instance}}")).min(0), 6, 8),
        Placed(
            lines("Memory", "bytes", "Memory in use.",
                  Query(_of_process("resident_memory_bytes"), "{{instance}}")).min(0),
            6, 8,
        ),
        Placed(
            lines("Open files", "none", "File descriptors in use, connections among them.",
                  Query(_of_process("open_fds"), "{{instance}}")).min(0).decimals(0),
            6, 8,
        ),
        Placed(
            lines("Event loop lag", "s", "How late the event loop was when last measured.",
                  Query(_of("event_loop_lag_seconds"), "{{instance}}"),
                  steps=((None, "transparent"), (0.25, "orange"))).min(0),
            6, 8,
        ),
    ])  # fmt: skip


def _of(name: str, *labels: str) -> str:
    """One series an operator of the gauge `name`, or one for each value of `labels`."""
    return f"max by ({', '.join(('cluster', 'instance', *labels))}) (wattrain_operator_{name}{{{_SELECTED}}})"


def _rate(name: str, *labels: str) -> str:
    """How fast a counter of all operators grows, a second."""
    of_one = f"rate(wattrain_operator_{name}{{{_SELECTED}}}[{RATE}])"
    return f"sum by ({', '.join(labels)}) (max by ({', '.join(('cluster', 'instance', *labels))}) ({of_one}))"


def _of_process(name: str) -> str:
    return _of_operators(f"process_{name}{{{_SELECTED}}}")


def _of_operators(expr: str) -> str:
    """`expr`, which all programs may export, of operators alone."""
    return f"max by (cluster, instance) ({expr} and on (cluster, job, instance) wattrain_operator_leader)"
