"""How far the preparation of a job's data is, in its status."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from wattrain_api.contract.progress import PrepareProgress
from wattrain_api.status import PreparedSamples
from wattrain_operator.core.observed import Report, TerminationMessage
from wattrain_operator.core.roles import Role

Scene = Callable[..., Any]
READING = PrepareProgress("reading", 3, 9, 2.0)


def _prepares(scene: Scene) -> Any:
    job = scene(shared=True)
    job.settle()
    job.add(0, role=Role.PREPARE)
    job.report = Report(Role.PREPARE, 1, 0.0, phase="preparing", prepared=READING)
    job.plan()
    return job


def test_what_is_prepared_is_in_the_status_while_the_data_is_prepared_and_no_longer(scene: Scene) -> None:
    job = _prepares(scene)
    assert job.status.state == "Preparing"
    assert replace(job.status.prepared, updated_time=None) == PreparedSamples("reading", 3, 9, 33.3, 2.0)
    assert job.status.progress is None
    job.add(0, role=Role.PREPARE, phase="Succeeded", ready=False, termination=TerminationMessage(0))
    job.settle()
    assert (job.status.state, job.status.prepared) == ("Starting", None)


def test_a_worker_that_prepares_its_own_data_tells_how_far_that_is(scene: Scene) -> None:
    job = scene(shared=False).run()
    job.report = Report(Role.WORKER, 1, 0.0, phase="preparing", prepared=READING)
    job.plan()
    assert (job.status.state, job.status.prepared.samples) == ("Preparing", 3)
    job.report = Report(Role.WORKER, 1, 0.0, phase="training", step=1, prepared=READING)
    job.plan()
    assert (job.status.state, job.status.prepared) == ("Running", None)


def test_a_preparation_that_failed_is_not_said_to_go_on(scene: Scene) -> None:
    job = _prepares(scene)
    job.add(0, role=Role.PREPARE, phase="Failed", ready=False, termination=TerminationMessage(65))
    job.settle()
    assert (job.status.state, job.status.prepared) == ("Failed", None)


def test_a_preparation_of_which_nothing_is_heard_has_no_speed(scene: Scene) -> None:
    job = _prepares(scene)
    job.report = replace(job.report, interval_seconds=1.0, age_seconds=60.0)
    job.plan()
    assert replace(job.status.prepared, updated_time=None) == PreparedSamples("reading", 3, 9, 33.3)


@pytest.mark.parametrize(("seconds", "shown"), [(1, 3), (30, 6)])
def test_samples_are_written_as_seldom_as_other_figures(scene: Scene, seconds: int, shown: int) -> None:
    job = _prepares(scene)
    job.interval_seconds = 10
    job.seconds += seconds
    job.report = replace(job.report, prepared=replace(READING, samples=6))
    job.plan()
    assert job.status.prepared.samples == shown


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        (PrepareProgress("reading", 3, 8, 1234567.8), PreparedSamples("reading", 3, 8, 37.5, 1234600.0)),
        (PrepareProgress("reading", 3, 2), PreparedSamples("reading", 3, 2, 100.0)),
        (PrepareProgress("reading", 3, 0), PreparedSamples("reading", 3, 0)),
        (PrepareProgress("reading", 3), PreparedSamples("reading", 3)),
    ],
)
def test_the_share_is_known_where_the_total_is(scene: Scene, told: PrepareProgress, shown: PreparedSamples) -> None:
    job = _prepares(scene)
    job.report = replace(job.report, prepared=told)
    job.plan()
    assert replace(job.status.prepared, updated_time=None) == shown
