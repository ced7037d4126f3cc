"""All dashboards, by the name of their file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from grafana_foundation_sdk.builders import dashboard

from wattrain_dashboards import compare, fleet, operator_health, training_job

DASHBOARDS: Final[Mapping[str, Callable[[], dashboard.Dashboard]]] = {
    "training-job": training_job.build_dashboard,
    "fleet": fleet.build_dashboard,
    "operator": operator_health.build_dashboard,
    "compare": compare.build_dashboard,
}
