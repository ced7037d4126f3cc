"""The loop of a local run: observe, plan, write the status, apply, tell, wait; until there is nothing left to do."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from wattrain_api import names, reasons
from wattrain_api.powerdomain import PowerDomain
from wattrain_api.status import TrainingJobStatus
from wattrain_operator.core.conditions import is_finished, is_true
from wattrain_operator.core.observed import Event, Observed
from wattrain_operator.core.plan import plan
from wattrain_operator.local import metrics
from wattrain_operator.local.backend import LocalBackend
from wattrain_operator.local.curve import LossCurve
from wattrain_operator.local.interrupts import Interrupts
from wattrain_operator.local.launch import SUPERVISOR
from wattrain_operator.local.look import Look, Opening, Result, View
from wattrain_operator.local.receipt import write_receipt
from wattrain_operator.local.refused import EXIT_BAD_INPUT, EXIT_COMPLETE, EXIT_FAILED, EXIT_INTERRUPTED
from wattrain_operator.local.resume import BAD_INPUT_REASONS, Start
from wattrain_operator.local.rundir import RunDirectory

PASS_SECONDS = 0.1


class LocalRun:
    """One run of one job from its start to its result."""

    def __init__(
        self,
        start: Start,
        domain: PowerDomain,
        directory: RunDirectory,
        view: View,
        interrupts: Interrupts,
        command: Sequence[str] = SUPERVISOR,
    ) -> None:
        self._job, self._status = start.job, start.status
        self._domain, self._directory, self._view, self._interrupts = domain, directory, view, interrupts
        self._command = command
        self._curve = LossCurve(directory.metrics_file)
        self._interrupts_heeded = 0

    def run(self, server: metrics.MetricsServer) -> Result:
        """Run it, with its figures on `server`. No process is left when this returns or raises."""
        with LocalBackend(self._job, self._directory, self._command) as backend:
            server.show(lambda: metrics.page(self._job, self._status, backend.fetch_all(names.PATH_METRICS)))
            while not self._pass(backend):
                time.sleep(PASS_SECONDS)
        return self._result()

    def _pass(self, backend: LocalBackend) -> bool:
        """One round of the loop. True: there is nothing left to do."""
        self._heed_interrupts(backend)
        now = datetime.now(UTC)
        seen = backend.observe(self._job, self._status, self._domain.spec, now)
        decided = plan(seen)
        if decided.status != self._status:
            self._directory.write_status(decided.status)
            self._status = decided.status
        if self._status.data_prepared:
            self._directory.publish_preparation()
        backend.apply(decided)
        for event in decided.events:
            self._directory.append_event(event, now)
        self._show(backend, decided.events)
        return not decided.creates and self._is_over(seen)

    def _heed_interrupts(self, backend: LocalBackend) -> None:
        """The first one suspends the job, so that its workers save and stop; the next one ends them now."""
        count = self._interrupts.count
        if count > self._interrupts_heeded:
            self._interrupts_heeded = count
            self._job = self._job.model_copy(update={"spec": self._job.spec.model_copy(update={"suspend": True})})
            if count > 1:
                backend.kill()

    def _show(self, backend: LocalBackend, events: Sequence[Event]) -> None:
        self._curve.read_on()
        try:
            for event in events:
                self._view.tell(event)
            self._view.show(Look(self._status, backend.progress(), self._curve.points))
        except OSError:  # the terminal or the reader of the pipe is gone: nobody wants to see more
            self._view = _Nobody()
            self._interrupts.count += 1

    def _is_over(self, seen: Observed) -> bool:
        over = is_finished(self._status) or is_true(self._status, reasons.SUSPENDED)
        return over and all(c.ended for c in seen.children)

    def _result(self) -> Result:
        result = conclude(self._status, self._directory.path)
        if is_finished(self._status):
            write_receipt(self._directory.path, self._job, self._domain)
            result = Result(result.status, result.exit_code, result.sentences, self._directory.receipt)
        with contextlib.suppress(OSError):
            self._view.end(result)
        return result


def conclude(status: TrainingJobStatus, directory: Path) -> Result:
    """What `status`, the last one, means for the user of the command."""
    if is_true(status, reasons.COMPLETE):
        return Result(status, EXIT_COMPLETE, (f"complete: {status.message}",))
    if is_true(status, reasons.FAILED):
        bad_input = status.reason in BAD_INPUT_REASONS
        logs = f"the workers' own words are in {directory / 'logs'}"
        return Result(
            status, EXIT_BAD_INPUT if bad_input else EXIT_FAILED, (f"failed ({status.reason}): {status.message}", logs)
        )
    step = 0 if status.checkpoint is None else status.checkpoint.step
    going_on = "run the same command again to go on"
    saved = f"from the checkpoint of step {step}" if step else "from the beginning: no checkpoint had been saved"
    return Result(status, EXIT_INTERRUPTED, (f"stopped; {going_on} {saved}",))


class _Nobody:
    """A view for nobody."""

    def begin(self, opening: Opening) -> None:
        """Nobody wants to know."""

    def show(self, look: Look) -> None:
        """Nobody wants to know."""

    def tell(self, event: Event) -> None:
        """Nobody wants to know."""

    def end(self, result: Result) -> None:
        """Nobody wants to know."""

    def close(self) -> None:
        """Nothing to give back."""
