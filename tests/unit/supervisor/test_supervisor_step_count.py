"""Optimizer steps that were made, repeated ones counted again."""

from __future__ import annotations

import pytest

from wattrain_api.contract.phases import Phase
from wattrain_api.contract.progress import RankReport, Resumed
from wattrain_worker.supervisor.rank_reports import RankReports
from wattrain_worker.supervisor.step_count import StepCount
from wattrain_worker.supervisor.worker_messages import termination_of


def count(*told: RankReport, is_script: bool = False, first_attempt: bool = True) -> int | None:
    """What is counted of the reports of rank 0; rank 1 of the same worker says the same, for they go in step."""
    reports = RankReports(
        Phase.STARTING, 0, lambda _: None, StepCount(is_script=is_script, first_attempt=first_attempt)
    )
    reports.start_generation(Phase.STARTING)
    for report in told:
        reports.ingest(report)
        reports.ingest(RankReport(rank=1, step=report.step, steps=report.steps))
    progress = reports.progress()
    assert termination_of(progress, 0.0, None).steps_done == progress.steps_done
    return progress.steps_done


def test_a_recipe_tells_how_many_steps_it_made_wherever_it_went_on() -> None:
    assert count() == 0
    restart = RankReport(step=25, steps=25), RankReport(resumed=Resumed(20)), RankReport(step=30, steps=10)
    assert count(*restart) == 35
    assert count(*restart, first_attempt=False) == 35


@pytest.mark.parametrize(
    ("steps", "first_attempt", "made"),
    [
        ((), True, None),  # many tell no step at all
        ((10, 25), True, 25),
        ((100, 110), False, 10),  # it may have gone on from 99, or have begun anew
        ((25, 10, 20), True, 35),  # nobody knows whether it made 9 steps before the first that it told again
        ((25, 30), True, 30),
    ],
)
def test_of_a_script_the_rises_of_its_step_are_counted(
    steps: tuple[int, ...], first_attempt: bool, made: int | None
) -> None:
    told = [RankReport(step=step) for step in steps]
    assert count(*told, RankReport(loss=0.5), is_script=True, first_attempt=first_attempt) == made
