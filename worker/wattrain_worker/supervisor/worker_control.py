"""What a member of a group can do with its worker, and how it has it end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from wattrain_api.contract.directive import Directive
from wattrain_api.contract.failures import Failure
from wattrain_api.contract.group_exchange import MemberReport
from wattrain_worker.supervisor.rank_start import Order
from wattrain_worker.supervisor.ranks import Ranks


@dataclass(frozen=True)
class Ending:
    """How the supervisor is to end."""

    exit_code: int
    cause: Failure | None


class WorkerControl(Protocol):
    """What a member can do with its worker."""

    def report(self) -> MemberReport:
        """How far the worker is."""

    def start_ranks(self, order: Order) -> Ranks:
        """Start the generation that `order` describes."""

    def ranks_stop(self) -> None:
        """The ranks are about to be asked to end, for good."""

    def leave_out(self, devices: tuple[str, ...]) -> None:
        """Count these GPUs no more, nor what has been counted of them: another worker of the group counts them."""

    def pass_on(self, directive: Directive) -> None:
        """Have the ranks follow `directive`; where it is to stop at once, they are asked to end besides."""
