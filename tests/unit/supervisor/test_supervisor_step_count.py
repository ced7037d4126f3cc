"""Optimizer steps that were made, repeated ones counted again."""

from __future__ import annotations

import pytest

from wattrain_api.contract.phases import Phase
from wattrain_api.contract.progress import RankReport, Resumed
from wattrain_worker.supervisor.rank_reports import RankReports
from wattrain_worker.supervisor.step_count import StepCount
from wattrain_worker.supervisor.worker_messages import termination_of


def count(*told: int | str, is_script: bool = False, first_attempt: bool = True) -> int | None:
    """What is counted of steps (7), of ranks that say where they go on ("at 5") and of starts ("start")."""
    steps = StepCount(is_script=is_script, tells_resumption=not is_script, first_attempt=first_attempt)
    reports = RankReports(Phase.STARTING, 0, lambda _: None, steps)
    for one in told:
        if one == "start":
            reports.start_generation(Phase.STARTING)
        elif isinstance(one, int):
            reports.ingest(RankReport(rank=0, step=one))
            reports.ingest(RankReport(rank=1, step=one + 1))  # another rank of this worker: its steps are the same
        else:
            reports.ingest(RankReport(rank=0, resumed=Resumed(int(one.removeprefix("at ")))))
    progress = reports.progress()
    assert termination_of(progress, 0.0, None).steps_done == progress.steps_done
    return progress.steps_done


@pytest.mark.parametrize(
    ("told", "made"),
    [
        (("start",), 0),
        (("start", 10, 25), 25),
        (("start", 25, "start", "at 20", 21, 30), 35),
        (("start", 25, "start", 4), 29),  # it began anew: there was no checkpoint
        (("start", 25, "start", "at 25"), 25),
    ],
)
def test_a_recipe_tells_where_it_goes_on_and_every_step_counts(told: tuple[int | str, ...], made: int) -> None:
    assert count(*told) == made


def test_a_recipe_that_begins_anew_or_goes_on_in_a_later_attempt_is_counted_from_there() -> None:
    assert count("start", 10, first_attempt=False) == 10
    assert count("start", "at 200", 210, first_attempt=False) == 10


@pytest.mark.parametrize(
    ("told", "first_attempt", "made"),
    [
        (("start",), True, None),  # many tell no step at all
        (("start", 10, 25), True, 25),
        (("start", 100, 110), False, 10),  # it may have gone on from 99 or begun at 1
        (("start", 25, "start", 10, 20), True, 35),  # nobody knows whether 9 steps were made before the first told
        (("start", 25, "start", 30), True, 30),
    ],
)
def test_of_a_script_only_what_it_tells_is_counted(
    told: tuple[int | str, ...], first_attempt: bool, made: int | None
) -> None:
    assert count(*told, is_script=True, first_attempt=first_attempt) == made
