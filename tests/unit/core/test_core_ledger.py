"""The ledger's arithmetic: every joule once, with bounds, sources, carbon and cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from wattrain_api.contract.failures import Failure
from wattrain_api.names import child_name
from wattrain_api.powerdomain import CarbonIntensity, PowerDomainSpec, Tariff
from wattrain_api.status import Meter, TrainingJobStatus
from wattrain_operator.core.observed import ChildEnergy, InPlaceRestart, Report, TerminationMessage
from wattrain_operator.core.roles import Role
from wattrain_operator.simulated.objects import EPOCH

Scene = Callable[..., Any]
KWH = 3.6e6


def _cpu(joules: float) -> Meter:
    return Meter(component="cpu", source="model", joules=joules, low_joules=joules / 2, high_joules=joules * 2)


def _gpu(joules: float) -> Meter:
    return Meter(component="gpu", source="nvml", joules=joules, low_joules=joules, high_joules=joules)


def _used(job: Any, worker: int, *meters: Meter, uid: str | None = None) -> ChildEnergy:
    """What a worker of the current attempt says that it has used; by default under the uid that it has in a scene."""
    name = child_name("job", Role.WORKER, job.status.attempt, worker)
    return ChildEnergy(f"uid of {name}" if uid is None else uid, worker, meters)


def _tell(job: Any, *energy: Meter, **fields: Any) -> None:
    """The group reports what worker 0 has used, and `fields`."""
    _tell_of_each(job, _used(job, 0, *energy), **fields)


def _tell_of_each(job: Any, *energy: ChildEnergy, **fields: Any) -> None:
    job.report = replace(job.report, energy=energy, **fields)
    job.settle()


def _end(job: Any, worker: int, *energy: Meter) -> None:
    job.add(worker, phase="Succeeded", ready=False, termination=TerminationMessage(0, energy=energy))
    job.settle()


def test_joules_low_and_high_are_summed_and_the_measured_share_is_shown(scene: Scene) -> None:
    job = scene().run()
    _tell(job, _cpu(25), _gpu(75))
    energy = job.status.energy
    assert (energy.joules, energy.low, energy.high) == (100, 87.5, 125)
    assert (energy.measured_ratio, energy.source) == (0.75, "nvml+model")


def test_a_report_that_is_repeated_late_or_lower_changes_nothing(scene: Scene) -> None:
    job = scene().run()
    _tell(job, _cpu(50))
    before = job.status.energy
    for joules in (50, 20, 0):
        _tell(job, _cpu(joules))
        assert job.status.energy == before
    _tell(job, _cpu(60))
    assert job.status.energy.joules == 60


def test_a_termination_message_counts_where_it_says_more_than_the_last_report(scene: Scene) -> None:
    job = scene().run()
    _tell_of_each(job, _used(job, 0, _cpu(25)), _used(job, 1, _cpu(25)))
    _end(job, 0, _cpu(30))
    assert job.status.energy.joules == 55  # worker 1 has said no more than before
    _end(job, 1, _cpu(20))
    assert job.status.energy.joules == 55


def test_a_worker_whose_peer_has_ended_is_still_counted_by_the_groups_report(scene: Scene) -> None:
    """Sums would hide it: 40 J of one termination message are less than the 50 J that the group had reported."""
    job = scene().run()
    _tell_of_each(job, _used(job, 0, _cpu(25)), _used(job, 1, _cpu(25)))
    _end(job, 1, _cpu(40))
    assert job.status.energy.joules == 65
    _tell_of_each(job, _used(job, 0, _cpu(33)), _used(job, 1, _cpu(25)))
    assert job.status.energy.joules == 73


def test_a_replaced_worker_counts_besides_the_one_that_took_its_place(scene: Scene) -> None:
    job = scene().run()
    _tell_of_each(job, _used(job, 0, _cpu(50)), _used(job, 1, _cpu(40)))
    _tell_of_each(job, _used(job, 0, _cpu(52)), _used(job, 1, _cpu(3), uid="new"))
    assert job.status.energy.joules == 95
    stale = _used(job, 1, _cpu(41))  # names the one that was replaced
    for _ in range(2):
        _tell_of_each(job, _used(job, 0, _cpu(51)), stale)
        assert job.status.energy.joules == 96
    assert (job.status.energy.low, job.status.energy.high) == (48, 192)


def test_the_joules_of_a_sample_and_since_a_checkpoint_are_those_of_the_group_that_reports(scene: Scene) -> None:
    job = scene(shared=True).run()
    _tell_of_each(job, _used(job, 0, _cpu(50)), _used(job, 1, _cpu(40)))
    group = (_used(job, 0, _cpu(60)), _used(job, 1, _cpu(20), uid="new"))
    _tell_of_each(job, *group, samples=160, step=4, checkpoint_step=3, checkpoint_joules=70.0)
    assert job.status.energy.joules == 120
    assert (job.status.energy.joules_per_sample, job.status.checkpoint.joules) == (0.5, 110)


def test_a_supervisor_that_does_not_know_its_uid_is_taken_for_the_child_of_its_name(scene: Scene) -> None:
    job = scene().run()
    _tell_of_each(job, _used(job, 0, _cpu(50), uid=""), _used(job, 1, _cpu(40), uid=""), _used(job, 7, _cpu(9), uid=""))
    assert job.status.energy.joules == 90  # no child in view is worker 7
    _end(job, 1, _cpu(45))
    _tell_of_each(job, _used(job, 0, _cpu(50)), _used(job, 1, _cpu(44), uid=""))
    assert job.status.energy.joules == 95


def test_marks_are_kept_for_the_children_of_the_newest_attempt_alone(scene: Scene) -> None:
    job = scene(shared=True)
    job.settle()
    job.add(0, role=Role.PREPARE, phase="Succeeded", ready=False, termination=TerminationMessage(0, energy=(_cpu(7),)))
    job.run()
    _tell_of_each(job, _used(job, 0, _cpu(50)), _used(job, 1, _cpu(40)))
    internal = TrainingJobStatus.from_json_object(job.status.to_json_object()).internal
    assert internal.metered_attempt == 1
    kept = {child.uid: child.meters for child in internal.child_meters}
    assert kept == {"uid of job-1-0": (_cpu(50),), "uid of job-1-1": (_cpu(40),), "uid of job-prepare-1": (_cpu(7),)}
    job.fail(0, -9)
    job.settle()
    job.seconds = 10
    job.run()
    assert job.status.internal.metered_attempt == 1  # nothing has been said of the joules of the second attempt
    _tell(job, _cpu(5))
    internal = job.status.internal
    assert (internal.metered_attempt, [child.uid for child in internal.child_meters]) == (2, ["uid of job-2-0"])
    assert job.status.energy.joules == 102


def test_a_group_that_names_ever_new_uids_does_not_make_the_status_grow_without_end(scene: Scene) -> None:
    job = scene().run()
    for number in range(50):
        _tell_of_each(job, _used(job, 1, _cpu(1), uid=f"made up {number}"))
    assert (len(job.status.internal.child_meters), job.status.energy.joules) == (20, 20)
    _tell(job, _cpu(5))
    assert job.status.energy.joules == 25  # of a child in view


def test_a_report_of_joules_alone_is_held_back_like_other_figures(scene: Scene) -> None:
    job = scene().run()
    job.interval_seconds = 15.0
    _tell(job, _cpu(5))
    before = job.status
    job.seconds += 5
    _tell_of_each(job, _used(job, 0, _cpu(6)), _used(job, 1, _cpu(4)))
    assert job.status == before
    job.seconds += 15
    job.settle()
    assert job.status.energy.joules == 10


def test_every_attempt_and_the_preparation_are_counted_once(scene: Scene) -> None:
    job = scene(shared=True)
    job.settle()
    job.add(0, role=Role.PREPARE, phase="Succeeded", ready=False, termination=TerminationMessage(0, energy=(_cpu(7),)))
    job.settle()
    job.run()
    _tell(job, _cpu(50))
    job.fail(0, -9)
    job.settle()
    job.seconds = 10
    job.run()
    _tell(job, _cpu(5))
    assert job.status.energy.joules == 62
    job.report = Report(
        Role.WORKER, 1, 0.0, energy=(_used(job, 0, _cpu(80)),)
    )  # of the attempt before: its account is closed
    job.settle()
    assert job.status.energy.joules == 62


def test_what_was_spent_since_the_checkpoint_is_lost_by_a_failure(scene: Scene) -> None:
    job = scene(shared=True).run()
    _tell(job, _cpu(50), checkpoint_step=5, checkpoint_joules=40.0)
    assert job.status.checkpoint.joules == 40
    job.fail(0, -9)
    job.plan()
    assert (job.status.restarts[-1].joules_lost, job.status.energy.wasted_joules) == (10, 10)
    job.children.clear()
    job.seconds = 10
    job.run()
    _tell(job, _cpu(3), checkpoint_step=None)
    job.fail(0, -9)
    job.plan()
    assert job.status.energy.wasted_joules == 13


def test_a_supervisor_cannot_make_the_ledger_lose_more_or_less_than_was_spent(scene: Scene) -> None:
    for told, wasted in ((1e9, 50.0), (-5.0, 0.0), (20.0, 20.0)):
        job = scene().run()
        restart = InPlaceRestart(EPOCH, 0, Failure("Killed", -9), 0, told)
        _tell(job, _cpu(50), restarts=(restart,))
        assert job.status.energy.wasted_joules == wasted


def test_carbon_and_cost_follow_from_the_facilitys_energy(scene: Scene) -> None:
    job = scene().run()
    tariff = Tariff(currency="EUR", price_per_kwh=0.3)
    job.domain = PowerDomainSpec(pue=1.5, tariff=tariff, carbon=CarbonIntensity(grams_per_kwh=400))
    _tell(job, _gpu(2 * KWH))
    energy = job.status.energy
    assert energy.facility_joules == 3 * KWH
    assert energy.carbon_grams == pytest.approx(1200)
    assert (energy.cost, energy.currency) == (pytest.approx(0.9), "EUR")


def test_without_a_tariff_there_is_no_cost(scene: Scene) -> None:
    job = scene().run()
    _tell(job, _gpu(KWH))
    assert (job.status.energy.cost, job.status.energy.currency) == (None, "")


def test_watts_are_those_of_now_and_none_when_all_is_over(scene: Scene) -> None:
    job = scene().run()
    _tell(job, _cpu(5), watts=42.0)
    assert job.status.energy.watts == 42
    for rank in (0, 1):
        job.add(rank, phase="Succeeded", ready=False, termination=TerminationMessage(0))
    job.settle()
    assert job.status.energy.watts == 0


def test_joules_per_sample_are_those_of_the_attempt(scene: Scene) -> None:
    job = scene().run()
    _tell(job, _cpu(50), samples=200, step=4)
    assert job.status.energy.joules_per_sample == 0.25


def test_where_checkpoints_go_with_their_workers_all_that_was_spent_is_lost_once(scene: Scene) -> None:
    job = scene().run()
    _tell(job, _cpu(50), checkpoint_step=5, checkpoint_joules=40.0)
    job.fail(0, -9)
    job.plan()
    lost = job.status.restarts[-1]
    assert (job.status.checkpoint, lost.resumed_from_step, lost.joules_lost) == (None, 0, 50)
    job.children.clear()
    job.seconds = 10
    job.run()
    _tell(job, _cpu(30), checkpoint_step=2, checkpoint_joules=20.0)
    job.fail(0, -9, step=7)
    job.plan()
    assert job.status.energy.wasted_joules == job.status.energy.joules == 80


def test_what_a_restart_with_new_workers_costs_is_lost_too(scene: Scene) -> None:
    job = scene(shared=True).run()
    _tell(job, _cpu(100), checkpoint_step=1, checkpoint_joules=80.0)
    job.fail(0, -9)
    job.settle()
    assert job.status.restarts[-1].joules_lost == 20
    job.seconds += 9
    job.settle()
    for rank in (0, 1):
        job.add(rank)
    start = Report(Role.WORKER, job.status.attempt, 0.0, phase="starting", energy=(_used(job, 0, _cpu(30)),))
    job.report = start
    job.settle()
    assert job.status.restarts[-1].recovery_seconds is None
    job.report = replace(start, phase="training", step=2, total_steps=9, energy=(_used(job, 0, _cpu(35)),))
    job.settle()
    last = job.status.restarts[-1]
    assert (last.joules_lost, last.recovery_seconds, job.status.energy.wasted_joules) == (55, 9, 55)
    _tell(job, _cpu(60))
    assert job.status.energy.wasted_joules == 55


@pytest.mark.parametrize(
    ("resumed", "lost"),
    [(8, 15.0), (7, 15.0), (4, 35.0), (1, 35.0), (0, 35.0)],
    ids=["later", "there", "before", "as known", "damaged"],
)
def test_a_checkpoint_that_was_saved_after_the_loss_was_entered_saves_what_was_spent(
    scene: Scene, resumed, lost
) -> None:
    job = scene(shared=True).run()
    _tell(job, _cpu(100), checkpoint_step=1, checkpoint_joules=80.0, step=7)
    job.fail(0, -9, step=7)
    job.settle()
    before = job.status.restarts[-1]
    assert (before.resumed_from_step, before.step, before.joules_lost) == (1, 7, 20)
    for rank in (0, 1):
        job.add(rank)
    job.report = Report(
        Role.WORKER,
        job.status.attempt,
        0.0,
        phase="training",
        step=9,
        energy=(_used(job, 0, _cpu(15)),),
        resumed_step=resumed,
    )
    job.settle()
    last = job.status.restarts[-1]
    assert (last.resumed_from_step, last.joules_lost, job.status.energy.wasted_joules) == (resumed, lost, lost)


def test_a_group_that_starts_again_shows_no_step_back_before_it_trains(scene: Scene) -> None:
    job = scene(shared=True).run()
    _tell(job, _cpu(100), checkpoint_step=40, checkpoint_joules=80.0, step=43, loss=0.5)
    job.fail(0, -9, step=43)
    job.settle()
    for rank in (0, 1):
        job.add(rank)
    start = Report(Role.WORKER, job.status.attempt, 0.0, phase="starting")
    for report, shown in [(start, (43, 0.5)), (replace(start, phase="training", step=41, loss=0.6), (41, 0.6))]:
        job.report = report
        job.settle()
        progress = job.status.progress
        assert (progress.phase, progress.step, progress.loss) == (report.phase, *shown)


def test_what_a_restart_in_place_costs_is_lost_when_the_group_trains_again(scene: Scene) -> None:
    job = scene().run()
    _tell(job, _cpu(100), checkpoint_step=1, checkpoint_joules=80.0)
    restart = InPlaceRestart(EPOCH, 0, Failure("Killed", -9, 1), 1, 20.0)
    _tell(job, _cpu(110), restarts=(restart,))
    assert job.status.restarts[-1].joules_lost == 20
    done = replace(restart, joules_lost=28.0, recovery_seconds=3.4)
    for _ in range(2):
        _tell(job, _cpu(115), restarts=(done,))
        last = job.status.restarts[-1]
        assert (last.joules_lost, last.recovery_seconds, job.status.energy.wasted_joules) == (28, 3, 28)
