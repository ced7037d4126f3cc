"""What the operator is told by its environment."""

import re
from dataclasses import fields

import pytest

from wattrain_api.field_docstrings import field_docstrings
from wattrain_operator.cluster.settings import PREFIX, InvalidSettingsError, OperatorSettings

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="
IMAGE = {f"{PREFIX}WORKER_IMAGE": "worker:1"}


def read(**variables):
    return OperatorSettings.from_environment(IMAGE | {PREFIX + name: value for name, value in variables.items()})


def test_one_variable_is_enough():
    settings = read()
    assert settings.worker_image == settings.supervisor_image == "worker:1"
    assert settings.namespaces == ()
    assert (settings.metrics_port, settings.health_port) == (8080, 8081)


def test_without_an_image_it_says_which_variable_is_missing():
    with pytest.raises(InvalidSettingsError, match="WATTRAIN_OPERATOR_WORKER_IMAGE=: required"):
        OperatorSettings.from_environment({})


def test_every_variable_is_heeded():
    settings = read(
        SUPERVISOR_IMAGE="s:1", IMAGE_PULL_POLICY="Always", NAMESPACES="b, a,b", NAMESPACE="system",
        LEASE_NAME="lease", RESYNC_SECONDS="1", PROGRESS_INTERVAL_SECONDS="2", STATUS_INTERVAL_SECONDS="3",
        REACH="proxy", NETWORK_POLICY="false", WORKER_CPU_REQUEST="100m", WORKER_MEMORY_REQUEST="512Mi",
        CREDENTIALS="allowed",
        NOTIFY_URL="https://hooks.example.com/t0k", NOTIFY_SECRET=SECRET, NOTIFY_CONDITIONS="Failed",
        METRICS_PORT="1", HEALTH_PORT="2",
    )  # fmt: skip
    assert settings == OperatorSettings(
        "worker:1",
        "s:1",
        "Always",
        ("b", "a"),
        "system",
        "lease",
        1.0,
        2.0,
        3.0,
        "proxy",
        False,
        "100m",
        "512Mi",
        "allowed",
        "https://hooks.example.com/t0k",
        SECRET,
        ("Failed",),
        1,
        2,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("IMAGE_PULL_POLICY", "Sometimes"), ("NAMESPACES", "Team A"), ("LEASE_NAME", "x" * 64),
        ("RESYNC_SECONDS", "0"), ("RESYNC_SECONDS", "nan"), ("PROGRESS_INTERVAL_SECONDS", "soon"), ("REACH", "magic"),
        ("NETWORK_POLICY", "yes"), ("METRICS_PORT", "tcp://10.0.0.1:80"), ("HEALTH_PORT", "65536"),
        ("WORKER_CPU_REQUEST", "some"), ("CREDENTIALS", "yes"), ("WORKER_MEMORY_REQUEST", "-1"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_with_the_variable_its_value_and_the_remedy(name, value):
    with pytest.raises(InvalidSettingsError, match=re.escape(f"{PREFIX}{name}={value}: ") + ".*write "):
        read(**{name: value})


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("REACH", "magic", "not known; write one of direct, proxy"),
        ("NETWORK_POLICY", "1", "write true or false"),
        ("RESYNC_SECONDS", "soon", "write a number from 1 to 3600"),
        ("METRICS_PORT", "-1", "write a whole number from 0 to 65535"),
        ("NAMESPACES", "a,-", "no DNS label; write at most 63 lower-case letters, digits and inner hyphens"),
    ],
)
def test_the_remedy_says_what_may_be_written(name, value, remedy):
    with pytest.raises(InvalidSettingsError) as caught:
        read(**{name: value})
    assert caught.value.problems == [f"{PREFIX}{name}={value}: {remedy}"]


def test_all_problems_are_told_at_once():
    with pytest.raises(InvalidSettingsError) as caught:
        read(REACH="magic", METRICS_PORT="x", NAMESPACE_LIST="a")
    assert len(caught.value.problems) == 3


def test_a_misspelt_variable_is_refused():
    with pytest.raises(InvalidSettingsError, match="WATTRAIN_OPERATOR_NAMESPACE_LIST: no such setting"):
        read(NAMESPACE_LIST="a")


def test_the_links_of_a_service_named_like_the_operator_are_no_settings():
    read(SERVICE_HOST="10.0.0.1", PORT="tcp://10.0.0.1:80", PORT_80_TCP_ADDR="10.0.0.1", SERVICE_PORT="80")


def test_every_variable_that_is_read_is_a_field_with_a_description():
    asked = set()

    class Spy(dict):
        def get(self, name, default=None):
            asked.add(name)
            return super().get(name, default)

    OperatorSettings.from_environment(Spy(IMAGE))
    known = [field.name for field in fields(OperatorSettings)]
    assert asked == {PREFIX + name.upper() for name in known}
    assert [name for name in known if name not in field_docstrings(OperatorSettings)] == []


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"NOTIFY_URL": "hooks.example.com/t0k"}, "NOTIFY_URL: begins with neither http:// nor https://"),
        ({"NOTIFY_URL": "https://a", "NOTIFY_SECRET": "t0k"}, "NOTIFY_SECRET: write whsec_ and 24 to 64 bytes"),
        ({"NOTIFY_SECRET": SECRET}, "NOTIFY_SECRET: there is no WATTRAIN_OPERATOR_NOTIFY_URL that it signs for"),
        (
            {"NOTIFY_URL": "https://a", "NOTIFY_CONDITIONS": "Suspended"},
            "NOTIFY_CONDITIONS=Suspended: no end of a job; write Complete",
        ),
    ],
)
def test_what_cannot_be_notified_is_refused_without_what_may_be_secret(variables, sentence):
    with pytest.raises(InvalidSettingsError, match=re.escape(PREFIX + sentence)) as refused:
        read(**variables)
    assert "t0k" not in str(refused.value)
    assert SECRET not in str(refused.value)


def test_settings_that_are_printed_show_neither_address_nor_secret():
    shown = repr(read(NOTIFY_URL="https://hooks.example.com/t0k", NOTIFY_SECRET=SECRET))
    assert "t0k" not in shown
    assert SECRET not in shown
