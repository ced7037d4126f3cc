"""An operator that is killed after each of its writes in turn, at every point of a job's life: nobody can tell.

Each story is what users, workers and the cluster do. It is told once with an operator that lives, then again and again
with one that dies as soon as its n-th write has been answered, and another that follows it.
"""

import asyncio
import contextlib
import itertools
from dataclasses import dataclass, field

import pytest

from wattrain_operator.cluster.kube.apierrors import AlreadyExistsError, NotFoundError
from wattrain_operator.cluster.kube.resources import Resource
from wattrain_operator.core import restarts

from .stage import Stage, say, until_at_rest
from .witness import watched

STORIES = {}
LIMIT_RANGES = Resource("", "v1", "limitranges")


def story(tell):
    """Enter `tell` into the table, under its name."""
    STORIES[tell.__name__] = tell
    return tell


async def completes(stage, attempt=1):
    """All workers of `attempt` end well, and the job says so and keeps none."""
    await stage.succeed(attempt)
    await stage.until_true("Complete")
    await stage.until_pods(0)


@story
async def runs_and_completes(stage):
    await stage.apply()
    await stage.run()
    await completes(stage)


@story
async def has_its_data_prepared_on_a_claim(stage):
    await stage.apply(storage={"claim": "disk"})
    await stage.until_pods(1)
    (preparation,) = await stage.pods()
    await stage.cluster.run_pod(preparation)
    await stage.cluster.end_pod(preparation)
    await stage.until_pods(1 + stage.replicas)
    for pod in (await stage.pods())[: stage.replicas]:
        await stage.cluster.run_pod(pod)
    await stage.until_true("Running")
    for pod in (await stage.pods())[: stage.replicas]:
        await stage.cluster.end_pod(pod)
    await stage.until_true("Complete")
    await stage.until_pods(0)


@story
async def completes_beside_sidecars_that_never_end(stage):
    await stage.apply(storage={"claim": "disk"})
    await stage.until_pods(1)
    (preparation,) = await stage.pods()
    await stage.cluster.run_pod(preparation)
    await stage.cluster.end_pod(preparation, sidecar=True)
    await stage.until_whole(1)
    await stage.run()
    await stage.succeed(sidecar=True)
    await stage.until_true("Complete")
    await stage.until_pods(0)


@story
async def is_restarted_though_a_foreign_finalizer_keeps_a_pod_for_a_while(stage):
    await stage.apply(policy={"maxRestarts": 2})
    await stage.run()
    name = (await stage.pods(1))[0]["metadata"]["name"]
    await stage.set_finalizers(name, ["example.com/audit"])
    await stage.fail()
    await stage.until_pods(1)
    await stage.set_finalizers(name, None)
    await stage.until_whole(2)
    await stage.run(2)
    await completes(stage, 2)


@story
async def fails_where_a_limit_range_never_lets_its_pods_in(stage):
    # One that the job before it has left behind is the same.
    limits = [{"type": "Container", "max": {"cpu": "2"}}]
    body = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "small"}, "spec": {"limits": limits}}
    with contextlib.suppress(AlreadyExistsError):
        await stage.cluster.client.create(LIMIT_RANGES, stage.cluster.namespace, body)
    large = {"replicas": stage.replicas, "resources": {"limits": {"cpu": "3"}}}
    await stage.apply(workers=large, policy={"startDeadlineSeconds": 2})
    await stage.until_reason("Failed", "CreationRefused")
    await stage.until_pods(0)


@story
async def is_held_to_a_cap_by_cpu_limits_and_let_go(stage):
    workers = {"replicas": stage.replicas, "resources": {"limits": {"cpu": "1"}}}
    await stage.apply(workers=workers, energy={"powerCap": {"percentOfMax": 60}})
    await stage.run()
    await stage.until_cpus("493m")  # (0.6 x 3.5 - 0.74) / (3.5 - 0.74), by the model of energy
    await stage.change(energy={"powerCap": None})
    await stage.until_cpus("1")
    await completes(stage)


@story
async def is_restarted_after_a_worker_fails(stage):
    await stage.apply()
    await stage.run()
    await stage.fail()
    await stage.run(attempt=2)
    await completes(stage, attempt=2)


@story
async def is_restarted_after_a_worker_is_deleted(stage):
    await stage.apply()
    await stage.run()
    await stage.lose()
    await stage.run(attempt=2)
    await completes(stage, attempt=2)


@story
async def is_suspended_and_resumed(stage):
    await stage.apply()
    await stage.run()
    await stage.change(suspend=True)
    await stage.until_true("Suspended")
    await stage.until_pods(0)
    await stage.change(suspend=False)
    await stage.run(attempt=2)
    await completes(stage, attempt=2)


@story
async def is_deleted_while_it_starts(stage):
    await stage.apply()
    await stage.until_any_pod()
    await stage.delete()
    await stage.until_nothing_left()


@story
async def is_deleted_while_it_runs(stage):
    await stage.apply()
    await stage.run()
    await stage.delete()
    await stage.until_nothing_left()


@story
async def is_removed_after_its_time_to_live(stage):
    await stage.apply(policy={"ttlSecondsAfterFinished": 0})
    await stage.run()
    await stage.succeed()
    await stage.until_nothing_left()


@story
async def fails_for_good_and_keeps_what_failed(stage):
    await stage.apply(policy={"maxRestarts": 0})
    await stage.run()
    await stage.fail()
    await stage.until_true("Failed")
    await stage.until_pods(1)


@dataclass
class Life:
    """One telling of a story."""

    end: object
    """What a job's end has to do with what happened, and not with when."""
    died: bool
    """Whether the first operator did."""
    written: list[str] = field(default_factory=list)
    """By all operators, in their order."""


@pytest.mark.parametrize("tell", STORIES.values(), ids=STORIES.keys())
def test_a_job_ends_the_same_whichever_write_was_the_last_of_its_operator(tell, scenario, monkeypatch):
    monkeypatch.setattr(restarts, "FIRST_BACK_OFF_SECONDS", 0.05)

    async def main(cluster):
        async with watched(cluster) as seen:
            whole = await live(cluster, tell, "whole", None)
            for lives in itertools.count(1):
                assert lives <= len(whole.written) + 5, "the operator died every time: it writes more and more"
                cut = await live(cluster, tell, f"cut-{lives}", lives)
                assert cut.end == whole.end, f"killed after write {lives}: {cut.written}"
                if not cut.died:
                    break
            seen.assert_orderly()
        say(f"{tell.__name__}: {lives - 1} kill points, {len(seen.born)} pods, no divergence")

    scenario(main)


async def live(cluster, tell, name, lives):
    """The job `name` from its creation to its end, with an operator that dies after `lives` writes, then another."""
    life, stage = Life(None, died=False), Stage(cluster, name)
    telling = asyncio.create_task(tell(stage))
    try:
        for chances in (lives, None):
            async with cluster.operator(lives=chances) as shell:
                dying = asyncio.create_task(shell.client.dead.wait())
                await asyncio.wait({telling, dying}, return_when=asyncio.FIRST_COMPLETED)
                if telling.done():
                    telling.result()
                    await until_at_rest(shell)
                dying.cancel()
            life.written += shell.client.written
            assert shell.outcomes["crash"] == 0
            if not shell.client.dead.is_set():
                break
            life.died = True
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
    life.end = await ending(stage)
    if "trainingjobs" in life.end[1]:
        await stage.delete()
    return life


async def ending(stage):
    """The status without what depends on the moment, and what is left."""
    left = await stage.left_over()
    try:
        status = await stage.status()
    except NotFoundError:
        return None, left
    conditions = {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]}
    internal = status.get("internal", {})
    kept = ("state", "attempt", "restartCount", "workers")
    known = ("groupComplete", "dataPrepared", "failuresSinceCheckpoint")
    told = [
        (r["attempt"], r["reason"], r["counted"], r.get("worker"), r.get("rank")) for r in status.get("restarts", ())
    ]
    facts = {name: status.get(name) for name in kept} | {name: internal.get(name) for name in known}
    return (conditions, told, facts), left
