"""Which collector is named by the standard variables, and what is refused."""

import importlib.util
import subprocess
import sys

import pytest

from wattrain_operator.telemetry import otlp_settings as module
from wattrain_operator.telemetry.otlp_settings import BadOtlpError, OtlpSettings, otlp_settings

HERE = "http://collector:4318"


def test_without_a_variable_nothing_is_sent():
    assert otlp_settings({}) is None
    assert otlp_settings({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}) is None
    assert otlp_settings({"OTEL_EXPORTER_OTLP_ENDPOINT": HERE, "OTEL_SDK_DISABLED": "TRUE"}) is None


@pytest.mark.parametrize(
    ("variables", "traces", "metrics"),
    [
        ({"ENDPOINT": HERE}, True, True),
        ({"TRACES_ENDPOINT": HERE}, True, False),
        ({"METRICS_ENDPOINT": HERE}, False, True),
        ({"ENDPOINT": HERE, "PROTOCOL": "http/protobuf"}, True, True),
    ],
)
def test_each_kind_is_sent_where_an_address_is_named_for_it(variables, traces, metrics):
    environment = {f"OTEL_EXPORTER_OTLP_{name}": value for name, value in variables.items()}
    assert otlp_settings(environment) == OtlpSettings("collector", traces, metrics, 60.0)


def test_metrics_are_sent_as_often_as_is_said():
    found = otlp_settings({"OTEL_EXPORTER_OTLP_ENDPOINT": HERE, "OTEL_METRIC_EXPORT_INTERVAL": "1500"})
    assert found.metric_interval_seconds == 1.5


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT: begins with neither"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://[::1"}, "OTEL_EXPORTER_OTLP_ENDPOINT: begins with neither"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": HERE, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "OTEL_EXPORTER_OTLP_PROTOCOL=grpc: Wattrain sends http/protobuf alone; write that",
        ),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": HERE, "OTEL_METRIC_EXPORT_INTERVAL": "1m"},
            "OTEL_METRIC_EXPORT_INTERVAL=1m: write a whole number of milliseconds",
        ),
    ],
)
def test_what_cannot_be_obeyed_is_refused_with_the_variable_and_the_remedy(variables, sentence):
    with pytest.raises(BadOtlpError, match=sentence):
        otlp_settings(variables)


def test_without_the_packages_it_says_how_to_install_them(monkeypatch):
    def find(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(module.importlib.util, "find_spec", find)
    with pytest.raises(BadOtlpError, match=r"pip install 'wattrain\[otlp\]'"):
        otlp_settings({"OTEL_EXPORTER_OTLP_ENDPOINT": HERE})


def test_nothing_of_opentelemetry_is_imported_where_no_collector_is_named():
    assert importlib.util.find_spec("opentelemetry")
    program = (
        "import sys; import wattrain_operator.cluster.serve, wattrain_operator.local.session; "
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
