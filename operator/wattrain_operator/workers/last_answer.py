"""The last answer of a supervisor: how old it is, and since when it has said the same.

Whether a group moves is judged by its answers alone: while a supervisor cannot be asked, or does not answer, no time
passes for its group, so that a lost network is never taken for a hanging training. All times are seconds on a monotonic
clock of the one who asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar


class _Answer(Protocol):
    """What a supervisor says, as far as it shows whether its group moves."""

    @property
    def role(self) -> str: ...
    @property
    def attempt(self) -> int | None: ...
    @property
    def generation(self) -> int: ...
    @property
    def phase(self) -> str | None: ...
    @property
    def step(self) -> int: ...


Content = TypeVar("Content", bound=_Answer)


class Fingerprint(NamedTuple):
    """What is compared to see whether a group moves."""

    role: str
    attempt: int | None
    generation: int
    phase: str | None
    step: int


@dataclass(frozen=True)
class LastAnswer(Generic[Content]):
    """What one supervisor said last."""

    content: Content
    answered_at: float
    changed_at: float
    """When it first answered with this fingerprint."""

    @property
    def unchanged_seconds(self) -> float:
        """From the first answer with this fingerprint to the last."""
        return self.answered_at - self.changed_at

    def age_seconds(self, now: float) -> float:
        """How long ago it was given."""
        return now - self.answered_at


def next_answer(before: LastAnswer[Content] | None, content: Content, now: float) -> LastAnswer[Content]:
    """The answer `content`, given `now` by the supervisor that said `before` before; None: it is its first answer."""
    if before is not None and fingerprint_of(before.content) == fingerprint_of(content):
        return LastAnswer(content, now, before.changed_at)
    return LastAnswer(content, now, now)


def fingerprint_of(answer: _Answer) -> Fingerprint:
    """The fingerprint of an answer."""
    return Fingerprint(answer.role, answer.attempt, answer.generation, answer.phase, answer.step)
