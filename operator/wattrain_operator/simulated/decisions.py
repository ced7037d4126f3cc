"""What the core has decided so far, by what it saw: the same view always gives the same plan, so each is asked once.

A walk over all states meets most views many times. A status that is decided in two ways is kept as one object, so that
a view with it is found again without a look into it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from typing import NamedTuple

from wattrain_api.status import TrainingJobStatus
from wattrain_operator.core import plan as core
from wattrain_operator.core.domains import Domain, grant_of
from wattrain_operator.core.fleet_queue import Waiting
from wattrain_operator.core.observed import Grant, Observed, Plan
from wattrain_operator.simulated.objects import DOMAIN_NAME, DomainObject


class Decision(NamedTuple):
    """A plan with the view that it was made from."""

    seen: Observed
    plan: Plan
    changes_status: bool
    named: tuple[object, ...]
    """Kept so that the identity of none is given to something else."""


class Decisions:
    """Those of one simulation and of all its copies."""

    __slots__ = ("_grants", "_known", "_new", "_statuses")

    def __init__(self) -> None:
        self._new: set[int] = set()
        self._known: dict[Hashable, Decision] = {}
        self._statuses: dict[TrainingJobStatus, TrainingJobStatus] = {}
        self._grants: dict[Hashable, tuple[DomainObject, Grant]] = {}

    def of(self, view: Hashable, named: tuple[object, ...], observe: Callable[[], Observed]) -> Decision:
        """What is decided where `view` and the very objects `named` are all there is to see, as `observe` gives it."""
        whole = view, tuple(map(id, named))
        decision = self._known.get(whole)
        if decision is None:
            seen = observe()
            plan = core.plan(seen)
            status = self._statuses.setdefault(plan.status, plan.status)
            decision = Decision(seen, replace(plan, status=status), status != seen.status, named)
            self._known[whole] = decision
            self._new.add(id(seen))
        return decision

    def grant(self, domain: DomainObject, uid: str, turn: int, waiting: Waiting | None) -> Grant:
        """What the very object `domain` allows the job with that uid in that turn."""
        asked = id(domain), uid, turn, waiting
        if asked not in self._grants:
            known = Domain(DOMAIN_NAME, domain.spec, reservations=domain.reservations)
            self._grants[asked] = domain, grant_of(known, uid, turn, waiting)
        return self._grants[asked][1]

    def is_new(self, seen: Observed) -> bool:
        """Whether it is asked for the first time about what was decided from `seen`."""
        if id(seen) not in self._new:
            return False
        self._new.remove(id(seen))
        return True
