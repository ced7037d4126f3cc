"""A group is asked to save and stop before it is ended, and is given time, but not for ever."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from wattrain_api.contract.directive import Directive
from wattrain_operator.core.lifecycle import NODE_LOST_SECONDS
from wattrain_operator.core.roles import Role
from wattrain_operator.core.stopping import TAKEN_WITHIN_SECONDS

Scene = Callable[..., Any]


def _suspend(job: Any, suspend: bool = True) -> Any:
    job.spec = job.spec.model_copy(update={"suspend": suspend})
    return job


def test_worker_0_alone_is_asked_once_and_nobody_is_ended(scene: Scene) -> None:
    job = _suspend(scene().run())
    decided = job.plan()
    [asked] = decided.directs
    assert (asked.name, asked.directive, decided.deletes) == ("job-1-0", Directive(1, stop_at_step=0), ())
    assert decided.wake_after_seconds == TAKEN_WITHIN_SECONDS
    job.add(0, directive=asked.directive)
    assert job.plan().directs == ()


def test_an_operator_that_ended_before_it_asked_has_the_next_one_ask_the_same(scene: Scene) -> None:
    job = _suspend(scene().run())
    first, second = job.plan().directs, job.plan().directs
    assert first == second


def test_a_group_that_does_not_take_the_directive_is_ended(scene: Scene) -> None:
    job = _suspend(scene().run())
    job.plan()
    job.seconds += TAKEN_WITHIN_SECONDS
    assert [d.name for d in job.plan().deletes] == ["job-1-0", "job-1-1"]


def test_a_group_that_has_taken_it_may_save_for_as_long_as_progress_may_take(scene: Scene) -> None:
    job = _suspend(scene(progressDeadlineSeconds=200).run())
    job.plan()
    job.report = replace(job.report, directive_version=1)
    job.seconds += 199
    assert (job.plan().deletes, job.plan().wake_after_seconds) == ((), 1)
    job.seconds += 1
    assert len(job.plan().deletes) == 2


def test_a_worker_that_has_stopped_stays_until_all_have(scene: Scene) -> None:
    job = _suspend(scene().run())
    [asked] = job.plan().directs
    job.obey(asked)
    job.add(1)
    assert job.plan().deletes == ()
    job.obey(asked)
    assert [d.name for d in job.plan().deletes] == ["job-1-0", "job-1-1"]


def test_a_worker_whose_machine_is_lost_meanwhile_is_not_waited_for(scene: Scene) -> None:
    job = _suspend(scene().run())
    [asked] = job.plan().directs
    job.obey(asked)
    job.add(1, terminating_seconds=NODE_LOST_SECONDS + 1)
    assert [(d.name, d.force) for d in job.plan().deletes] == [("job-1-0", False), ("job-1-1", True)]


@pytest.mark.parametrize("state", ["unheard", "silent", "failed", "missing"])
def test_a_group_that_cannot_be_asked_is_ended_at_once(scene: Scene, state: str) -> None:
    job = scene().run()
    if state == "unheard":
        job.report = None
    elif state == "silent":
        job.add(1, ready=False)
    elif state == "failed":
        job.fail(1, -9)
    else:
        del job.children["job-1-1"]
    decided = _suspend(job).plan()
    assert decided.directs == ()
    assert {d.name for d in decided.deletes} == set(job.children)


def test_the_preparation_is_ended_at_once(scene: Scene) -> None:
    job = scene(shared=True)
    job.settle()
    job.add(0, role=Role.PREPARE)
    decided = _suspend(job).plan()
    assert (len(decided.deletes), decided.directs) == (1, ())


def test_each_directive_is_newer_than_all_that_were_given_before(scene: Scene) -> None:
    job = scene().run()
    job.report = replace(job.report, directive_version=7)  # a person has directed the group
    [asked] = _suspend(job).plan().directs
    assert asked.directive.version == 8
    job.obey(asked)
    job.settle()
    _suspend(job, False).run()
    [asked] = _suspend(job).plan().directs
    assert (asked.name, asked.directive.version) == ("job-2-0", 9)


def test_a_person_who_directs_the_group_at_the_same_moment_does_not_keep_the_stop_from_it(scene: Scene) -> None:
    job = _suspend(scene().run())
    job.plan()
    job.add(0, directive=Directive(1, checkpoint=True))  # it came before what the operator has just decided
    job.report = replace(job.report, directive_version=1)
    [asked] = job.plan().directs
    assert asked.directive == Directive(2, stop_at_step=0)
    job.add(0, directive=asked.directive)
    assert job.plan().directs == ()
    job.add(0, directive=Directive(9, profile_steps=5))  # and replaced it before the group had taken it
    [asked] = job.plan().directs
    assert asked.directive == Directive(10, stop_at_step=0)


def test_a_person_who_has_asked_the_group_to_stop_has_done_the_operators_work(scene: Scene) -> None:
    job = _suspend(scene().run())
    job.plan()
    job.add(0, directive=Directive(5, stop_at_step=0))
    assert job.plan().directs == ()


def test_a_suspension_that_is_taken_back_and_wanted_again_gives_the_time_anew(scene: Scene) -> None:
    job = _suspend(scene().run())
    job.plan()
    job.seconds += 20
    _suspend(job, False).plan()
    decided = _suspend(job).plan()
    assert (decided.directs[0].directive.version, decided.wake_after_seconds) == (2, TAKEN_WITHIN_SECONDS)
