"""Policies on a trace, in virtual time, and `wattrain simulate`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from wattrain_api.carbon_format import read_series
from wattrain_api.powerdomain import PowerDomainSpec
from wattrain_operator.cli.app import app
from wattrain_operator.policies.comparing import Setting, simulate
from wattrain_operator.policies.job_trace import TraceError, TraceJob, read_trace
from wattrain_operator.policies.outcome import Outcome, bound_of
from wattrain_operator.policies.registry import POLICIES
from wattrain_operator.policies.virtual_time import Run

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
BY_NAME = {policy.name: policy for policy in POLICIES}


def job(name: str, submit: float, watts: float, duration: float, **more: Any) -> TraceJob:
    return TraceJob(name, "team", submit, 1, watts, duration, **more)


def under(policy: str, *jobs: TraceJob, series: str = "", **domain: Any) -> tuple[Outcome, Run]:
    spec = PowerDomainSpec.model_validate({"capWatts": 100.0, "headroomPercent": 0, **domain})
    known = read_series(series.encode(), "", "Average", "made") if series else None
    return simulate(jobs, BY_NAME[policy], Setting(spec, known, BEGIN, 2.0), lambda: 0.0)


HEAD_WAITS = (
    job("runs", 0, 60, 1000),
    job("head", 1, 80, 100),
    job("long", 2, 40, 5000),
    job("short", 3, 40, 100),
    job("small", 4, 20, 5000),
)


def test_in_order_nobody_overtakes() -> None:
    _, run = under("fifo", *HEAD_WAITS)
    assert run.starts == [0, 1000, 1100, 1100, 1100]


def test_who_delays_nobody_overtakes() -> None:
    outcome, run = under("cap-backfill", *HEAD_WAITS)
    assert run.starts == [0, 1000, 1100, 3, 103]
    assert outcome.makespan_seconds == 6100
    assert outcome.mean_wait_seconds == pytest.approx((0 + 999 + 1098 + 0 + 99) / 5)


def test_priority_goes_before_age() -> None:
    jobs = (job("runs", 0, 90, 100), job("old", 1, 90, 10), job("urgent", 2, 90, 10, priority=1))
    assert under("priority", *jobs)[1].starts == [0, 110, 100]
    assert under("fifo", *jobs)[1].starts == [0, 100, 110]


def test_what_the_cap_never_has_room_for_holds_nobody_up() -> None:
    outcome, run = under("fifo", job("huge", 0, 101, 10), job("small", 1, 50, 10))
    assert (run.starts, outcome.jobs) == ([inf, 1], 1)


def test_a_domain_with_preemption_has_the_lower_priority_stop_and_go_on_where_it_was() -> None:
    jobs = (job("low", 0, 90, 100), job("same", 1, 90, 50), job("high", 40, 90, 10, priority=1), job("end", 300, 9, 1))
    outcome, run = under("cap-backfill", *jobs, preemption="LowerPriority")
    assert (run.starts, run.ends, outcome.preemptions) == ([0, 110, 40, 300], [110, 160, 50, 301], 1)
    assert outcome.mean_wait_seconds == pytest.approx((10 + 109 + 0 + 0) / 4)
    assert outcome.energy_kwh * 3.6e6 == pytest.approx(90 * 160 + 9)
    assert outcome.cap_overshoot_watt_seconds == 0
    assert under("cap-backfill", *jobs)[1].ends == [100, 160, 110, 301]
    assert under("priority", *jobs, preemption="LowerPriority")[1].ends == [100, 160, 110, 301]


def test_a_window_that_is_booked_is_free_again_where_the_job_in_it_is_preempted() -> None:
    jobs = (job("low", 0, 100, 7200), job("high", 60, 100, 60, priority=1))
    outcome, run = under("carbon", *jobs, preemption="LowerPriority", series=THREE_HOURS)
    assert (run.ends, outcome.preemptions) == ([7260, 120], 1)


def test_energy_is_that_of_jobs_and_of_the_base_and_carbon_and_cost_are_those_of_the_facility() -> None:
    domain = {"baseWatts": 20.0, "pue": 1.5, "tariff": {"pricePerKWh": 0.5}, "carbon": {"gramsPerKWh": 400.0}}
    outcome, _ = under("fifo", job("a", 0, 60, 3600), **domain)
    assert outcome.energy_kwh == pytest.approx(0.08)
    assert outcome.carbon_kg == pytest.approx(0.08 * 1.5 * 0.4)
    assert outcome.cost == pytest.approx(0.08 * 1.5 * 0.5)


def test_with_clean_hours_a_job_waits_for_its_cleanest_window() -> None:
    series = "time,gramsPerKWh\n2026-01-01T00:00Z,500\n2026-01-01T01:00Z,100\n2026-01-01T02:00Z,500\n"
    patient = job("patient", 0, 60, 3600, deadline_seconds=4 * 3600.0)
    outcome, run = under("carbon", patient, series=series)
    assert run.starts == [3600]
    assert outcome.carbon_kg == pytest.approx(0.06 * 0.1)
    assert under("cap-backfill", patient, series=series)[0].carbon_kg == pytest.approx(0.06 * 0.5)


THREE_HOURS = "time,gramsPerKWh\n2026-01-01T00:00Z,500\n2026-01-01T01:00Z,100\n2026-01-01T02:00Z,200\n"


def test_a_clean_window_that_is_taken_is_not_waited_for() -> None:
    of_an_hour = [job(name, n, 60, 3600, deadline_seconds=6 * 3600.0) for n, name in enumerate("ab")]
    outcome, run = under("carbon", *of_an_hour, series=THREE_HOURS)
    assert run.starts == [3600, 7200]
    assert outcome.deadlines_missed == 0


def test_while_others_wait_for_room_nobody_waits_for_clean_hours() -> None:
    full = [job("runs", 0, 100, 7200), job("queued", 1, 60, 3600)]
    patient = job("patient", 2, 20, 3600, deadline_seconds=6 * 3600.0)
    _, run = under("carbon", *full, patient, series=THREE_HOURS)
    assert run.starts == [0, 7200, 7200]


def test_a_window_leaves_time_for_what_a_job_takes_longer_and_for_its_queue() -> None:
    clean_at_last = "time,gramsPerKWh\n2026-01-01T00:00Z,500\n2026-01-01T02:00Z,100\n"
    for hours, start in ((3.0, 0), (4.3, 7200)):
        patient = job("patient", 0, 60, 3600, deadline_seconds=hours * 3600)
        assert under("carbon", patient, series=clean_at_last)[1].starts == [start]


JOBS = st.lists(
    st.builds(
        job, st.just("a"), st.integers(0, 500).map(float), st.integers(1, 100).map(float),
        st.integers(1, 900).map(float), priority=st.integers(0, 2),
    ),
    min_size=1,
    max_size=30,
)  # fmt: skip


_BACKFILLS = (("cap-backfill", "Never"), ("cap-backfill", "LowerPriority"))


@settings(deadline=None)
@given(JOBS)
def test_no_policy_exceeds_the_cap_loses_a_job_or_beats_perfect_packing(jobs: list[TraceJob]) -> None:
    ordered = sorted(jobs, key=lambda each: each.submit_seconds)
    least = bound_of(ordered, 100.0)
    for policy, preemption in (("fifo", "Never"), ("priority", "Never"), *_BACKFILLS):
        outcome, run = under(policy, *ordered, preemption=preemption)
        assert outcome.jobs == len(jobs)
        assert all(start >= each.submit_seconds for start, each in zip(run.starts, ordered, strict=True))
        assert outcome.cap_overshoot_watt_seconds == 0
        assert outcome.makespan_seconds >= least.makespan_seconds - 1e-6
        assert outcome.mean_completion_seconds >= least.mean_completion_seconds - 1e-6
        joules = sum(each.watts * each.duration_seconds for each in jobs)
        assert outcome.energy_kwh * 3.6e6 == pytest.approx(joules)


LINE: dict[str, Any] = {
    "name": "a", "namespace": "b", "submitSeconds": 0, "workers": 1, "wattsPerWorker": 1, "durationSeconds": 1,
}  # fmt: skip


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("{", "line 2: is no JSON"),
        ("[]", r"line 2: is '\[\]'; write one object a line"),
        (json.dumps({**LINE, "workers": 0}), "line 2: workers is 0; write a whole number from 1 on"),
        (json.dumps({**LINE, "durationSeconds": -1}), "line 2: durationSeconds is -1; write a number from 0 on"),
        (json.dumps({**LINE, "gpus": 1}), "line 2: gpus is no field; remove it"),
        (json.dumps({k: v for k, v in LINE.items() if k != "name"}), "line 2: name is missing; give it"),
        (json.dumps({**LINE, "submitSeconds": float("nan")}), "line 2: submitSeconds is nan"),
        (json.dumps({**LINE, "namespace": 3}), "line 2: namespace is 3; write a text"),
    ],
)
def test_a_line_that_is_none_of_a_trace_is_refused_by_its_number(line: str, sentence: str) -> None:
    with pytest.raises(TraceError, match=sentence):
        read_trace([json.dumps(LINE), line])


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    trace, domain = tmp_path / "jobs.jsonl", tmp_path / "domain.yaml"
    trace.write_text(f"{json.dumps(LINE)}\n")
    kind = {"apiVersion": "wattrain.dev/v1alpha1", "kind": "PowerDomain", "metadata": {"name": "hall"}}
    domain.write_text(json.dumps({**kind, "spec": {"capWatts": 100}}))
    return trace, domain


def ask(trace: Path, domain: Path, *more: str) -> Any:
    return CliRunner().invoke(app, ["simulate", "--trace", str(trace), "--domain", str(domain), *more])


def test_the_command_compares_all_policies_or_those_that_are_named(files: tuple[Path, Path]) -> None:
    told = json.loads(ask(*files, "--output", "json").stdout)
    assert [each["policy"] for each in told["policies"]] == list(BY_NAME)
    assert told["policies"][0].keys() >= {
        "jobs", "makespanSeconds", "meanCompletionSeconds", "p95CompletionSeconds", "meanWaitSeconds", "energyKWh",
        "carbonKg", "cost", "capOvershootWattSeconds", "eventsPerMinute",
    }  # fmt: skip
    table = ask(*files, "--policy", "fifo").stdout.splitlines()
    assert [line.split()[0] for line in table] == ["POLICY", "fifo", "(bound)"]


def test_what_the_command_cannot_read_is_refused_with_its_place(files: tuple[Path, Path]) -> None:
    trace, domain = files
    for answer, sentence in (
        (ask(trace, domain, "--policy", "best"), "--policy: there is no 'best'; write one of fifo, priority"),
        (ask(trace.with_name("none"), domain), "none: cannot be read"),
        (ask(trace, trace), "jobs.jsonl"),
        (ask(domain, domain), "line 1: "),
    ):
        assert answer.exit_code == 2
        assert sentence in answer.stderr
