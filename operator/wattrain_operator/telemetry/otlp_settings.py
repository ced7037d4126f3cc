"""Which collector is named, by the standard variables of OpenTelemetry. Needs none of its packages."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
TRACES_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
METRICS_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"
METRIC_INTERVAL: Final = "OTEL_METRIC_EXPORT_INTERVAL"
PROTOCOLS: Final = tuple(f"OTEL_EXPORTER_OTLP_{signal}PROTOCOL" for signal in ("", "TRACES_", "METRICS_"))
_PROTOCOL: Final = "http/protobuf"
_INTERVAL_MILLISECONDS: Final = "60000"


class BadOtlpError(ValueError):
    """Variables that cannot be obeyed, or packages that are missing: which, and what to do."""


@dataclass(frozen=True)
class OtlpSettings:
    """A collector. Everything else (headers, certificates, timeouts) its exporters read from the environment."""

    host: str
    traces: bool
    metrics: bool
    metric_interval_seconds: float


def otlp_settings(environment: Mapping[str, str]) -> OtlpSettings | None:
    """The collector that `environment` names; None: none, or OTEL_SDK_DISABLED is true. BadOtlpError."""
    named = [name for name in (ENDPOINT, TRACES_ENDPOINT, METRICS_ENDPOINT) if environment.get(name)]
    if not named or environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    hosts = [_host_of(name, environment[name]) for name in named]
    for name in PROTOCOLS:
        if environment.get(name, _PROTOCOL) not in (_PROTOCOL, ""):
            raise BadOtlpError(
                f"{name}={environment[name]}: Wattrain sends {_PROTOCOL} alone; write that, with the collector's port "
                "for HTTP (4318)"
            )
    interval = environment.get(METRIC_INTERVAL) or _INTERVAL_MILLISECONDS
    if not interval.isdecimal() or not int(interval):
        raise BadOtlpError(f"{METRIC_INTERVAL}={interval}: write a whole number of milliseconds, above 0")
    if not _is_installed():
        raise BadOtlpError(f"{named[0]} needs packages that are not installed: pip install 'wattrain[otlp]'")
    both = ENDPOINT in named
    return OtlpSettings(
        hosts[0], both or TRACES_ENDPOINT in named, both or METRICS_ENDPOINT in named, int(interval) / 1000
    )


def _host_of(name: str, address: str) -> str:
    try:
        parts = urlsplit(address)
        host = parts.hostname if parts.scheme in ("http", "https") else None
    except ValueError:
        host = None
    if not host:
        raise BadOtlpError(f"{name}: begins with neither http:// nor https://; write one such as http://collector:4318")
    return host


def _is_installed() -> bool:
    try:
        return importlib.util.find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:
        return False
