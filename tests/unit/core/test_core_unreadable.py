"""What becomes of a job that this version cannot read."""

from __future__ import annotations

import pytest

from wattrain_api import reasons
from wattrain_api.status import TrainingJobStatus
from wattrain_operator.core.conditions import is_true
from wattrain_operator.core.unreadable import PATIENCE_SECONDS, Unreadable, plan_unreadable
from wattrain_operator.simulated.objects import moment


def seen(seconds: float, status: TrainingJobStatus) -> Unreadable:
    return Unreadable(moment(seconds), 1, status, "spec.x=1: no such field", since=moment(100))


def test_one_that_never_had_a_worker_fails_after_a_while_so_that_who_waits_for_its_end_sees_one() -> None:
    first = plan_unreadable(seen(100, TrainingJobStatus()))
    assert (is_true(first.status, reasons.FAILED), first.wake_after_seconds) == (False, PATIENCE_SECONDS)
    again = plan_unreadable(seen(150, first.status))
    assert (again.status, again.events, again.wake_after_seconds) == (first.status, (), PATIENCE_SECONDS - 50)
    last = plan_unreadable(seen(100 + PATIENCE_SECONDS, first.status))
    assert is_true(last.status, reasons.FAILED)
    assert (last.status.state, last.status.reason) == ("Failed", "InvalidSpec")
    assert "no such field" in last.status.message
    assert last.status.completion_time == moment(100 + PATIENCE_SECONDS)


@pytest.mark.parametrize("seconds", [100, 100_000])
def test_one_that_has_workers_is_left_to_an_operator_that_can_read_it(seconds: float) -> None:
    decided = plan_unreadable(seen(seconds, TrainingJobStatus(attempt=2)))
    assert (is_true(decided.status, reasons.FAILED), decided.wake_after_seconds) == (False, None)
