"""The roles that a job's children have, as a table: the only place that knows what distinguishes them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from wattrain_api import names


class Role(StrEnum):
    """What a child is for. The value is the label of its pod, and the WATTRAIN_ROLE of its supervisor."""

    PREPARE = names.ROLE_PREPARE
    """Prepares the data, once, alone."""
    WORKER = names.ROLE_WORKER
    """Trains, together with all other workers of its attempt."""

    @property
    def traits(self) -> Traits:
        """Its row of the table."""
        return _TABLE[self]


class Support(StrEnum):
    """An object that must exist before the first child of a role does. The value is its kind."""

    SERVICE = "Service"
    """Gives every worker a name by which the others find it."""
    NETWORK_POLICY = "NetworkPolicy"
    """Keeps others out of the group's unauthenticated connections."""


@dataclass(frozen=True)
class Traits:
    """What distinguishes a role."""

    order: int
    """Children of a lower order end before those of a higher one start, within an attempt."""
    in_group: bool
    """Part of the group: all are created together, and the loss of one ends them all."""
    outlives_completion: bool
    """Goes on when the job is complete."""
    supports: tuple[Support, ...]
    """What must exist before its first child does."""


_TABLE: Final[dict[Role, Traits]] = {
    Role.PREPARE: Traits(order=0, in_group=False, outlives_completion=False, supports=()),
    Role.WORKER: Traits(
        order=1, in_group=True, outlives_completion=False, supports=(Support.SERVICE, Support.NETWORK_POLICY)
    ),
}
