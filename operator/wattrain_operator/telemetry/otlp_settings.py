"""Which collector is named, by the standard variables of OpenTelemetry. Needs none of its packages."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
TRACES_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
_PROTOCOL: Final = "http/protobuf"


class BadOtlpError(ValueError):
    """Variables that cannot be obeyed, or packages that are missing: which, and what to do."""


@dataclass(frozen=True)
class OtlpSettings:
    """A collector. Everything else (headers, certificates, timeouts) its exporters read from the environment."""

    host: str


def otlp_settings(environment: Mapping[str, str]) -> OtlpSettings | None:
    """The collector that `environment` names; None: none, or OTEL_SDK_DISABLED is true. BadOtlpError."""
    named = next((name for name in (TRACES_ENDPOINT, ENDPOINT) if environment.get(name)), None)
    if named is None or environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    parts = urlsplit(environment[named])
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadOtlpError(
            f"{named}: begins with neither http:// nor https://; write one such as http://collector:4318"
        )
    for name in PROTOCOLS:
        if environment.get(name, _PROTOCOL) not in (_PROTOCOL, ""):
            raise BadOtlpError(
                f"{name}={environment[name]}: Wattrain sends {_PROTOCOL} alone; write that, with the collector's port "
                "for HTTP (4318)"
            )
    if not _is_installed():
        raise BadOtlpError(f"{named} needs packages that are not installed: pip install 'wattrain[otlp]'")
    return OtlpSettings(parts.hostname)


def _is_installed() -> bool:
    try:
        return importlib.util.find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:
        return False
