"""When the alerts of power domains fire, and when they do not, by promtool."""

import pytest
from harness.rules_world import operator_figures

MINUTES = 60
EVER = f'count by (alertname, powerdomain) (max_over_time(ALERTS{{alertstate="firing"}}[{MINUTES + 1}m]))'


def exceeded(watts, domain="rack"):
    """A domain by the watts that its jobs draw too much in each minute; None: it has no cap."""
    return operator_figures() | {f'wattrain_powerdomain_exceeded_watts{{powerdomain="{domain}"}}': watts}


def fired(minutes, alert):
    labels = f'{{alertname="Wattrain{alert}", powerdomain="rack"}}'
    return [(minute, EVER, {labels: 1} if fires else {}) for minute, fires in minutes.items()]


FIRING = {"PowerDomainExceedsCap": (lambda m: 120 if m >= 10 else 0, 14, 16)}
"""Watts, a minute at which it does not fire yet and one at which it does."""
QUIET = {
    "jobs that stay below the cap": lambda m: 0,
    "a domain without a cap": lambda m: None,
    "a minute of more than is allowed, now and then": lambda m: 50 if m % 5 == 0 else 0,
}


@pytest.mark.parametrize("alert", FIRING)
def test_it_fires_in_time_and_alone(world, alert):
    watts, before, after = FIRING[alert]
    assert world.check(exceeded(watts), fired({before: False, after: True}, alert), minutes=MINUTES) == ""


@pytest.mark.parametrize("case", QUIET)
def test_nothing_fires(world, case):
    assert world.check(exceeded(QUIET[case]), [(MINUTES, EVER, {})], minutes=MINUTES) == ""


def test_every_alert_of_domains_is_seen_to_fire(rules):
    assert {f"Wattrain{alert}" for alert in FIRING} == {rule["alert"] for rule in rules("domains.yaml")}
