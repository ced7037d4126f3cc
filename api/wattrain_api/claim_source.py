"""A place on a PersistentVolumeClaim, which data or a model comes from."""

from __future__ import annotations

from wattrain_api.base import Model, ObjectName, Path


class ClaimSource(Model):
    """A file or folder on a PersistentVolumeClaim in the job's namespace."""

    name: ObjectName
    """Name of the PersistentVolumeClaim."""
    path: Path
    """Path of the file or folder on the claim."""
