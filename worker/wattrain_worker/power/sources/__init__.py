"""The sources by the rows of `wattrain_api.power_sources`: a module each, `<name>_source.py` with a class `Source`."""

from __future__ import annotations

import importlib
from typing import NamedTuple

from wattrain_api.power_sources import POWER_SOURCES
from wattrain_worker.power.power_source import PowerSource


class RegisteredSource(NamedTuple):
    """A source that may be asked whether it can measure here."""

    name: str
    """Value of the label `source`."""
    source: type[PowerSource]


def registered_sources() -> list[RegisteredSource]:
    """All of them, in the order of precedence."""
    modules = ((row.name, importlib.import_module(f"{__name__}.{row.name}_source")) for row in POWER_SOURCES)
    return [RegisteredSource(name, module.Source) for name, module in modules]
