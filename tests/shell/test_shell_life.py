"""Jobs from their creation to their end, with the operator's shell against a real API server."""

import contextlib
from itertools import pairwise

from wattrain_operator.cluster import shell as module
from wattrain_operator.cluster.kube.apierrors import NotFoundError

from .stage import is_true, job_keys


def writes(shell):
    return list(shell.client.written)


def test_a_job_is_admitted_runs_and_completes_and_then_nothing_more_is_written(scenario, until):
    async def story(cluster):
        async with cluster.operator() as shell:
            await cluster.apply("one")

            async def both_there():
                return len(await cluster.pods()) == 2

            await until(both_there, "two pods")
            status = await cluster.status("one")
            assert is_true(status, "Admitted")
            assert status["state"] == "Starting"
            assert [s["metadata"]["name"] for s in await cluster.services()] == ["one"]
            for pod in await cluster.pods():
                await cluster.run_pod(pod)

            async def running():
                return is_true(await cluster.status("one"), "Running")

            await until(running, "Running")
            for pod in await cluster.pods():
                await cluster.end_pod(pod, 0, {"version": 1, "exitCode": 0, "step": 7})

            async def complete():
                return is_true(await cluster.status("one"), "Complete") and not await cluster.pods()

            await until(complete, "Complete, with its pods removed")

            async def told():
                return len(await cluster.events()) == 4

            await until(told, "four events")
            reasons = {event["reason"] for event in await cluster.events()}
            assert reasons == {"JobAdmitted", "EphemeralStorage", "WorkersRunning", "TrainingComplete"}
            before = writes(shell)
            for _ in range(3):
                shell.queue.add(job_keys(shell)[0])
                await shell.resync()

            async def at_rest():
                return not len(shell.queue)

            await until(at_rest, "an empty queue")
            assert writes(shell) == before
            assert shell.outcomes["crash"] == 0
            assert len(before) <= 20, before

    scenario(story)


def test_what_is_deleted_between_the_first_list_and_the_watch_is_soon_forgotten(scenario, until):
    """The watch begins with a LIST of its own, and never tells of what was deleted before that."""

    async def story(cluster):
        async with cluster.operator():
            await cluster.apply("one")

            async def both_there():
                return len(await cluster.pods()) == 2

            await until(both_there, "two pods")
        async with cluster.operator() as shell:
            await cluster.unwatch()

            async def listed():
                return shell.cache.count("Pod") == 2

            await until(listed, "the first LIST")
            first_of_its_pods, _ = await cluster.pods()
            await cluster.delete_pod(first_of_its_pods)
            cluster.watch(shell)

            async def whole_again():
                uids = {pod["metadata"]["uid"] for pod in await cluster.pods()}
                return len(uids) == 2 and first_of_its_pods["metadata"]["uid"] not in uids

            await until(whole_again, "two pods again", seconds=20)

    scenario(story)


def test_what_was_deleted_while_the_watch_was_down_is_forgotten_after_one_list(scenario, until, monkeypatch):
    monkeypatch.setattr(module, "EARLY_RESYNCS_SECONDS", ())

    async def story(cluster):
        async with cluster.operator() as shell:
            gone = await cluster.apply("gone")
            await cluster.apply("stays")

            async def all_there():
                return len(await cluster.pods()) == 4 and shell.cache.count("Pod") == 4

            await until(all_there, "four pods")
            await cluster.unwatch()
            await cluster.delete_job(gone)
            for pod in await cluster.pods():
                with contextlib.suppress(NotFoundError):  # the garbage collector was quicker
                    await cluster.delete_pod(pod)

            async def none_there():
                return not await cluster.pods()

            await until(none_there, "no pods")
            shell.heard_at.clear()
            cluster.watch(shell)

            async def hears():
                return "TrainingJob" in shell.heard_at

            await until(hears, "the watch is back")
            assert shell.cache.count("TrainingJob") == 2  # a watch that comes back does not tell what is gone

            async def forgotten():
                return shell.cache.pods(cluster.namespace, gone["metadata"]["uid"]) == []

            await until(forgotten, "the watch of pods, which begins with a LIST of its own")
            await shell.resync()
            assert shell.cache.count("TrainingJob") == 1

            async def whole_again():
                return len(await cluster.pods()) == 2 == shell.cache.count("Pod")

            await until(whole_again, "a group for the job that is still there")
            assert shell.outcomes["crash"] == 0

    scenario(story)


def test_a_job_deleted_and_created_again_fifty_times_never_meets_its_namesakes(scenario, until):
    async def story(cluster):
        async with cluster.operator() as shell:
            uids = []
            for _ in range(50):
                job = await cluster.apply("again")
                uids.append(job["metadata"]["uid"])

                async def pods_are_its_own(uid=uids[-1]):
                    owners = [p["metadata"]["ownerReferences"][0]["uid"] for p in await cluster.pods()]
                    return owners == [uid, uid]

                # The cluster's garbage collector looks for new kinds, as ours is in a new cluster, every 30 s.
                await until(pods_are_its_own, "two pods of the newest job", seconds=90)
                status = await cluster.status("again")
                assert status["attempt"] == 1
                assert status["restartCount"] == 0
                await cluster.delete_job(job)
            assert all(a != b for a, b in pairwise(uids))

            async def nothing_left():
                return not await cluster.pods() and shell.cache.count("TrainingJob") == 0

            await until(nothing_left, "nothing")
            assert shell.outcomes["crash"] == 0

    scenario(story)
