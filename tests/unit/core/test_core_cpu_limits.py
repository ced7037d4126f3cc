"""Workers are held to a cap by their CPU limits where the cluster changes them, and get them back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from wattrain_api import reasons
from wattrain_operator.core.observed import ChildCpus, LimitChild, Plan, Refusal
from wattrain_operator.simulated.objects import moment

Scene = Callable[..., Any]
LIMITED = round((0.6 * 7.0 - 1.48) / (7.0 - 1.48), 3)
"""CPUs of each of two workers of one CPU that are to draw 60 % of 7 W, by the model of energy."""


def capped(scene: Scene, resources: dict[str, Any] | None = None, **energy: Any) -> Any:
    """A job whose workers run on a cluster that changes their CPU limits."""
    selector = {"nvidia.com/gpu.product": "NVIDIA-L4"}  # of a GPU, the product has to be known
    workers = {"replicas": 2, "resources": resources or {"limits": {"cpu": "1"}}, "nodeSelector": selector}
    job = scene(spec={"workers": workers, "energy": energy or {"powerCap": {"percentOfMax": 60}}})
    job.limits_cpus = True
    return job


def run(job: Any) -> Plan:
    """Bring the workers up, each with its own limit, as far as the next decision. Returns that."""
    job.settle()
    for worker in range(2):
        job.add(worker, cpus=ChildCpus(1.0, 1.0))
    decided: Plan = job.plan()
    return decided


def obey(job: Any, decided: Plan, *, in_force: bool = True) -> None:
    """Pods have the limits that were decided; their nodes hold them, or do not yet."""
    for limit in decided.limits:
        child = job.children[limit.name]
        held = limit.cpus if in_force else child.cpus.in_force
        job.children[limit.name] = replace(child, cpus=ChildCpus(limit.cpus, held))


def tell(job: Any, watts: float, seconds: float = 10.0) -> Plan:
    """So much later the group trains, and has drawn so many watts as a mean over five seconds."""
    job.run() if job.report is None else None
    job.seconds += seconds
    job.report = replace(job.report, training_watts=watts, training_watts_seconds=5.0)
    decided: Plan = job.plan()
    return decided


def complaints(job: Any) -> list[str]:
    return [event.message for event in job.events if event.reason == reasons.POWER_CAP_NOT_AS_ASKED]


def test_all_workers_get_one_lower_limit_and_no_pauses(scene: Scene) -> None:
    job = capped(scene)
    decided = run(job)
    assert [(limit.name, limit.cpus, limit.requested_cpus) for limit in decided.limits] == [
        ("job-1-0", LIMITED, LIMITED), ("job-1-1", LIMITED, LIMITED),
    ]  # fmt: skip
    assert decided.directs == ()
    held = job.status.power_cap
    assert (held.means, held.cpu_limit, held.not_limited) == ("CpuLimit", LIMITED, "")
    [told] = [event.message for event in job.events if event.reason == reasons.POWER_CAPPED]
    assert told == "held to 4.2 W of the 7 W that its workers draw at most, by lower CPU limits"


def test_an_operator_that_takes_over_asks_for_the_limits_that_its_predecessor_did_not_get_to(scene: Scene) -> None:
    job = capped(scene)
    decided = run(job)
    again = job.plan()  # the status is as it was written, and no pod has changed
    assert again.limits == decided.limits
    obey(job, Plan(again.status, limits=again.limits[:1]))
    assert [limit.name for limit in job.plan().limits] == ["job-1-1"]
    obey(job, job.plan())
    assert job.plan().limits == ()


def test_a_limit_is_corrected_by_what_is_drawn_once_all_nodes_hold_it(scene: Scene) -> None:
    job = capped(scene)
    obey(job, run(job), in_force=False)
    job.report = job.report or capped(scene).run().report
    tell(job, 6.0)
    assert (job.status.power_cap.since, job.status.power_cap.cpu_limit) == (None, LIMITED)
    for name, child in job.children.items():
        job.children[name] = replace(child, cpus=ChildCpus(LIMITED, LIMITED))
    assert tell(job, 6.0).limits == ()
    decided = tell(job, 6.0)
    assert {limit.cpus for limit in decided.limits} == {job.status.power_cap.cpu_limit}
    assert job.status.power_cap.cpu_limit < LIMITED
    assert job.status.power_cap.effective_watts == 6.0


def test_the_first_limit_holds_workers_that_did_not_get_their_cpus_before(scene: Scene) -> None:
    job = capped(scene)
    job.spec = job.spec.model_copy(update={"energy": type(job.spec.energy)()})
    run(job)
    job.run()
    for worker in range(2):
        job.add(worker, cpus=ChildCpus(1.0, 1.0))
    job.report = replace(job.report, training_watts=4.3, training_watts_seconds=5.0)
    job.spec = capped(scene).spec
    assert {limit.cpus for limit in job.plan().limits} == {LIMITED}


@pytest.mark.parametrize(
    ("resources", "requested"),
    [
        ({"limits": {"cpu": "1"}}, LIMITED),
        ({"limits": {"cpu": "1"}, "requests": {"cpu": "1"}}, LIMITED),
        ({"limits": {"cpu": "1"}, "requests": {"cpu": "100m"}}, 0.1),
        ({"limits": {"cpu": "1"}, "requests": {"cpu": "900m"}}, LIMITED - 0.001),
    ],
)
def test_a_request_never_exceeds_the_limit_and_equals_it_only_where_it_did(
    scene: Scene, resources: dict[str, Any], requested: float
) -> None:
    found = [limit.requested_cpus for limit in run(capped(scene, resources)).limits]
    assert found == pytest.approx([requested, requested])


def test_workers_get_their_limit_back_when_the_cap_is_lifted_and_others_limits_are_let_alone(scene: Scene) -> None:
    job = capped(scene)
    obey(job, run(job))
    job.spec = job.spec.model_copy(update={"energy": type(job.spec.energy)()})
    decided = job.plan()
    assert decided.limits == (
        LimitChild("job-1-0", "uid of job-1-0", 1.0, 1.0), LimitChild("job-1-1", "uid of job-1-1", 1.0, 1.0)
    )  # fmt: skip
    assert job.status.power_cap is None
    assert job.plan().limits == decided.limits, "an operator that takes over goes on"
    obey(job, decided)
    job.plan()
    assert not job.status.internal.cpus_limited
    job.add(0, cpus=ChildCpus(0.5, 0.5))  # somebody else's doing
    assert job.plan().limits == ()


@pytest.mark.parametrize(
    ("resources", "why"),
    [
        ({"requests": {"cpu": "1"}}, "workers.resources.limits names no cpu that could be lowered"),
        (
            {"limits": {"cpu": "1", "nvidia.com/gpu": "1"}},
            "the workers have GPUs, whose power a CPU limit does not hold back",
        ),
    ],
)
def test_where_a_limit_is_no_means_ranks_pause_and_the_status_says_why(
    scene: Scene, resources: dict[str, Any], why: str
) -> None:
    job = capped(scene, resources)
    decided = run(job)
    assert decided.limits == ()
    assert len(decided.directs) == 1
    assert (job.status.power_cap.means, job.status.power_cap.not_limited) == ("DutyCycle", why)


def test_where_the_server_refuses_ranks_pause_instead_and_it_is_said_once(scene: Scene) -> None:
    job = capped(scene)
    obey(job, Plan(job.status, limits=run(job).limits[:1]))
    job.limit_refusal = Refusal(reasons.CREATION_REFUSED, "job-1-1: pods is forbidden", moment(job.seconds))
    [asked] = job.plan().directs
    held = job.status.power_cap
    assert asked.directive.duty_ratio == held.duty_ratio == LIMITED
    assert (held.means, held.cpu_limit, held.not_limited) == ("DutyCycle", None, "job-1-1: pods is forbidden")
    assert job.plan().limits == (), "not at once after a refusal"
    job.seconds += 31
    assert [(limit.name, limit.cpus) for limit in job.plan().limits] == [("job-1-0", 1.0)]
    assert complaints(job) == [
        "the CPU limit of the workers is not changed: job-1-1: pods is forbidden; ranks pause between steps instead"
    ]


def test_where_a_node_cannot_do_it_ranks_pause_instead_and_the_pod_gets_its_limit_back(scene: Scene) -> None:
    job = capped(scene)
    obey(job, run(job), in_force=False)
    why = "Infeasible: static CPU Manager policy"
    job.children["job-1-0"] = replace(job.children["job-1-0"], cpus=ChildCpus(LIMITED, 1.0, why))
    decided = job.plan()
    assert {limit.cpus for limit in decided.limits} == {1.0}
    assert len(decided.directs) == 1
    assert job.status.power_cap.not_limited == f"job-1-0: {why}"
    assert len(complaints(job)) == 1


def test_a_node_that_has_no_room_to_give_a_limit_back_is_told_of_and_waited_for(scene: Scene) -> None:
    job = capped(scene)
    obey(job, run(job))
    job.spec = job.spec.model_copy(update={"energy": type(job.spec.energy)()})
    obey(job, job.plan(), in_force=False)
    full = ChildCpus(1.0, LIMITED, "Deferred: Node didn't have enough cpu")
    job.children["job-1-0"] = replace(job.children["job-1-0"], cpus=full)
    for _ in range(3):
        assert job.plan().limits == ()
    assert job.status.internal.cpus_limited
    assert complaints(job) == [
        "the CPU limit of the workers is not changed: job-1-0: Deferred: Node didn't have enough cpu; workers "
        "keep a lower limit than the job says for now"
    ]


def test_a_backend_that_changes_no_limits_has_ranks_pause(scene: Scene) -> None:
    job = capped(scene)
    job.limits_cpus = False
    decided = run(job)
    assert (decided.limits, len(decided.directs)) == ((), 1)
    assert (job.status.power_cap.means, job.status.power_cap.not_limited) == ("DutyCycle", "")
