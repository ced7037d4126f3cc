"""Whose answers stand for a group."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

from wattrain_operator.core.roles import Role


class _Member(Protocol):
    """A child, created or to be created."""

    @property
    def role(self) -> Role: ...
    @property
    def attempt(self) -> int: ...
    @property
    def worker(self) -> int: ...


Member = TypeVar("Member", bound=_Member)


def speaks(child: _Member) -> bool:
    """Whether a child may speak for a group: the first of its role, as all preparations are."""
    return child.worker == 0


def speaker_of(children: Iterable[Member]) -> Member | None:
    """Who of `children` speaks for the newest group: its worker 0, and before there is one the preparation. None: no
    child does yet."""
    speakers = (child for child in children if speaks(child))
    return max(speakers, key=lambda child: (child.attempt, child.role.traits.order), default=None)
