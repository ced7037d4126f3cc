"""Power now, and what is not counted: shown as long as it is true."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from wattrain_api.status import Meter, UncountedEnergy
from wattrain_operator.core.observed import ChildEnergy, TerminationMessage

Scene = Callable[..., Any]
MIG = UncountedEnergy("gpu", "a GPU is cut into MIG slices; it is not counted")


def _tell(job: Any, **fields: Any) -> None:
    job.report = replace(job.report, **fields)
    job.settle()


def test_a_gap_of_a_report_makes_the_job_incomplete_in_status_and_metrics_and_stays(scene: Scene) -> None:
    job = scene().run()
    meters = (Meter("cpu", "rapl", 10.0, 5.0, 20.0),)
    _tell(job, energy=(ChildEnergy("uid of job-worker-1-0", 0, meters),))
    assert (job.status.energy.measured_ratio, job.exported("energy_incomplete")) == (1.0, [0.0])
    _tell(job, gaps=(MIG,))
    assert (job.status.energy.incomplete, job.status.energy.measured_ratio) == ((MIG,), None)
    assert (job.exported("energy_incomplete"), job.exported("measured_energy_ratio")) == ([1.0], [])
    _tell(job, gaps=())
    assert job.status.energy.incomplete == (MIG,)
    assert job.status.to_json_object()["energy"]["incomplete"] == [{"component": "gpu", "reason": MIG.reason}]


def test_the_gap_that_a_worker_left_in_its_last_words_counts(scene: Scene) -> None:
    job = scene().run()
    job.add(0, phase="Succeeded", ready=False, termination=TerminationMessage(0, gaps=(MIG,)))
    job.settle()
    assert job.status.energy.incomplete == (MIG,)


def test_reasons_without_end_do_not_fill_the_status(scene: Scene) -> None:
    job = scene().run()
    for turn in range(20):
        _tell(job, gaps=(UncountedEnergy("gpu", f"reason {turn}"),))
    assert len(job.status.energy.incomplete) == 8


def test_power_that_is_older_than_two_intervals_is_not_shown(scene: Scene) -> None:
    job = scene().run()
    _tell(job, watts=80.0, interval_seconds=10.0, age_seconds=19.0)
    assert job.status.energy.watts == 80.0
    _tell(job, age_seconds=20.5)
    assert job.status.energy.watts is None


def test_the_operator_looks_again_when_power_becomes_too_old(scene: Scene) -> None:
    job = scene().run()
    job.report = replace(job.report, watts=80.0, interval_seconds=10.0, age_seconds=12.0)
    assert job.plan().wake_after_seconds == 8.0


def test_power_that_no_worker_knows_is_not_shown_as_0(scene: Scene) -> None:
    job = scene().run()
    _tell(job, watts=None)
    assert job.status.energy.watts is None
    assert job.exported("power_watts") == []


def test_an_operator_that_has_heard_nothing_yet_shows_no_power_of_its_predecessor(scene: Scene) -> None:
    job = scene().run()
    _tell(job, watts=80.0)
    job.report = None
    job.settle()
    assert job.status.energy.watts is None
