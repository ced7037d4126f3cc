"""An operator that cannot reach pods asks them through the API server (`reach: proxy`)."""

import contextlib
import ipaddress

import pytest
from aiohttp import web
from harness.fleet import ON_FAKE_NODES

from wattrain_api import names

from .stage import is_true

PROXY = {"reach": "proxy", "progress_interval_seconds": 0.2}


def asked(shell):
    """Answers of the API server to requests to a pod, by HTTP status."""
    return {code: count for (verb, _, code), count in shell.client.requests.items() if verb == "proxy"}


@contextlib.asynccontextmanager
async def supervisor(address, answer):
    """What a supervisor serves, at the address of a pod."""

    async def progress(_):
        return web.json_response(answer)

    application = web.Application()
    application.add_routes([web.get(names.PATH_PROGRESS, progress)])
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, address, names.DEFAULT_WORKER_PORT).start()
    try:
        yield
    finally:
        await runner.cleanup()


def test_the_api_server_carries_progress_from_a_pod_to_the_status(scenario, until, kwok_nodes):
    async def story(cluster):
        spec = {"script": {"command": ["x"]}, "image": "i:1", "workers": {"replicas": 2, **ON_FAKE_NODES}}
        async with cluster.operator(**PROXY) as shell:
            await cluster.apply("one", spec)

            async def first_runs():
                return [p for p in await cluster.pods() if p["status"].get("podIP") and is_first(p)]

            await until(first_runs, "the first worker to run")
            (first,) = await first_runs()
            address = first["status"]["podIP"]
            if ipaddress.ip_address(address).is_loopback:
                pytest.skip("NOT TESTED: the API server speaks to no loopback address; run as root, with iproute2")
            answer = {"version": 1, "attempt": 1, "generation": 1, "phase": "training", "step": 7, "totalSteps": 70}
            async with supervisor(address, answer):

                async def told():
                    return (await cluster.status("one")).get("progress", {}).get("step") == 7

                await until(told, "step 7 in the status")
            assert asked(shell)[200] > 0
            assert shell.outcomes["crash"] == 0

    scenario(story)


def is_first(pod):
    return pod["metadata"]["name"].endswith("-0")


def test_a_pod_that_the_api_server_does_not_reach_is_asked_again_and_its_job_goes_on(scenario, until):
    async def story(cluster):
        async with cluster.operator(**PROXY) as shell:
            await cluster.apply("one")

            async def both_there():
                return len(await cluster.pods()) == 2

            await until(both_there, "two pods")
            for pod in await cluster.pods():
                nowhere = {"podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}]}  # which the API server refuses
                ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
                await cluster.set_pod(pod, ready | nowhere)

            async def asked_often():
                return shell.progress.outcomes["unreachable"] >= 3

            await until(asked_often, "three questions without an answer")
            assert not set(asked(shell)) & {200, 401, 403}
            status = await cluster.status("one")
            assert (is_true(status, "Running"), status["attempt"], status["restartCount"]) == (True, 1, 0)
            assert status["state"] == "Starting"  # of a step nothing has been heard
            assert shell.outcomes["crash"] == 0

    scenario(story)
