"""When the alerts of jobs fire, and when they do not, by promtool: each case is a job of the same world."""

import math
import re

from harness.rules_world import LONGEST_MINUTES, job_figures, operator_figures

PREFIX = "wattrain_trainingjob_"
EVER = f'max_over_time(ALERTS{{alertstate="firing"}}[{LONGEST_MINUTES + 1}m])'


def state_of(*spans):
    """The state in each minute, of (state, minutes) in order; the last one lasts."""

    def state(minute):
        for word, minutes in spans:
            if minute < minutes:
                return word
            minute -= minutes
        return spans[-1][0]

    return state


def constant(value):
    return lambda m: value


def since(minute, before, after):
    """`before` until that minute, then `after`."""
    return lambda m: before(m) if m < minute else after(m)


def stops_at(minute, pace):
    """A counter that grows by `pace` a minute until then."""
    return lambda m: pace * min(m, minute)


def of_job(**figures):
    return {PREFIX + name: figure for name, figure in figures.items()}


def of_domain(**figures):
    return {f"wattrain_powerdomain_{name}": figure for name, figure in figures.items()}


RUNNING, QUEUED, PENDING, STARTING = (state_of((word, 1)) for word in ("Running", "Queued", "Pending", "Starting"))
FREE = of_domain(granted_jobs=constant(0))
IN_DEFAULT = of_job(info=None) | {PREFIX + 'info{recipe="mlp",powerdomain="default"}': constant(1)}
ENDED_AT_ONE_HOUR = of_job(completion_timestamp_seconds=constant(3600))
V_SHAPED = since(60, lambda m: 2.3 - m / 30, lambda m: 0.3 + (m - 60) / 30)

FIRING = {
    "a loss that is nan":
        ("LossNotFinite", RUNNING, of_job(loss=since(30, constant(1), constant(math.nan))), 30, 32),
    "a loss that is infinite":
        ("LossNotFinite", RUNNING, of_job(loss=since(30, constant(1), constant(math.inf))), 30, 32),
    "a loss that rises":
        ("LossDiverging", RUNNING, of_job(loss=V_SHAPED), 80, 115),
    "a group that hangs":
        ("JobMakesNoSteps", RUNNING, of_job(steps_total=stops_at(30, 100)), 59, 62),
    "four restarts in twenty minutes":
        ("JobRestartsOften", RUNNING, of_job(restarts_total=lambda m: max(0, min(4, (m - 30) // 5))), 44, 50),
    "queued in a domain with a free place":
        ("JobWaitsWithoutReason", QUEUED, FREE, 9, 12),
    "queued in a domain without a limit":
        ("JobWaitsWithoutReason", QUEUED, of_domain(max_running_jobs=None), 9, 12),
    "queued in the domain default that nobody has created":
        ("JobWaitsWithoutReason", QUEUED, of_domain(accepted=None, max_running_jobs=None) | IN_DEFAULT, 9, 12),
    "not looked at by any operator":
        ("JobWaitsWithoutReason", PENDING, FREE, 9, 12),
    "a domain that is not accepted":
        ("JobWaitsForPowerDomain", PENDING, of_domain(accepted=constant(0)), 9, 12),
    "a domain that does not exist":
        ("JobWaitsForPowerDomain", PENDING, of_domain(accepted=None), 9, 12),
    "workers that a quota does not admit":
        ("JobDoesNotStart", STARTING, of_job(workers_desired=constant(0)), 14, 17),
    "a worker that no node takes after a restart":
        ("JobDoesNotStart", state_of(("Running", 30), ("Restarting", 1)), of_job(workers_ready=constant(1)), 44, 47),
    "failed just now":
        ("JobFailed", state_of(("Running", 60), ("Failed", 1)), ENDED_AT_ONE_HOUR, 60, 62),
    "a checkpoint that stays old":
        ("CheckpointTooOld", RUNNING, of_job(checkpoint_timestamp_seconds=constant(0)), 119, 122),
    "no checkpoint at all":
        ("CheckpointTooOld", RUNNING, of_job(checkpoint_timestamp_seconds=None), 119, 122),
    "joules that stand still":
        ("MeasurementStale", RUNNING, of_job(energy_joules_total=stops_at(30, 6000)), 49, 52),
    "watts that are not known":
        ("MeasurementStale", RUNNING, of_job(power_watts=since(30, constant(1), constant(None))), 39, 47),
    "something that is not counted":
        ("MeasurementIncomplete", RUNNING, of_job(energy_incomplete=constant(1)), 9, 11),
}  # fmt: skip
"""Alert, states, other figures, a minute at which it does not fire yet and one at which it does."""

HANDED_OVER = {
    "loss": lambda m: 2.3 - m / 120,
    "steps_total": lambda m: 100 * m,
    'energy_joules_total{component="cpu",source="model"}': lambda m: 6000 * m,
    "restarts_total": constant(7),
    "checkpoint_timestamp_seconds": lambda m: 600 * (m // 10),
}
QUIET = {
    "trains well": (RUNNING, {}),
    "is suspended for long and goes on":
        (state_of(("Running", 30), ("Suspending", 1), ("Suspended", 100), ("Starting", 3), ("Running", 1)), {}),
    "evaluates for forty minutes":
        (RUNNING, of_job(
            steps_total=lambda m: 100 * min(m, 30) + 100 * max(0, m - 70), steps_paused=lambda m: int(30 <= m < 70)
        )),
    "is complete": (state_of(("Running", 60), ("Complete", 1)), ENDED_AT_ONE_HOUR),
    "is complete with a loss that is nan":
        (state_of(("Complete", 1)), ENDED_AT_ONE_HOUR | of_job(
            loss=constant(math.nan), energy_incomplete=constant(1), restarts_total=lambda m: m // 2
        )),
    "failed long ago": (state_of(("Failed", 1)), of_job(completion_timestamp_seconds=constant(-3600))),
    "restarts twice and begins anew":
        (RUNNING, of_job(
            restarts_total=lambda m: int(m >= 59) + int(m >= 60),
            loss=since(60, lambda m: 2.3 - m / 30, lambda m: max(0.2, 2.3 - (m - 60) / 30)),
        )),
    "has a loss that wavers near nothing":
        (RUNNING, of_job(loss=lambda m: 2.3 if m < 20 else 1e-6 * (1 + m % 37))),
    "waits for its place": (state_of(("Queued", 60), ("Starting", 2), ("Running", 1)), {}),
    "is a script that tells neither steps nor checkpoints":
        (RUNNING, of_job(info=None, steps_total=None, loss=None, checkpoint_timestamp_seconds=None)
         | {PREFIX + 'info{recipe="script",powerdomain="other"}': constant(1)}),
    "has an image that takes ten minutes": (state_of(("Starting", 10), ("Running", 1)), {}),
    "is shown by another operator from the second hour on":
        (RUNNING, of_job(**{key.split("{")[0]: None for key in HANDED_OVER}) | {
            PREFIX + key.rstrip("}") + ("," if "{" in key else "{") + f'pod="{pod}"}}': since(60, *figures)
            for key, figure in HANDED_OVER.items()
            for pod, figures in enumerate([(figure, constant(None)), (constant(None), figure)])
        }),
}  # fmt: skip
"""States and other figures with which nothing fires."""


def slug(case):
    return re.sub(r"\W+", "-", case)


def test_each_fires_in_time_and_alone(world):
    series, expected, ever = operator_figures(), [], {}
    for case, (alert, state, changes, before, after) in FIRING.items():
        series |= job_figures(slug(case), state, changes)
        firing = f'count by (alertname) (ALERTS{{alertstate="firing",trainingjob="{slug(case)}"}})'
        expected += [(before, firing, {}), (after, firing, {f'{{alertname="Wattrain{alert}"}}': 1})]
        ever[f'{{alertname="Wattrain{alert}", trainingjob="{slug(case)}"}}'] = 1
    expected.append((LONGEST_MINUTES, f"count by (alertname, trainingjob) ({EVER})", ever))
    assert world.check(series, expected) == ""


def test_none_fires_for_a_job_that_is_well(world):
    series = operator_figures()
    for case, (state, changes) in QUIET.items():
        series |= job_figures(slug(case), state, changes)
    assert world.check(series, [(LONGEST_MINUTES, f"count by (alertname, trainingjob) ({EVER})", {})]) == ""


def test_every_alert_of_jobs_is_seen_to_fire(rules):
    named = {rule["alert"] for rule in rules("jobs.yaml")}
    assert {f"Wattrain{alert}" for alert, *_ in FIRING.values()} == named
