"""When the alerts of the operator fire, and when they do not, by promtool."""

import pytest
from harness.rules_world import operator_figures

EVER = 'count by (alertname, namespace) (max_over_time(ALERTS{{alertstate="firing"}}[{}m]))'
SECOND = {
    f'wattrain_operator_leader{{namespace="wattrain-system",pod="{pod}"}}': figure
    for pod, figure in {
        "old": lambda m: 1 if m < 30 else None,
        "new": lambda m: None if m < 29 else int(m >= 31),
    }.items()
}


def at(minutes, otherwise, value):
    """`value` in these minutes, else `otherwise`."""
    return lambda m: value if m in minutes else otherwise


FIRING = {
    "OperatorAbsent": ({"leader": at(range(10, 60), 1, None)}, 14, 20),
    "OperatorWithoutLeader": ({"leader": at(range(10, 60), 1, 0)}, 11, 13),
    "OperatorCacheStale": ({"list_age_seconds": lambda m: 60 * m}, 4, 5),
    "OperatorWatchDeaf": ({"watch_missed_changes": at(range(10, 60), 0, 2)}, 12, 13),
    "OperatorFailingJobs": ({"failing_jobs": at(range(10, 60), 0, 3)}, 24, 25),
}
"""Other figures, a minute at which it does not fire yet and one at which it does."""
QUIET = {
    "an operator that is well": {},
    "an operator that is not there for one scrape": {"leader": at([20], 1, None)},
    "a leader that hands over within two minutes": {"leader": at([20, 21], 1, 0)},
    "a list that is late once": {"list_age_seconds": at([20], 45, 190)},
    "a change that the watch tells of a little later": {"watch_missed_changes": at([20, 21], 0, 1)},
    "jobs that fail and recover": {"failing_jobs": at(range(20, 30), 0, 5)},
}


def checked(world, series, firing, minutes=40):
    expected = {f'{{alertname="Wattrain{alert}"{namespace}}}': 1 for alert, namespace in firing}
    return world.check(series, [(minutes, EVER.format(minutes + 1), expected)], minutes=minutes)


@pytest.mark.parametrize("alert", FIRING)
def test_it_fires_in_time_and_alone(world, alert):
    changes, before, after = FIRING[alert]
    named = [(alert, "" if alert == "OperatorAbsent" else ', namespace="wattrain-system"')]
    series = operator_figures(**changes)
    assert checked(world, series, [], before) == ""
    assert checked(world, series, named, after) == ""


@pytest.mark.parametrize("case", QUIET)
def test_nothing_fires(world, case):
    assert checked(world, operator_figures(**QUIET[case]), []) == ""


def test_a_stale_cache_fires_on_while_the_health_check_restarts_the_operator_and_ends_after_that(world):
    series = operator_figures(list_age_seconds=lambda m: 60 * (m % 6) if m < 30 else 45)
    now = 'count(ALERTS{alertname="WattrainOperatorCacheStale",alertstate="firing"})'
    firing = [(minute, now, {"{}": 1}) for minute in range(5, 34)]
    assert world.check(series, [*firing, (35, now, {})], minutes=40) == ""


def test_nothing_fires_while_one_operator_replaces_another(world):
    others = {key: figure for key, figure in operator_figures().items() if "leader" not in key}
    assert checked(world, others | SECOND, []) == ""


def test_every_alert_of_the_operator_is_seen_to_fire(rules):
    assert {f"Wattrain{alert}" for alert in FIRING} == {rule["alert"] for rule in rules("operator.yaml")}
