"""How many optimizer steps the ranks of a worker have made, repeated ones counted again."""

from __future__ import annotations

from wattrain_api.contract.progress import RankReport


class StepCount:
    """Counts what the leading rank reports. `made` never falls while the supervisor lives.

    A recipe says how many steps a report covers. Of a script the step that it stands at is known, and its rises are
    counted: what it repeats after a restart, before it tells its first step, is not.
    """

    def __init__(self, *, is_script: bool, first_attempt: bool) -> None:
        """`first_attempt`: no attempt of the job was before this one, so that the first step is step 1."""
        self.made: int | None = None if is_script else 0
        """None: no step has been told; many scripts never tell one."""
        self._reached: int | None = 0 if first_attempt else None
        """The step until which is counted; None: where the ranks went on is not known."""

    def take(self, report: RankReport) -> None:
        """Count what `report`, of the leading rank, says."""
        if report.resumed is not None:
            self._reached = report.resumed.step
        if report.step is None:
            return
        reached = report.step if self._reached is None else self._reached
        new = max(0, report.step - reached) if report.steps is None else report.steps
        self.made, self._reached = (self.made or 0) + new, report.step
