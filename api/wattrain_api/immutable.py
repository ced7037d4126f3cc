"""Which fields of a TrainingJob may not change after its creation: for the CRD's rules and for a local resume."""

from __future__ import annotations

from typing import Any

from wattrain_api.base import Model
from wattrain_api.trainingjob import MUTABLE, TrainingJobSpec

ELASTIC_ONLY = "workers.replicas"
"""May change where workers.minReplicas is set, before and after."""


def immutable_paths(model: type[Model] = TrainingJobSpec, prefix: str = "") -> list[str]:
    """The shortest paths below `spec` with nothing mutable inside, in the order of the fields."""
    paths: list[str] = []
    for name, field in model.model_fields.items():
        path = f"{prefix}{field.alias or name}"
        if path in MUTABLE:
            continue
        if not any(mutable.startswith(f"{path}.") for mutable in MUTABLE):
            paths.append(path)
        elif isinstance(field.annotation, type) and issubclass(field.annotation, Model):
            paths += immutable_paths(field.annotation, f"{path}.")
        else:
            raise TypeError(f"{path} has mutable fields inside and must be a model that is always there")
    return paths


def changed_immutable_fields(old: TrainingJobSpec, new: TrainingJobSpec) -> list[str]:
    """Paths below `spec` that differ between `old` and `new` although they may not change; empty: all is allowed."""
    before, after = old.to_json_object(), new.to_json_object()
    changed = [path for path in immutable_paths() if value_at(before, path) != value_at(after, path)]
    elastic = old.workers.min_replicas is not None and new.workers.min_replicas is not None
    if old.workers.replicas != new.workers.replicas and not elastic:
        changed.append(ELASTIC_ONLY)
    return changed


def differences(before: dict[str, Any], after: dict[str, Any], prefix: str = "") -> list[str]:
    """Paths of the single fields that differ between two specs in JSON."""
    paths: list[str] = []
    for name in dict.fromkeys([*before, *after]):
        old, new = before.get(name), after.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            paths += differences(old, new, f"{prefix}{name}.")
        elif old != new:
            paths.append(f"{prefix}{name}")
    return paths


def value_at(document: dict[str, Any], path: str) -> Any:
    """The value at `path` in a spec in JSON; None where there is none."""
    value: Any = document
    for name in path.split("."):
        value = value.get(name) if value is not None else None
    return value
