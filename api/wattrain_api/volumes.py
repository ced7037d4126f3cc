"""`spec.workers.volumes`: what is mounted into the workers."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from wattrain_api.base import Model, ObjectName, Quantity, exactly_one


class ServiceAccountToken(Model):
    """A token of the account `workers.serviceAccountName`, which the kubelet renews."""

    audience: Annotated[str, Field(min_length=1, max_length=253)]
    """Who takes the token, such as `sts.example.com`."""
    expiration_seconds: Annotated[int, Field(ge=600, le=86_400)] = 3600
    """How long it is valid."""
    path: Annotated[str, Field(pattern=r"^[-._a-zA-Z0-9]+$", max_length=253)] = "token"
    """Its file in the volume."""


class Projection(Model):
    """A part of a projected volume: exactly one kind."""

    RULES: ClassVar = (exactly_one("secret", "config_map", "service_account_token"),)

    secret: ObjectName | None = None
    """Name of a Secret, whose entries become files."""
    config_map: ObjectName | None = None
    """Name of a ConfigMap, whose entries become files."""
    service_account_token: ServiceAccountToken | None = None
    """A token."""


class Volume(Model):
    """Something mounted into the workers: exactly one kind."""

    RULES: ClassVar = (exactly_one("claim", "empty_dir", "config_map", "secret", "projected"),)

    mount_path: Annotated[str, Field(pattern=r"^/.+", max_length=1024)]
    """Where it appears, an absolute path."""
    claim: ObjectName | None = None
    """Name of a PersistentVolumeClaim."""
    empty_dir: Quantity | None = None
    """Size of an empty directory that lives as long as the pod."""
    config_map: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """Name of a ConfigMap, mounted read-only."""
    secret: ObjectName | None = None
    """Name of a Secret that whoever creates the job may use, mounted read-only."""
    projected: Annotated[tuple[Projection, ...], Field(min_length=1, max_length=8)] | None = None
    """Secrets, ConfigMaps and tokens in one directory, mounted read-only."""
    read_only: bool = False
    """Whether it is mounted read-only."""
