"""First cause, and the same failure again, for supervisor and operator alike."""

from __future__ import annotations

import pytest

from wattrain_api import reasons
from wattrain_api.contract.failures import (
    DISRUPTION,
    Failure,
    SeenFailure,
    exit_status_of,
    first_cause,
    is_same_failure,
    meaning_of,
)


def seen(exit_code: int, seconds: float = 0.0, worker: int | None = None) -> SeenFailure:
    meaning = reasons.meaning_of_exit(exit_code)
    return SeenFailure(Failure(meaning.reason, exit_code, worker=worker), meaning, seconds)


@pytest.mark.parametrize(
    ("exit_codes", "first"),
    [
        ((75, -9), 1),  # survivors say that they lost a peer
        ((1, -9), 1),  # or say nothing special: no rank is killed because a peer exited
        ((1, 1), 0),  # among equals the earlier
        ((1, -6), 0),  # NCCL's watchdog aborts the survivors
        ((-9, 65), 1),  # what is wrong for good is never a consequence
        ((75, 75), 0),
        ((75, 1, -11), 2),
    ],
)
def test_the_failure_that_brought_down_the_others_is_named(exit_codes: tuple[int, ...], first: int) -> None:
    failures = [seen(code, float(second)) for second, code in enumerate(exit_codes)]
    assert first_cause(failures) is failures[first]
    assert first_cause(reversed(failures)) is failures[first]


def test_a_disruption_goes_before_all_that_a_program_did_then() -> None:
    gone = SeenFailure(Failure(reasons.WORKER_LOST, 137), DISRUPTION)
    assert first_cause([seen(65), seen(-9), gone]) is gone


def test_where_no_times_are_known_the_order_counts() -> None:
    failures = [seen(1, worker=2), seen(1, worker=0)]
    assert first_cause(failures).failure.worker == 2


FAILURE = Failure(reasons.PROGRAM_FAILED, 1, worker=1, rank=2, last_line="ValueError", step=7)


def test_the_program_ended_as_before_whichever_rank_it_was() -> None:
    assert is_same_failure(FAILURE, Failure(FAILURE.reason, 1, 0, 0, "elsewhere", "ValueError", 7))


@pytest.mark.parametrize(
    "before",
    [
        None,
        Failure(FAILURE.reason, 2, last_line="ValueError", step=7),
        Failure(FAILURE.reason, 1, last_line="KeyError", step=7),
        Failure(FAILURE.reason, 1, last_line="ValueError", step=8),
    ],
)
def test_another_failure_is_not_the_same(before: Failure | None) -> None:
    assert not is_same_failure(FAILURE, before)


@pytest.mark.parametrize("exit_code", [None, -9, -15, 75, 76, 77, 137])
def test_what_says_nothing_about_the_program_is_never_the_same(exit_code: int | None) -> None:
    reason = reasons.WORKER_LOST if exit_code is None else reasons.meaning_of_exit(exit_code).reason
    failure = Failure(reason, exit_code, last_line="gone", step=7)
    assert not is_same_failure(failure, failure)


def test_a_worker_that_was_lost_is_a_disruption() -> None:
    assert meaning_of(Failure(reasons.WORKER_LOST, 1)) == meaning_of(Failure(reasons.PEER_LOST)) == DISRUPTION
    assert meaning_of(Failure(reasons.KILLED, -9)).counted


def _of_script(exit_code: int) -> Failure:
    return Failure(reasons.meaning_of_script_exit(exit_code).reason, exit_code)


def _of_recipe(exit_code: int) -> Failure:
    return Failure(reasons.meaning_of_exit(exit_code).reason, exit_code)


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (_of_recipe(65), 65), (_of_recipe(75), 75), (_of_recipe(-9), 137), (_of_recipe(-11), 139), (_of_recipe(3), 3),
        (_of_script(3), 3), (_of_script(255), 255), (_of_script(-9), 137), (_of_script(-6), 134),
        (_of_script(137), 137), (_of_script(65), 1), (_of_script(75), 1), (_of_script(80), 80),
        (_of_script(143), 1), (_of_script(-15), 1),
        (Failure(reasons.PEER_LOST), 75), (Failure(reasons.LEFT_EARLY, 0), 1),
    ],
)  # fmt: skip
def test_a_supervisor_exits_with_a_code_that_means_what_the_failure_does(failure: Failure, status: int) -> None:
    assert exit_status_of(failure) == status


@pytest.mark.parametrize("exit_code", [1, 64, 65, 66, 67, 70, 75, 76, 77, 80, 143])
def test_all_exit_codes_of_a_script_count_and_none_is_for_good(exit_code: int) -> None:
    meaning = reasons.meaning_of_script_exit(exit_code)
    assert meaning == meaning_of(_of_script(exit_code)) == (reasons.PROGRAM_FAILED, False, True)
