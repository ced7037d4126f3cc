"""`spec.workers.env` and `envFrom`: what the ranks find in their environment, with names as a pod has them."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from wattrain_api.base import Model, ObjectName, Rule, exactly_one

FIELD_PATH_PATTERN = (
    r"^(metadata\.(name|namespace|uid|(labels|annotations)\['[^']{1,317}'\])"
    r"|spec\.(nodeName|serviceAccountName)|status\.(hostIP|hostIPs|podIP|podIPs))$"
)
Key = Annotated[str, Field(pattern=r"^[-._a-zA-Z0-9]+$", min_length=1, max_length=253)]


class SecretKey(Model):
    """One entry of a Secret."""

    name: ObjectName
    """Name of the Secret."""
    key: Key
    """Its entry."""
    optional: bool = False
    """Whether a worker starts without it, and then without the variable."""


class ConfigMapKey(Model):
    """One entry of a ConfigMap."""

    name: ObjectName
    """Name of the ConfigMap."""
    key: Key
    """Its entry."""
    optional: bool = False
    """Whether a worker starts without it, and then without the variable."""


class PodField(Model):
    """A field of the worker's own pod."""

    field_path: Annotated[str, Field(pattern=FIELD_PATH_PATTERN, max_length=350)]
    """Which one, such as `spec.nodeName` or `metadata.labels['team']`."""


class VariableSource(Model):
    """Where a variable's value comes from: exactly one kind."""

    RULES: ClassVar = (exactly_one("secret_key_ref", "config_map_key_ref", "field_ref"),)

    secret_key_ref: SecretKey | None = None
    """An entry of a Secret that whoever creates the job may use."""
    config_map_key_ref: ConfigMapKey | None = None
    """An entry of a ConfigMap."""
    field_ref: PodField | None = None
    """A field of the pod."""


class EnvironmentVariable(Model):
    """A variable for the ranks."""

    RULES: ClassVar = (
        Rule(
            "!has(self.valueFrom) || !has(self.value) || self.value == ''",
            "give value or valueFrom, not both",
            lambda v: v.value_from is None or not v.value,
        ),
    )

    name: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=253)]
    """Name of the variable."""
    value: Annotated[str, Field(max_length=32_768)] = ""
    """Its value."""
    value_from: VariableSource | None = None
    """Where its value comes from instead."""


class SourceOfVariables(Model):
    """A Secret or a ConfigMap."""

    name: ObjectName
    """Its name."""
    optional: bool = False
    """Whether a worker starts without it."""


class VariablesFrom(Model):
    """A variable for each entry of a Secret or of a ConfigMap: exactly one of them."""

    RULES: ClassVar = (
        Rule(
            "has(self.secretRef) != has(self.configMapRef)",
            "give exactly one of secretRef and configMapRef",
            lambda v: (v.secret_ref is None) != (v.config_map_ref is None),
        ),
    )

    prefix: Annotated[str, Field(pattern=r"^([A-Za-z_][A-Za-z0-9_]*)?$", max_length=253)] = ""
    """What stands before each name."""
    secret_ref: SourceOfVariables | None = None
    """A Secret that whoever creates the job may use."""
    config_map_ref: SourceOfVariables | None = None
    """A ConfigMap."""
