"""A job that a policy holds: its workers save and stop, it wants no place, and goes on once nothing holds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from wattrain_api.status import Hold
from wattrain_operator.core import holding
from wattrain_operator.core.draft import Draft
from wattrain_operator.core.fleet_job import FleetJob, fleet_job
from wattrain_operator.core.observed import Observed, Report
from wattrain_operator.core.roles import Role
from wattrain_operator.simulated.objects import moment

Scene = Callable[..., Any]
DIRTY = Hold("SomePolicyPauses", "the grid is dirty", "it is clean")
OTHERS = Hold("OthersGoFirst", "the place is needed", "it is free", by_itself=False)


def _hold(job: Any, *holds: Hold) -> Any:
    job.status = replace(job.status, internal=replace(job.status.internal, holds=holds))
    return job.settle()


def _draft(job: Any) -> Draft:
    return Draft(Observed(moment(0), job.job, job.status))


def _in_fleet(job: Any) -> FleetJob:
    return fleet_job(job.job, job.status, living_children=bool(job.children), fresh=True)


def test_a_held_job_saves_and_stops_says_why_and_goes_on_from_its_checkpoint(scene: Scene) -> None:
    job = scene(shared=True).run()
    job.report = replace(job.report, checkpoint_step=5, step=7)
    job.plan()
    job.status = replace(job.status, internal=replace(job.status.internal, holds=(DIRTY,)))
    asked = job.plan()
    assert [d.directive.stop_at_step for d in asked.directs] == [0]
    assert (job.status.state, job.answer("Suspended")) == ("Suspending", ("False", "WorkersStopping"))
    assert job.status.message == "the grid is dirty; waiting for the workers to save and stop"
    job.settle()
    assert (job.status.state, job.answer("Suspended")) == ("Suspended", ("True", "SomePolicyPauses"))
    assert job.status.message == (
        "the grid is dirty; once it is clean, it will go on from the newest checkpoint, which is at step 5 or later"
    )
    assert (job.children, job.status.attempt, job.status.restart_count) == ({}, 2, 0)
    _hold(job)
    assert (job.status.state, job.answer("Suspended")) == ("Starting", ("False", "JobResumed"))
    job.run()
    assert (job.status.state, job.status.restart_count) == ("Running", 0)


def test_a_held_job_wants_no_place_before_and_after_it_has_stopped(scene: Scene) -> None:
    job = scene(shared=True)
    waiting = job.status
    assert _in_fleet(job).wants
    job.status = replace(waiting, internal=replace(waiting.internal, holds=(DIRTY,)))
    assert not _in_fleet(job).wants
    _hold(job, DIRTY)
    assert (job.status.state, _in_fleet(job).wants, _in_fleet(job).runs) == ("Suspended", False, False)
    assert job.status.message == "the grid is dirty before it started; it starts once it is clean"


def test_its_user_comes_first_and_what_else_holds_it_holds_it_afterwards(scene: Scene) -> None:
    job = scene(shared=True).run()
    job.spec = job.spec.model_copy(update={"suspend": True})
    _hold(job, OTHERS)
    assert job.answer("Suspended") == ("True", "JobSuspended")
    attempt = job.status.attempt
    job.spec = job.spec.model_copy(update={"suspend": False})
    _hold(job, OTHERS, DIRTY)
    assert (job.status.state, job.answer("Suspended")) == ("Suspended", ("True", "OthersGoFirst"))
    assert job.status.message.startswith("the place is needed; once it is free, it will go on from")
    _hold(job, DIRTY)
    assert job.answer("Suspended") == ("True", "SomePolicyPauses")
    assert (job.status.attempt, job.status.internal.turn) == (attempt, 2)


def test_at_rest_a_held_job_decides_nothing_more(scene: Scene) -> None:
    job = scene(shared=True).run()
    _hold(job, DIRTY)
    told, decided = len(job.events), job.plan()
    assert (decided.status, len(job.events), decided.wake_after_seconds) == (job.status, told, None)


def test_what_is_put_is_told_once_and_renewed_without_a_word(scene: Scene) -> None:
    draft = _draft(scene())
    holding.put(draft, DIRTY)
    holding.put(draft, DIRTY)
    holding.put(draft, replace(DIRTY, until="it is clean, at 14:00"))
    holding.put(draft, OTHERS)
    assert [h.until for h in draft.internal.holds] == ["it is clean, at 14:00", "it is free"]
    assert [(e.type, e.reason, e.message) for e in draft.to_plan().events] == [
        ("Normal", DIRTY.reason, "the grid is dirty; the job saves and stops, and goes on once it is clean"),
        ("Warning", OTHERS.reason, "the place is needed; the job saves and stops, and goes on once it is free"),
    ]
    holding.lift(draft, DIRTY.reason)
    assert draft.internal.holds == (OTHERS,)


def test_a_job_whose_workers_have_all_succeeded_is_complete_although_it_is_held(scene: Scene) -> None:
    job = scene().run()
    for worker in (0, 1):
        job.add(worker, phase="Succeeded", ready=False)
    job.report = Report(Role.WORKER, 1, 0.0, phase="done", step=10, total_steps=10)
    _hold(job, DIRTY)
    assert job.status.state == "Complete"
