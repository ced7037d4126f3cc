"""A job is held to its cap: by one duty for all ranks, which is corrected by what was measured after it was taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from wattrain_api.contract.directive import Directive
from wattrain_operator.core.duty_control import LEAST_DUTY_RATIO
from wattrain_operator.core.fleet_job import fleet_job
from wattrain_operator.core.power_cap import cap_of
from wattrain_operator.core.power_estimate import estimated_watts

Scene = Callable[..., Any]
MOST_WATTS = 7.0
"""Two workers of one CPU with 3.5 W each; they idle with 0.74 W each."""


def capped(scene: Scene, policy: dict[str, Any] | None = None, **cap: Any) -> Any:
    workers = {"replicas": 2, "resources": {"limits": {"cpu": "1"}}}
    return scene(spec={"workers": workers, "energy": {"powerCap": cap or {"percentOfMax": 60}}}, **(policy or {}))


def measure(job: Any, watts: float, seconds: float = 10.0) -> Any:
    """So much later the group has drawn so many watts as a mean over five seconds. Returns the plan."""
    job.seconds += seconds
    job.report = replace(job.report, training_watts=watts, training_watts_seconds=5.0)
    return job.plan()


def events(job: Any) -> list[tuple[str, str]]:
    return [(event.reason, event.message) for event in job.events if event.reason.startswith("PowerCap")]


def test_a_group_is_told_its_duty_as_soon_as_it_is_there(scene: Scene) -> None:
    job = capped(scene)
    job.settle()
    job.add(0, phase="Running", ready=False)
    [asked] = job.plan().directs
    duty = (0.6 * MOST_WATTS - 1.48) / (MOST_WATTS - 1.48)
    assert (asked.name, asked.directive) == ("job-1-0", Directive(1, duty_ratio=round(duty, 3)))
    cap = job.status.power_cap
    assert (cap.means, cap.target_watts, cap.most_watts, cap.since) == ("DutyCycle", 4.2, MOST_WATTS, None)
    assert events(job) == [
        ("PowerCapped", "held to 4.2 W of the 7 W that its workers draw at most, by pauses of all ranks between steps")
    ]


def test_what_is_drawn_is_compared_only_when_all_of_it_was_drawn_with_that_duty(scene: Scene) -> None:
    job = capped(scene).run()
    duty = job.status.power_cap.duty_ratio
    assert job.status.power_cap.since is not None
    assert measure(job, 6.0, seconds=7.9).directs == ()
    assert job.status.power_cap.effective_watts is None
    [asked] = measure(job, 6.0, seconds=0.1).directs
    assert asked.directive == Directive(2, duty_ratio=job.status.power_cap.duty_ratio)
    assert job.status.power_cap.duty_ratio < duty
    assert (job.status.power_cap.effective_watts, job.status.power_cap.since) == (6.0, None)


def test_a_duty_that_the_workers_have_not_taken_is_not_corrected(scene: Scene) -> None:
    job = capped(scene).run()
    measure(job, 6.0)
    corrected = job.status.power_cap
    measure(job, 6.0)
    assert job.status.power_cap == corrected


def test_a_group_that_draws_what_it_is_to_is_left_alone(scene: Scene) -> None:
    job = capped(scene).run()
    before = job.status.power_cap
    decided = measure(job, 4.25)
    assert (decided.directs, job.status.power_cap) == ((), replace(before, effective_watts=4.25))


def test_the_mean_of_an_evaluation_or_a_start_corrects_nothing(scene: Scene) -> None:
    job = capped(scene).run()
    before = job.status.power_cap
    for phase in ("evaluating", "checkpointing", "starting"):
        job.report = replace(job.report, phase=phase)
        measure(job, 1.0)
    assert job.status.power_cap == before


def test_the_next_group_is_told_the_duty_that_held_and_waited_for_anew(scene: Scene) -> None:
    job = capped(scene, {"maxRestarts": 3}, jobWatts=4.2).run()
    for asked in measure(job, 6.0).directs:
        job.obey(asked)
    job.plan()
    held = job.status.power_cap
    job.fail(0, 1)
    job.settle()
    job.seconds += 5
    job.settle()
    assert job.status.attempt == 2
    job.run()
    assert job.status.power_cap.duty_ratio == held.duty_ratio
    assert job.children["job-2-0"].directive_version == job.status.internal.directive_version


def test_a_stop_keeps_the_duty_and_the_cap_does_not_take_the_stop_back(scene: Scene) -> None:
    job = capped(scene).run()
    job.spec = job.spec.model_copy(update={"suspend": True})
    duty = job.status.power_cap.duty_ratio
    assert [asked.directive for asked in job.plan().directs] == [Directive(2, stop_at_step=0, duty_ratio=duty)]
    assert [asked.directive.stop_at_step for asked in measure(job, 6.0).directs] == [0]


def test_a_persons_directive_is_not_counted_as_one_to_stop(scene: Scene) -> None:
    """Who ends with 143 unasked has failed."""
    job = capped(scene).run()
    job.fail(0, 143)
    job.settle()
    assert job.status.internal.failures_since_checkpoint == 1


def test_a_cap_that_changes_is_aimed_at_at_once_and_one_that_goes_lets_the_ranks_go(scene: Scene) -> None:
    job = capped(scene, jobWatts=4.2).run()
    measure(job, 4.2)
    before = job.status.power_cap.duty_ratio
    job.spec = capped(scene, jobWatts=5.0).spec
    [asked] = job.plan().directs
    assert asked.directive.duty_ratio == job.status.power_cap.duty_ratio > before
    job.obey(asked)
    job.spec = scene(spec={"workers": {"replicas": 2}}).spec
    [asked] = job.plan().directs
    assert (asked.directive, job.status.power_cap) == (Directive(3), None)
    job.obey(asked)
    assert job.plan().directs == ()
    assert events(job)[-1] == ("PowerCapLifted", "the job is held to no power any more")


def test_the_floor_is_kept_and_said_once(scene: Scene) -> None:
    job = capped(scene, jobWatts=1.0).run()
    assert (job.status.power_cap.asked_watts, job.status.power_cap.target_watts) == (1.0, 3.9)
    measure(job, 3.85)
    told = [message for reason, message in events(job) if reason == "PowerCapNotAsAsked"]
    assert told == [
        "held to 3.9 W instead of 1 W, for energy.powerCap.minPercent allows no less of the 7 W that the workers draw "
        "at most"
    ]
    low = capped(scene, jobWatts=1.0, minPercent=1).run()
    assert (low.status.power_cap.target_watts, events(low)[0][0]) == (1.0, "PowerCapped")


def test_what_the_longest_pauses_do_not_reach_is_said_once(scene: Scene) -> None:
    job = capped(scene, jobWatts=1.0, minPercent=1).run()
    assert job.status.power_cap.duty_ratio == LEAST_DUTY_RATIO
    for _ in range(3):
        measure(job, 1.6)
    told = [message for reason, message in events(job) if reason == "PowerCapNotAsAsked"]
    assert told == [
        "the workers draw more than 1 W although they compute for 5% of the time only; raise energy.powerCap, or "
        "suspend the job"
    ]


def test_pauses_are_no_hang(scene: Scene) -> None:
    job = capped(scene, {"progressDeadlineSeconds": 100}).run()
    duty = job.status.power_cap.duty_ratio
    job.report = replace(job.report, unchanged_seconds=99 / duty)
    job.plan()
    assert job.status.attempt == 1
    job.report = replace(job.report, unchanged_seconds=101 / duty)
    job.plan()
    assert job.status.attempt == 2


def test_the_power_of_a_cap_is_no_reason_to_write_the_status(scene: Scene) -> None:
    job = capped(scene).run()
    measure(job, 4.2)
    job.interval_seconds = 15.0
    before = job.status
    measure(job, 4.21, seconds=1.0)
    assert job.status == before
    measure(job, 4.21, seconds=15.0)
    assert job.status.power_cap.effective_watts == 4.21


def test_a_domain_reserves_what_a_job_is_held_to(scene: Scene) -> None:
    job = capped(scene)
    found = fleet_job(job.job, job.status, living_children=False, fresh=True)
    assert found.full_watts == 4.2 < estimated_watts(job.spec, 1.0).high


@pytest.mark.parametrize(
    ("cap", "watts"), [({"percentOfMax": 60}, 4.2), ({"jobWatts": 5.5}, 5.5), ({"percentOfMax": 20}, 3.9)]
)
def test_a_cap_is_of_all_workers_together(scene: Scene, cap: dict[str, Any], watts: float) -> None:
    found = cap_of(capped(scene, **cap).spec, cpus=1.0)
    assert found is not None
    assert (found.target_watts, found.most_watts, found.idle_watts) == (watts, MOST_WATTS, 1.48)
