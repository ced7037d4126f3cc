"""What a pod's GPUs are to be limited to, and what the node agent says of it: two annotations of the pod."""

from __future__ import annotations

from dataclasses import dataclass, field

from wattrain_api.contract.kinds import amount, count, reason, text

APPLIED = "Applied"
"""The driver says so."""
WAITING = "Waiting"
"""No process of the pod uses a GPU now."""
REFUSED = "Refused"
"""It is not set, or what was set did not hold; the message says why."""


@dataclass(frozen=True)
class GpuLimit:
    """What is asked of the node agent for each GPU that the pod's processes use: a power limit, a clock, or both."""

    version: int = field(metadata=count())
    """1 or more, one more with every change."""
    watts: float | None = field(default=None, metadata=amount("W"))
    """Power limit; absent: as it was."""
    clock_mhz: int | None = field(default=None, metadata=count("MHz"))
    """The highest SM clock; absent: as it was."""


@dataclass(frozen=True)
class GpuLimitAnswer:
    """What became of it."""

    version: int = field(metadata=count())
    """Of what was asked."""
    state: str = field(metadata=reason())
    """Applied, Waiting or Refused."""
    gpus: int = field(default=0, metadata=count())
    """GPUs that it holds for."""
    watts: float | None = field(default=None, metadata=amount("W"))
    """The highest power limit among them, as the driver says it now."""
    clock_mhz: int | None = field(default=None, metadata=count("MHz"))
    """The highest SM clock that they run at now. A GPU with little to do may run below the one it is locked to."""
    message: str = field(default="", metadata=text(512))
    """Why it is refused, and what to do."""
