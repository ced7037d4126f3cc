"""Who sends, by OpenTelemetry's semantic conventions."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import version

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope


@cache
def scope() -> InstrumentationScope:
    """What all spans and metrics were made by."""
    return InstrumentationScope("wattrain", version("wattrain"))


def resource_with(attributes: Mapping[str, str]) -> Resource:
    """The resource with `attributes`; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES add theirs."""
    own = {"service.version": version("wattrain"), **attributes}
    return Resource({"service.name": "wattrain"}).merge(_environment()).merge(Resource(own))


@cache
def _environment() -> Resource:
    found = Resource.create()
    unnamed = str(found.attributes.get("service.name", "")).startswith("unknown_service")
    return Resource({k: v for k, v in found.attributes.items() if not (unnamed and k == "service.name")})
