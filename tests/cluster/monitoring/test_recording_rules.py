"""What the recording rules compute, by promtool, where the result is known by other means."""

import math
from pathlib import Path

from harness.rules_world import series_of_job

ENERGY = 'wattrain_trainingjob_energy_joules_total{component="%s",source="model"}'
WORKER = 'wattrain_worker_%s_total{worker="%s"}'
DEMO = '{namespace="team-a", trainingjob="demo"}'
TEAM = '{namespace="team-a"}'


def of(job, **figures):
    return {series_of_job(job, f"wattrain_trainingjob_{name}"): figure for name, figure in figures.items()}


def joules(job, component, watts, pod="1"):
    key = (ENERGY % component).replace("}", f',pod="{pod}"}}')
    return {series_of_job(job, key): lambda m: 60 * watts * m}


def checked(world, series, expected, minutes=30):
    """promtool's objections to what is recorded at the end: names, and values by labels to a thousandth."""
    rounded = [(minutes, f"round({name}, 0.001)", values) for name, values in expected]
    return world.check(series, rounded, minutes=minutes)


def test_watts_are_summed_over_components_and_jobs_and_counted_once_while_operators_change(world):
    series = joules("demo", "cpu", 100) | joules("demo", "gpu", 50) | joules("demo", "cpu", 100, pod="2")
    series |= joules("other", "cpu", 30)
    series |= of("demo", power_watts=lambda m: 150) | of("other", power_watts=lambda m: 30)
    assert checked(world, series, [
        ("namespace:wattrain_trainingjob_energy_joules:rate5m", {TEAM: 180}),
        ("namespace:wattrain_trainingjob_power_watts:sum", {TEAM: 180}),
        ("namespace_trainingjob:wattrain_trainingjob_energy_joules:rate5m",
         {DEMO: 150, DEMO.replace("demo", "other"): 30}),
    ]) == ""  # fmt: skip


def test_joules_a_sample_are_those_of_all_workers_and_absent_where_none_is_trained(world):
    series = {
        series_of_job(job, WORKER % (name, worker)): lambda m, pace=pace: pace * m
        for job, samples in (("demo", 600), ("idle", 0))
        for worker in ("0", "1")
        for name, pace in (("energy_joules", 3000), ("samples", samples))
    }
    name = "namespace_trainingjob:wattrain_worker_energy_joules_per_sample:ratio_rate5m"
    assert checked(world, series, [(name, {DEMO: 5})]) == ""


def test_the_energy_that_halves_the_loss_is_that_of_its_half_life(world):
    """100 W, and a loss with a half-life of 10 minutes: 60 kJ. A loss that rises, or is negative, has none."""
    series = joules("demo", "cpu", 100) | of("demo", loss=lambda m: 2 * math.pow(0.5, m / 10))
    series |= joules("rises", "cpu", 100) | of("rises", loss=lambda m: 1 + m)
    series |= joules("negative", "cpu", 100) | of("negative", loss=lambda m: -1.0 - m)
    name = "namespace_trainingjob:wattrain_trainingjob_energy_joules_per_loss_halving:ratio_rate15m"
    assert checked(world, series, [(name, {DEMO: 60_000})]) == ""


def test_goodput_is_what_was_not_wasted_and_the_share_of_time_that_trained(world):
    series = joules("demo", "cpu", 100) | joules("demo", "gpu", 100) | joules("unknown", "cpu", 900)
    series |= of("demo", wasted_energy_joules=lambda m: 60 * 50 * m)  # of the other job it is not known
    seconds = {"Queued": 0, "Starting": 5, "Running": 45, "Restarting": 10, "Suspended": 0}
    series |= of("demo", **{f'phase_seconds_total{{phase="{p}"}}': lambda m, s=s: s * m for p, s in seconds.items()})
    series |= of("demo", **{'phase_seconds_total{phase="Pending"}': lambda m: 7 * m})
    assert checked(world, series, [
        ("namespace_trainingjob:wattrain_trainingjob_productive_energy:ratio", {DEMO: 0.75}),
        ("namespace:wattrain_trainingjob_productive_energy:ratio", {TEAM: 0.75}),
        ("namespace_trainingjob:wattrain_trainingjob_running_time:ratio", {DEMO: 0.75}),
    ]) == ""  # fmt: skip


def test_the_loss_is_without_the_noise_of_single_batches(world):
    name = "namespace_trainingjob:wattrain_trainingjob_loss:avg10m"
    assert checked(world, of("demo", loss=lambda m: 3 if m % 11 else -8), [(name, {DEMO: 2})]) == ""


def test_a_wrong_expectation_is_found(world):
    series = of("demo", power_watts=lambda m: 150)
    said = checked(world, series, [("namespace:wattrain_trainingjob_power_watts:sum", {TEAM: 151})])
    assert "1.51E+02" in said
    assert "1.5E+02" in said


def test_every_recording_rule_is_computed_here(rules):
    text = Path(__file__).read_text(encoding="utf-8")
    assert [rule["record"] for rule in rules("recording.yaml") if rule["record"] not in text] == []
