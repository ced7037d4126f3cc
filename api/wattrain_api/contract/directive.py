"""What the operator asks a running group to do."""

from __future__ import annotations

from dataclasses import dataclass, field

from wattrain_api.contract.kinds import count, flag, share


@dataclass(frozen=True)
class Directive:
    """The newest directive; it replaces all before it. A supervisor acts once on each version that is higher than the
    last one that it has taken."""

    version: int = field(metadata=count())
    """1 or more, one more with every change."""
    checkpoint: bool = field(default=False, metadata=flag())
    """Save a checkpoint now, and go on."""
    stop_at_step: int | None = field(default=None, metadata=count("steps"))
    """Stop with a checkpoint at this step; 0, or a step that is past: at the next possible one."""
    profile_steps: int | None = field(default=None, metadata=count("steps"))
    """Profile the next so many steps of a rank, and go on; absent or 0: none."""
    profile_rank: int | None = field(default=None, metadata=count())
    """Which rank that is; absent: rank 0."""
    duty_ratio: float | None = field(default=None, metadata=share())
    """Share of the time of training in which the ranks compute: between steps they pause for the rest of it, all
    alike. Absent: 1, without a pause. As it holds until another directive comes, each has to say it anew."""
    threads: int | None = field(default=None, metadata=count())
    """With how many threads each rank computes on its CPUs, at most as many as it has started with. Absent or 0: with
    these. It holds as dutyRatio does."""


def next_directive(old: Directive | None, version: int) -> Directive:
    """A directive that asks for nothing new, and says of `old` what still holds."""
    return Directive(version) if old is None else Directive(version, duty_ratio=old.duty_ratio, threads=old.threads)
