"""Where nothing happens, nothing is written: not by twenty running jobs, nor by twenty that are over."""

import asyncio
import signal
from datetime import UTC, datetime

import pytest
from harness.daemon import wait_for

from .conftest import until
from .processes import Process
from .stage import Stage, say

JOBS_EACH = 20
LISTS = 10


@pytest.fixture
def operator(operator_kubeconfig, namespace, tmp_path):
    """The operator as a process, with a LIST of everything each second."""
    started = Process(tmp_path / "log", operator_kubeconfig, namespace, RESYNC_SECONDS="1")
    try:
        wait_for(lambda: started.said("leading as"), seconds=40, what="it leads")
        yield started
    finally:
        started.process.kill()
        started.process.wait()


def test_an_operator_at_rest_writes_nothing_but_its_lease(scenario, plane, namespace, operator):
    user = f"system:serviceaccount:{namespace}:wattrain-operator"

    def asked(verbs, since, resource=""):
        return [
            (event["verb"], event["objectRef"]["resource"], event["objectRef"].get("name", ""))
            for event in plane.audit_events(user)
            if event["verb"] in verbs
            and resource in ("", event["objectRef"]["resource"])
            and datetime.fromisoformat(event["requestReceivedTimestamp"]) >= since
        ]

    async def main(cluster):
        async def finished(n):
            stage = Stage(cluster, f"over-{n}")
            await stage.apply()
            await stage.run()
            await stage.succeed()
            await stage.until_true("Complete", seconds=90)
            await stage.until_pods(0)

        async def running(n):
            stage = Stage(cluster, f"running-{n}")
            await stage.apply()
            await stage.run()

        for n in range(0, JOBS_EACH, 5):
            await asyncio.gather(*map(finished, range(n, n + 5)), *map(running, range(n, n + 5)))
        since = [datetime.now(UTC)]

        async def quiet():
            """No write of anything but the Lease for the time of so many LISTs. News that are late start it anew."""
            await asyncio.sleep(0.5)  # to read the log costs more than to wait
            if [told for told in asked(("create", "update", "patch", "delete"), since[0]) if told[1] != "leases"]:
                since[0] = datetime.now(UTC)
            return len(asked(("list",), since[0], "trainingjobs")) >= LISTS

        await until(quiet, f"no write during {LISTS} LISTs", seconds=120)
        seconds = (datetime.now(UTC) - since[0]).total_seconds()
        leases = len(asked(("update",), since[0], "leases"))
        say(f"{2 * JOBS_EACH} jobs at rest for {seconds:.0f} s and {LISTS} LISTs: 0 writes but {leases} of the Lease")
        assert leases > 0

    scenario(main)
    assert operator.end(signal.SIGTERM) == 0
