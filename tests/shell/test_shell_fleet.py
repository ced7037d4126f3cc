"""Several jobs of a power domain with a limit: never more at once than it allows, the more important first."""

import asyncio
import contextlib
import itertools

import pytest

from wattrain_operator.cluster import shell as shell_module
from wattrain_operator.cluster.kube.resources import POWER_DOMAINS

from .conftest import until
from .stage import Stage, is_true, say
from .witness import watched


class Domains:
    """Makes PowerDomains, and removes them at the end, for they belong to no namespace."""

    def __init__(self, cluster):
        self.cluster, self.made = cluster, []

    async def apply(self, spec):
        """A new domain, whose name is returned."""
        body = {"apiVersion": "wattrain.dev/v1alpha1", "kind": "PowerDomain", "spec": spec}
        body |= {"metadata": {"name": f"{self.cluster.namespace}-{len(self.made)}"}}
        self.made.append(await self.cluster.client.create(POWER_DOMAINS, "", body))
        return body["metadata"]["name"]

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        for body in self.made:
            await self.cluster.client.delete(POWER_DOMAINS, "", body["metadata"]["name"], body["metadata"]["uid"])


async def apply(cluster, name, domain, priority=0, replicas=2, **spec):
    stage = Stage(cluster, name, replicas)
    await stage.apply(energy={"powerDomain": domain}, queue={"priority": priority}, **spec)
    return stage


async def one_runs_and_one_waits(cluster, domain):
    """A job that runs, and another that waits for its place."""
    first = await apply(cluster, "first", domain)
    await first.run()
    second = await apply(cluster, "second", domain)
    await until_position(second, 1)
    return first, second


async def until_position(stage, position):
    async def there():
        return (await stage.status()).get("queue", {}).get("position") == position

    await until(there, f"{stage.name} has position {position} in the queue")


def test_jobs_run_one_after_the_other_the_more_important_first(scenario):
    async def main(cluster):
        async with Domains(cluster) as domains:
            domain = await domains.apply({"maxRunningJobs": 1})
            async with watched(cluster) as seen, cluster.operator():
                holder = await apply(cluster, "holder", domain)
                await holder.run()
                low = await apply(cluster, "low", domain, priority=1)
                await until_position(low, 1)
                high = await apply(cluster, "high", domain, priority=2)
                await until_position(high, 1)
                await until_position(low, 2)
                status = await low.status()
                assert (status["state"], status["queue"]["heldBy"]) == ("Queued", f"{cluster.namespace}/holder")
                assert "maxRunningJobs 1" in (await low.condition("Admitted"))["message"]
                for stage, behind in ((holder, low), (high, low), (low, None)):
                    await stage.run()
                    if behind is not None:
                        assert not await behind.pods()
                    await stage.succeed()
                await low.until_true("Complete")
                assert seen.most_jobs == 1
                assert "position" not in (await low.status()).get("queue", {})

    scenario(main)


def test_a_suspended_job_gives_its_place_and_waits_for_another(scenario):
    async def main(cluster):
        async with Domains(cluster) as domains:
            domain = await domains.apply({"maxRunningJobs": 1})
            async with watched(cluster) as seen, cluster.operator():
                first, second = await one_runs_and_one_waits(cluster, domain)
                await first.change(suspend=True)
                await first.until_true("Suspended")
                await second.run()
                await first.change(suspend=False)
                await until_position(first, 1)
                await second.succeed()
                await first.run(attempt=2)
                assert seen.most_jobs == 1

    scenario(main)


def test_a_deleted_job_gives_its_place(scenario):
    async def main(cluster):
        async with Domains(cluster) as domains:
            domain = await domains.apply({"maxRunningJobs": 1})
            async with watched(cluster) as seen, cluster.operator():
                first, second = await one_runs_and_one_waits(cluster, domain)
                await first.delete()
                await second.until_whole(1, seconds=90)  # the garbage collector may look for our kind every 30 s
                await second.run()
                assert seen.most_jobs == 1

    scenario(main)


def test_a_higher_limit_lets_the_next_run_and_a_lower_one_takes_nothing_away(scenario):
    async def main(cluster):
        async with Domains(cluster) as domains:
            domain = await domains.apply({"maxRunningJobs": 1})
            async with cluster.operator():
                stages = [await apply(cluster, name, domain, priority=9 - n) for n, name in enumerate(("a", "b", "c"))]
                await stages[0].run()
                await cluster.client.merge(POWER_DOMAINS, "", domain, {"spec": {"maxRunningJobs": 2}})
                await stages[1].run()
                await cluster.client.merge(POWER_DOMAINS, "", domain, {"spec": {"maxRunningJobs": 1}})
                await stages[0].succeed()
                await stages[0].until_true("Complete")
                assert is_true(await stages[1].status(), "Running")
                assert not await stages[2].pods()
                await stages[1].succeed()
                await stages[2].run()

    scenario(main)


def test_a_domain_that_is_missing_or_cannot_be_read_holds_the_job_with_the_remedy(scenario):
    async def main(cluster):
        async with Domains(cluster) as domains:
            bad = await domains.apply({"nodeSelector": {"rack": "a"}})
            async with cluster.operator():
                missing = await apply(cluster, "missing", f"{cluster.namespace}-1")
                unreadable = await apply(cluster, "unreadable", bad)
                await missing.until_reason("Admitted", "PowerDomainNotFound")
                assert "create it" in (await missing.condition("Admitted"))["message"]
                await unreadable.until_reason("Admitted", "PowerDomainUnreadable")
                assert "nodeSelector" in (await unreadable.condition("Admitted"))["message"]
                await domains.apply({})
                await cluster.client.merge(POWER_DOMAINS, "", bad, {"spec": {"nodeSelector": None}})
                await missing.run()
                await unreadable.run()

    scenario(main)


def test_a_domain_says_itself_whether_it_is_acted_by_or_what_to_correct(scenario):
    async def main(cluster):
        async def accepted(name, answer):
            found = []

            async def told():
                body = await cluster.client.get(POWER_DOMAINS, "", name)
                found[:] = [c for c in body.get("status", {}).get("conditions", ()) if c["type"] == "Accepted"]
                now = [(c["status"], c["observedGeneration"]) for c in found]
                return now == [(answer, body["metadata"]["generation"])]

            await until(told, f"{name} is accepted: {answer}")
            return found[0]

        async with Domains(cluster) as domains:
            racks = await domains.apply({"maxRunningJobs": 1, "baseWatts": 50, "nodeSelector": {"rack": "a"}})
            nowhere = await domains.apply({"tariff": {"pricePerKWh": 0.3, "timeZone": "Europe/Atlantis"}})
            good = await domains.apply({"tariff": {"pricePerKWh": 0.3, "timeZone": "Europe/Berlin"}})
            async with cluster.operator():
                refused = await accepted(racks, "False")
                assert refused["reason"] == "NotSupported"
                assert "spec.baseWatts: it is a part of capWatts" in refused["message"]
                assert "spec.nodeSelector" in refused["message"]
                wrong = await accepted(nowhere, "False")
                assert wrong["reason"] == "InvalidSpec"
                assert "Europe/Atlantis" in wrong["message"]
                assert "IANA" in wrong["message"]
                assert (await accepted(good, "True"))["reason"] == "Accepted"
                change = {"spec": {"baseWatts": None, "nodeSelector": None}}
                await cluster.client.merge(POWER_DOMAINS, "", racks, change)
                await accepted(racks, "True")

    scenario(main)


def test_an_operator_that_has_decided_upon_an_old_domain_looks_at_it_and_decides_anew(scenario, monkeypatch):
    monkeypatch.setattr(shell_module, "EARLY_RESYNCS_SECONDS", ())

    async def main(cluster):
        async with Domains(cluster) as domains:
            domain = await domains.apply({"maxRunningJobs": 1})
            async with cluster.operator() as shell:
                holder = await apply(cluster, "holder", domain)
                await holder.run()
                await cluster.unwatch()  # from here on it is told of nothing
                await cluster.client.merge(POWER_DOMAINS, "", domain, {"spec": {"maxRunningJobs": 3}})
                stages = [await apply(cluster, name, domain) for name in ("second", "third")]
                await holder.succeed()
                for pod in await holder.pods():
                    shell.take("Pod", pod, deleted=False)
                for stage in stages:
                    shell.take("TrainingJob", stage.body, deleted=False)
                for stage in stages:
                    await stage.until_whole(1)
                assert shell.client.requests["update", "powerdomains", 409] >= 1
                assert shell.client.requests["get", "powerdomains", 200] >= 1

    scenario(main)


def test_jobs_wait_for_watts_and_the_domain_says_what_is_reserved_and_free(scenario):
    async def main(cluster):
        async with Domains(cluster) as domains:
            domain = await domains.apply(CAP)
            async with watched(cluster) as seen, cluster.operator():
                first, second = await one_runs_and_one_waits(cluster, domain)
                huge = await apply(cluster, "huge", domain, priority=9, replicas=9)
                await huge.until_reason("Admitted", "PowerCapTooSmall")
                assert "raise capWatts" in (await huge.condition("Admitted"))["message"]
                status = (await cluster.client.get(POWER_DOMAINS, "", domain))["status"]
                [held] = status["reservations"]
                assert (held["name"], held["watts"]) == ("first", held["fullWatts"])
                assert status["power"]["reservedWatts"] == held["watts"]
                assert status["power"]["freeWatts"] == round(CAP["capWatts"] - held["watts"], 1)
                assert "W for jobs of power domain" in (await second.condition("Admitted"))["message"]
                await first.succeed()
                await second.run()
                await cluster.client.merge(
                    POWER_DOMAINS, "", domain, {"spec": {"capWatts": None, "headroomPercent": None}}
                )
                await huge.run()
                assert seen.most_jobs == 2
                await until_no_power(cluster, domain)

    scenario(main)


async def until_no_power(cluster, domain):
    async def is_gone():
        return "power" not in (await cluster.client.get(POWER_DOMAINS, "", domain))["status"]

    await until(is_gone, f"{domain} without a cap tells no power")


CAP = {"maxRunningJobs": 2, "capWatts": 50, "headroomPercent": 0}
"""Room for one job of two workers and no more; a worker is counted with 17.8 W."""


@contextlib.asynccontextmanager
async def within_cap(cluster, domain, usable_watts):
    """Whoever looks at the domain meanwhile, at any of its versions: what is reserved is never more than it allows."""
    sums = []

    async def follow(version):
        async for kind, body in cluster.client.watch(POWER_DOMAINS, "", "", version):
            if kind != "BOOKMARK" and body["metadata"]["name"] == domain:
                sums.append(sum(held["watts"] for held in body.get("status", {}).get("reservations", ())))

    _, version = await cluster.client.list_all(POWER_DOMAINS, "")
    watching = asyncio.create_task(follow(version))
    try:
        yield
        assert not watching.done()
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    assert 0 < max(sums) <= usable_watts
    say(f"{len(sums)} versions of the domain, of which the most reserved {max(sums)} W")


@pytest.mark.parametrize("limits", [{"maxRunningJobs": 1}, {**CAP, "capWatts": 25}], ids=["places", "watts"])
def test_an_operator_killed_after_any_write_lets_no_two_jobs_run_at_once(scenario, limits):
    async def main(cluster):
        async with Domains(cluster) as domains:
            domain = await domains.apply(limits)
            usable_watts = limits.get("capWatts")
            within = within_cap(cluster, domain, usable_watts) if usable_watts else contextlib.nullcontext()
            async with watched(cluster) as seen, within, cluster.playing():
                for lives in itertools.count(1):
                    low = await apply(cluster, f"low-{lives}", domain, priority=1, replicas=1)
                    high = await apply(cluster, f"high-{lives}", domain, priority=2, replicas=1)
                    if not await live(cluster, (low, high), lives):
                        break
                seen.assert_orderly()
                order = [name.rpartition("-")[0].rpartition("-")[0] for name in seen.born]
                first = list(dict.fromkeys(order))
                assert first == [f"{which}-{n}" for n in range(1, lives + 1) for which in ("high", "low")]
                assert seen.most_jobs == 1
            say(f"{lives - 1} kill points with two jobs, {len(seen.born)} pods, never two jobs at once")

    scenario(main)


async def live(cluster, stages, lives):
    """Both jobs run to their end, with an operator that dies after `lives` writes, then another. Whether it died."""

    async def complete():
        return all([is_true(await stage.status(), "Complete") for stage in stages])

    for chances in (lives, None):
        async with cluster.operator(lives=chances) as shell:
            dying = asyncio.create_task(shell.client.dead.wait())
            ending = asyncio.create_task(until(complete, f"both complete, killed after write {lives}", seconds=60))
            await asyncio.wait({dying, ending}, return_when=asyncio.FIRST_COMPLETED)
            dying.cancel()
            if ending.done():
                ending.result()
                return chances is None
            ending.cancel()
    raise AssertionError("both operators died")


EVERY_WRITE = 3
"""An operator dies after each third write: after each one it does in the walks (tests/simulation/fleet)."""


def test_a_higher_priority_takes_the_place_of_a_lower_one_whichever_write_the_operator_dies_after(scenario):
    async def main(cluster):
        async with Domains(cluster) as domains:
            domain = await domains.apply({"maxRunningJobs": 1, "preemption": "LowerPriority"})
            async with watched(cluster) as seen:
                for lives in itertools.count(1, EVERY_WRITE):
                    low = await runs_and_keeps_checkpoints(cluster, f"low-{lives}", domain)
                    high = await apply(cluster, f"high-{lives}", domain, priority=5, replicas=1)
                    died = await dies_or_brings_up(cluster, high, lives)
                    async with cluster.operator():
                        await takes_the_place(cluster, high, low)
                    if not died:
                        break
                seen.assert_orderly()
                assert seen.most_jobs == 1
            say(f"the last operator died after {lives - EVERY_WRITE} writes; never two jobs at once")

    scenario(main)


async def runs_and_keeps_checkpoints(cluster, name, domain):
    """A job of low priority that runs, and whose checkpoints outlive its pods. Its operator is gone."""
    low = await apply(cluster, name, domain, priority=1, replicas=1, storage={"claim": "disk"})
    async with cluster.operator():
        await low.until_pods(1)
        (preparation,) = await low.pods()
        await cluster.run_pod(preparation)
        await cluster.end_pod(preparation)
        await low.until_pods(2)
        (worker,) = await low.workers()
        await cluster.run_pod(worker)
        await low.until_true("Running")
    return low


async def dies_or_brings_up(cluster, high, lives):
    """An operator dies after so many writes, or has brought `high` up before. Whether it died."""
    async with cluster.operator(lives=lives) as shell:
        dying = asyncio.create_task(shell.client.dead.wait())
        coming = asyncio.create_task(high.until_whole(1))
        await asyncio.wait({dying, coming}, return_when=asyncio.FIRST_COMPLETED)
        died = dying.done()
        for task in (dying, coming):
            task.cancel()
        await asyncio.gather(dying, coming, return_exceptions=True)
    return died


async def takes_the_place(cluster, high, low):
    """`high` runs to its end, then `low` goes on, and says for whom it has stopped."""
    await high.run()
    await until_position(low, 1)
    told = await low.condition("Suspended")
    why = f"preempted by {cluster.namespace}/{high.name}, priority 5 > 1"
    assert (told["status"], told["message"].startswith(why)) == ("False", True), told
    await high.succeed()
    await high.until_true("Complete")
    await low.run(attempt=2)
    assert (await low.status()).get("restartCount", 0) == 0
    await low.succeed(2)
    await low.until_true("Complete")
