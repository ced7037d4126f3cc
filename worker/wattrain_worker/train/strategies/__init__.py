"""The training strategies: one line each. See `protocol.py` for what one is.

Which of them a job may name is derived from here: `make generate` writes the names where the API finds them.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from wattrain_worker.errors import BadSpec
from wattrain_worker.train.strategies.data_parallel import DataParallel
from wattrain_worker.train.strategies.deterministic import Deterministic
from wattrain_worker.train.strategies.protocol import StrategyFactory


class Registration(NamedTuple):
    """What has to be in the spec for a strategy."""

    name: str
    """`parallelism.strategy`"""
    deterministic: bool
    """`training.deterministic`"""
    factory: StrategyFactory


STRATEGIES: Final = (
    Registration("DDP", False, DataParallel),
    Registration("DDP", True, Deterministic),
)


def find_strategy(name: str, *, deterministic: bool) -> StrategyFactory:
    """The strategy for these two fields of the spec. BadSpec where there is none, naming those that there are."""
    named = [registration for registration in STRATEGIES if registration.name == name]
    if not named:
        known = ", ".join(dict.fromkeys(registration.name for registration in STRATEGIES))
        raise BadSpec(f"spec.parallelism.strategy: {name} is not in this version; write one of {known}")
    for registration in named:
        if registration.deterministic == deterministic:
            return registration.factory
    wrong, right = str(deterministic).lower(), str(not deterministic).lower()
    raise BadSpec(f"spec.training.deterministic: {wrong} does not go with the strategy {name}; write {right}")
