"""How many optimizer steps the ranks of a worker have made, repeated ones counted again."""

from __future__ import annotations

from wattrain_api.contract.progress import RankReport


class StepCount:
    """Counts what the leading rank reports. `made` never falls while the supervisor lives.

    Rank 0 of a recipe says where it goes on after a restart, or begins anew. Of all others nobody knows it: what they
    repeat before their first report after a restart is not counted.
    """

    def __init__(self, *, is_script: bool, tells_resumption: bool, first_attempt: bool) -> None:
        """`tells_resumption`: the leading rank is rank 0 of a recipe. `first_attempt`: no attempt of the job was before
        this one, so that the first step is step 1."""
        self.made: int | None = None if is_script else 0
        """None: no step has been told; many scripts never tell one."""
        self._tells_resumption = tells_resumption
        self._reached: int | None = 0 if first_attempt or tells_resumption else None
        """The step until which is counted; None: where the ranks went on is not known."""

    def start_generation(self) -> None:
        """Other ranks start."""
        if self._tells_resumption:
            self._reached = 0

    def take(self, report: RankReport) -> None:
        """Count what `report`, of the leading rank, says."""
        if report.resumed is not None:
            self._reached = report.resumed.step
        if report.step is None:
            return
        reached = report.step if self._reached is None else self._reached
        self.made = (self.made or 0) + max(0, report.step - reached)
        self._reached = report.step
