"""What dashboards show is what the jobs' statuses say, and what follows from them."""

import math

import pytest
from harness import past_exporters, past_fleet
from harness.past_server import HOUR, dashboard

from wattrain_api.status import TrainingJobStatus

FIGURES = {
    ("Progress", "A"): lambda status: status.progress.percent / 100,
    ("Steps", "A"): lambda status: status.progress.step,
    ("Steps", "B"): lambda status: status.progress.total_steps,
    ("Loss", "A"): lambda status: status.progress.shown_loss,
    ("Samples a second", "A"): lambda status: status.progress.samples_per_second,
    ("Restarts", "A"): lambda status: status.restart_count,
    ("Power", "A"): lambda status: status.energy.watts,
    ("Energy", "A"): lambda status: sum(meter.low_joules for meter in status.energy.meters),
    ("Energy", "B"): lambda status: status.energy.joules,
    ("Energy", "C"): lambda status: sum(meter.high_joules for meter in status.energy.meters),
    ("Measured share", "A"): lambda status: status.energy.measured_ratio,
    ("CO2e", "A"): lambda status: status.energy.carbon_grams,
    ("Energy a sample", "A"): lambda status: status.energy.joules_per_sample,
}
"""By panel and query of *Training job*, what it is of the status."""
TRAINED = ("digits", "wine", "diverges", "gpu")


def job_of(past, name):
    return next(job for job in past.fleet if job.name == name)


@pytest.mark.parametrize("name", TRAINED)
def test_the_figures_of_a_job_are_those_of_its_status(past, name):
    job = job_of(past, name)
    status: TrainingJobStatus = job.status(past_fleet.START)
    for (panel, ref), of_status in FIGURES.items():
        [shown] = past.figures("training-job", panel, ref, namespace=job.namespace, job=name)
        assert shown.value == pytest.approx(of_status(status), nan_ok=True), panel


def test_a_loss_that_is_no_number_is_called_that(past):
    assert math.isnan(job_of(past, "diverges").loss)
    panel = next(panel for panel in dashboard("training-job")["panels"] if panel["title"] == "Loss")
    assert panel["fieldConfig"]["defaults"]["mappings"][0]["options"]["match"] == "nan"


def test_the_state_is_called_by_its_name(past):
    panel = next(panel for panel in dashboard("training-job")["panels"] if panel["title"] == "State")
    [mapping] = panel["fieldConfig"]["defaults"]["mappings"]
    for job in past.fleet:
        [shown] = past.figures("training-job", "State", namespace=job.namespace, job=job.name)
        assert mapping["options"][str(int(shown.value))]["text"] == job.state


@pytest.mark.parametrize("start", [HOUR.start, HOUR.start + 1800], ids=["the hour", "the second half"])
def test_energy_in_the_time_that_is_shown_is_exact_although_the_leader_changed(past, start):
    used = {}
    for job, before in zip(past.fleet, past_fleet.jobs(), strict=True):
        before.advance(int(start - HOUR.start))
        used[job.namespace] = used.get(job.namespace, 0.0) + job.total_joules - before.total_joules
    assert used["team-b"] > used["team-a"] > 0
    window = HOUR._replace(start=start)
    [whole] = past.figures("fleet", "Energy", window=window)
    assert whole.value == pytest.approx(sum(used.values()))
    shown = past.figures("fleet", "Energy by namespace", window=window)
    assert {sample.labels["namespace"]: sample.value for sample in shown} == pytest.approx(used)


@pytest.mark.parametrize(("name", "ref"), [("digits", "B"), ("wine", "B"), ("gpu", "A")])
def test_the_area_below_the_power_is_the_energy_within_two_percent(past, name, ref):
    job = job_of(past, name)
    curves = past.curves("training-job", "Power by component and source", ref, namespace=job.namespace, job=name)
    joules = sum(watts * HOUR.step for curve in curves for _, watts in curve.points)
    assert joules == pytest.approx(job.total_joules, rel=0.02)


def test_waits_are_shares_of_the_time_of_a_rank(past):
    [waits] = past.curves("training-job", "Where a step waits", "A", namespace="team-a", job="wine")
    # 2 steps a second; two ranks together wait 0.002 s a step in worker 0, and 0.004 s in worker 1.
    assert waits.points[-1][1] == pytest.approx((0.004 + 0.008) / 4, rel=0.01)
    [saves] = past.curves("training-job", "Where a step waits", "B", namespace="team-a", job="wine")
    assert max(share for _, share in saves.points) == pytest.approx(0.05 / 90, rel=0.01)  # four scrapes span 90 s


def test_the_power_does_not_dip_while_another_operator_takes_over(past):
    [curve] = past.curves("fleet", "Power by namespace", "A", namespace="team-b")
    around = [watts for time, watts in curve.points if abs(time - HOUR.start - past_fleet.HANDOVER) <= 180]
    assert len(around) > 10
    assert min(around) == pytest.approx(500, rel=0.02)
    assert max(around) == pytest.approx(500, rel=0.02)


@pytest.mark.parametrize("name", ["digits", "wine"])
def test_a_loss_costs_what_the_job_had_used_when_it_was_there(past, name):
    job = job_of(past, name)
    shown = past.figures("training-job", "What each loss took", "C", namespace=job.namespace, job=name)
    then = next(other for other in past_fleet.jobs() if other.name == name)
    while not then.step or then.loss > 0.5:
        then.advance(then.second + past_fleet.SCRAPE_SECONDS)
    assert {s.labels["loss"]: s.value for s in shown}["0.5"] == pytest.approx(then.total_joules)


@pytest.mark.parametrize(("mark", "name", "since", "until"), [
    ("Restart", "digits", 1410, 1410), ("Suspended", "wine", 935, 1810),
])  # fmt: skip
def test_a_mark_is_where_something_happened_and_nowhere_else(past, mark, name, since, until):
    [curve] = past.curves("training-job", f"annotation {mark}", namespace="team-a", job=name)
    seconds = [time - HOUR.start for time, _ in curve.points]
    assert since <= min(seconds) <= since + 60
    assert until - 60 <= max(seconds) <= until + 180


@pytest.mark.parametrize(("panel", "ref", "value"), [
    ("GPU utilisation", "A", 0.9), ("GPU utilisation", "B", 0.4), ("GPU memory", "A", 2048 * 2**20),
    ("GPU temperature", "A", 61), ("GPU clock", "A", 1.41e9), ("GPU power", "A", 230),
])  # fmt: skip
def test_of_the_gpus_of_a_node_those_of_the_job_are_shown(past, panel, ref, value):
    curves = past.curves("training-job", panel, ref, namespace="team-b", job="gpu")
    assert sorted(curve.labels["gpu"] for curve in curves) == ["0", "1"]  # the node has a third
    assert [curve.points[-1][1] for curve in curves] == pytest.approx([value, value])


@pytest.mark.parametrize(("panel", "ref", "value"), [
    ("CPU by pod", "A", 1.5), ("Memory by pod", "A", past_exporters.MEMORY_BYTES), ("Network by pod", "A", 3e6),
    ("Network by pod", "B", 3e6), ("Disk by pod", "A", 1e4), ("Disk by pod", "B", 2e4),
])  # fmt: skip
def test_of_all_pods_those_of_the_job_are_shown(past, panel, ref, value):
    curves = past.curves("training-job", panel, ref, namespace="team-a", job="wine")
    assert sorted(curve.labels["pod"] for curve in curves) == ["wine-1-0", "wine-1-1"]
    assert [curve.points[-1][1] for curve in curves] == pytest.approx([value, value])


def test_the_power_of_all_nodes_is_that_of_all_jobs(past):
    by_node = past.curves("fleet", "Power by node")
    assert sorted(curve.labels["node"] for curve in by_node) == ["node-0", "node-1"]
    [whole] = past.figures("fleet", "Power")
    assert sum(curve.points[-1][1] for curve in by_node) == pytest.approx(whole.value)


def test_jobs_that_stand_still_and_those_that_have_ended_are_listed(past):
    [failed] = past.figures("fleet", "Jobs that stand still", "A")
    assert (failed.labels["trainingjob"], failed.labels["state"], failed.value) == ("diverges", "Failed", 0)
    middle = HOUR._replace(end=HOUR.start + 1200)
    [suspended] = past.figures("fleet", "Jobs that stand still", "A", window=middle)
    assert (suspended.labels["trainingjob"], suspended.labels["state"]) == ("wine", "Suspended")
    took = {each.labels["trainingjob"]: each.value for each in past.figures("fleet", "Jobs that have ended", "A")}
    assert took == {"digits": 2350 - 35, "diverges": 2400 - 40}
    joules = {each.labels["trainingjob"]: each.value for each in past.figures("fleet", "Jobs that have ended", "B")}
    assert joules == pytest.approx({name: job_of(past, name).total_joules for name in took})


def test_jobs_and_workers_are_counted_by_namespace(past):
    counts = {curve.labels["namespace"]: curve.points[-1][1] for curve in past.curves("fleet", "Jobs by namespace")}
    assert counts == {"team-a": 1, "team-b": 2}
    assert [past.curves("fleet", "Workers", ref)[0].points[-1][1] for ref in "AB"] == [4, 4]


@pytest.mark.parametrize("name", TRAINED)
def test_energy_by_cause_is_that_of_the_status_and_sums_up_to_the_energy(past, name):
    job = job_of(past, name)
    status = job.status(past_fleet.START)
    shown = past.figures("training-job", "Energy by cause", namespace=job.namespace, job=name)
    told = {each.cause: each.joules for each in status.causes if each.joules}
    assert {each.labels["cause"]: each.value for each in shown} == pytest.approx(told)
    assert sum(each.value for each in shown) == pytest.approx(status.energy.joules)


def test_energy_beside_training_is_that_of_all_jobs_by_cause(past):
    told = {}
    for job in past.fleet:
        for each in job.status(past_fleet.START).causes:
            told[each.cause] = told.get(each.cause, 0.0) + each.joules
    shown = past.figures("fleet", "Energy beside training, by cause", "A")
    assert {each.labels["cause"]: each.value for each in shown} == pytest.approx(
        {cause: joules for cause, joules in told.items() if cause != "training"}
    )
    assert "computed_again" in told


@pytest.mark.parametrize(
    ("panel", "ref", "of_status"),
    [
        ("Power under a cap", "A", lambda status: status.power_cap.target_watts),
        ("Power under a cap", "B", lambda status: status.power_cap.effective_watts),
        ("Power under a cap", "C", lambda status: status.energy.watts),
        ("Duty cycle", "A", lambda status: status.power_cap.duty_ratio),
        ("Budget", "A", lambda status: status.budget.used_ratio),
        ("Budget", "B", lambda status: status.budget.forecast_ratio),
    ],
)
def test_cap_and_budget_of_a_job_are_those_of_its_status(past, panel, ref, of_status):
    [curve] = past.curves("training-job", panel, ref, namespace="team-b", job="gpu")
    assert curve.points[-1][1] == pytest.approx(of_status(job_of(past, "gpu").status(past_fleet.START)))


@pytest.mark.parametrize(("ref", "watts"), [("A", None), ("B", 560), ("C", 700), ("D", 800)])
def test_power_is_shown_against_the_cap_of_its_domain(past, ref, watts):
    [curve] = past.curves("fleet", "Power against cap", ref)
    drawn = sum(job.status(past_fleet.START).energy.watts or 0.0 for job in past.fleet)
    assert curve.points[-1][1] == pytest.approx(drawn if watts is None else watts)


def test_who_waits_is_shown_with_what_for_and_until_when(past):
    [waits] = past.figures("fleet", "Queue", "A")
    assert (waits.labels["trainingjob"], waits.labels["reason"]) == ("waits", "Queued")
    assert waits.value == 1000 * past_fleet.END  # the past's conditions are of the moment that is asked about
    [position], [start] = past.figures("fleet", "Queue", "B"), past.figures("fleet", "Queue", "C")
    assert (position.value, start.value) == (1, 1000 * (past_fleet.START + 7200))


def test_what_clean_hours_have_saved_is_that_of_the_statuses(past):
    hours = job_of(past, "gpu").status(past_fleet.START).clean_hours
    [saved] = past.curves("fleet", "CO2e saved by clean hours")
    assert saved.labels == {"basis": "Average"}
    assert saved.points[-1][1] == pytest.approx(hours.at_once_grams - hours.grams)
