"""Damaged checkpoints: reported once, kept for the receipt, and not claimed any more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from wattrain_api import reasons
from wattrain_api.contract.progress import CheckpointDamage

NINETY = CheckpointDamage(90, "a.distcp is missing")
HUNDRED = CheckpointDamage(100, "a.distcp has 4 bytes instead of 8")
Scene = Callable[..., Any]


@pytest.fixture
def going_on(scene: Scene) -> Any:
    """A job whose second group goes on from what the first has saved: step 100, as far as its status knows."""
    job = scene(shared=True).run()
    job.report = replace(job.report, step=100, checkpoint_step=100)
    job.settle()
    assert job.status.checkpoint.step == 100
    job.fail(0, 1)
    job.settle()
    job.seconds += 60
    job.settle()
    assert job.status.attempt == 2
    job.run()
    job.events.clear()
    return job


def damage_events(job: Any) -> list[str]:
    return [event.message for event in job.events if event.reason == reasons.CHECKPOINT_DAMAGED]


def test_a_damaged_checkpoint_is_an_event_once_and_the_status_claims_the_one_before(going_on: Any) -> None:
    job = going_on
    job.report = replace(job.report, resumed_step=80, damaged=(HUNDRED, NINETY))
    job.settle()
    job.report = replace(job.report, step=81)
    job.settle()
    assert damage_events(job) == [
        "the checkpoint of step 100 is damaged (a.distcp has 4 bytes instead of 8); the training went on from step 80",
        "the checkpoint of step 90 is damaged (a.distcp is missing); the training went on from step 80",
    ]
    assert all(event.type == "Warning" for event in job.events if event.reason == reasons.CHECKPOINT_DAMAGED)
    assert job.status.checkpoint.step == 80
    kept = [(d.step, d.damage, d.resumed_from_step) for d in job.status.damaged_checkpoints]
    assert kept == [(100, HUNDRED.damage, 80), (90, NINETY.damage, 80)]
    job.report = replace(job.report, checkpoint_step=85)
    job.settle()
    assert job.status.checkpoint.step == 85, "a new one counts, although its step is lower than that of the damaged one"


def test_where_none_is_whole_none_is_claimed(going_on: Any) -> None:
    job = going_on
    job.report = replace(job.report, resumed_step=0, damaged=(HUNDRED,))
    job.settle()
    assert job.status.checkpoint is None
    assert damage_events(job)[0].endswith("the training began anew")


def test_the_next_attempt_is_heard_anew(going_on: Any) -> None:
    job = going_on
    job.report = replace(job.report, resumed_step=80, damaged=(HUNDRED,))
    job.settle()
    job.fail(0, 1, step=5)
    job.settle()
    job.seconds += 600
    job.settle()
    job.run()
    job.report = replace(job.report, resumed_step=70, damaged=(replace(NINETY, step=80),))
    job.settle()
    assert [damaged.step for damaged in job.status.damaged_checkpoints] == [100, 80]


def test_a_worker_that_reports_thousands_makes_ten_events(going_on: Any) -> None:
    job = going_on
    job.report = replace(job.report, resumed_step=80, damaged=(NINETY,) * 5000)
    job.settle()
    assert len(damage_events(job)) == len(job.status.damaged_checkpoints) == 10
