"""Users who mean harm: what they ask for is refused with a message, or harmless, and others do not wait for it."""

import asyncio
import statistics
import time

import pytest

from wattrain_operator.cluster.kube.apierrors import ApiError
from wattrain_operator.cluster.kube.resources import TRAINING_JOBS

from .conftest import SPEC, until
from .hostile import specs
from .stage import Stage, say
from .wide import neighbour, operator_of

AT_ONCE = 8
MEASURED = 12
REFUSED = (400, 413, 422)
JOB = {"apiVersion": "wattrain.dev/v1alpha1", "kind": "TrainingJob"}


@pytest.fixture
def elsewhere(own_or_shared):
    """The namespace of somebody who means no harm."""
    with own_or_shared.namespace() as name:
        yield name


class Flood:
    """Creates hostile jobs, and knows what became of them."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.taken, self.refused, self.wrong = {}, 0, []

    async def send(self, what, spec, name):
        """Create a job with that spec."""
        self.taken[name] = what
        body = {**JOB, "metadata": {"name": name, "namespace": self.cluster.namespace}, "spec": spec}
        try:
            await self.cluster.client.create(TRAINING_JOBS, self.cluster.namespace, body)
        except ApiError as error:
            del self.taken[name]
            self.refused += 1
            if error.status not in REFUSED or not error.message:
                self.wrong.append(f"{what}: {error}")

    async def send_all(self, wanted):
        """Create all of them, some at once."""
        waiting = iter(enumerate(wanted))

        async def work():
            for number, (what, spec) in waiting:
                await self.send(what, spec, f"hostile-{number}")

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))

    async def until_answered(self):
        """Until every job that was taken says what becomes of it."""

        async def answered():
            await asyncio.sleep(0.5)  # to read them all is no small thing
            jobs, _ = await self.cluster.client.list_all(TRAINING_JOBS, self.cluster.namespace)
            self.mute = [self.taken[j["metadata"]["name"]] for j in jobs if not self._is_answered(j)]
            return not self.mute

        try:
            await until(answered, "every job is answered", seconds=60)
        except AssertionError:
            raise AssertionError(f"nothing is said of {self.mute[:20]}") from None

    @staticmethod
    def _is_answered(job):
        """Deleted again by its time to live, waiting for somebody, at work, failed, or told what is wrong with it."""
        conditions = {c["type"]: c for c in (job.get("status") or {}).get("conditions", ())}
        return bool(conditions) and (
            conditions["Admitted"]["status"] != "Unknown" or conditions["Failed"]["status"] == "True"
        )


async def seconds_to_pods(cluster, prefix):
    """How long jobs that are applied one after the other wait for their pods."""
    found = []
    for number in range(MEASURED):
        stage = Stage(cluster, f"{prefix}-{number}")
        began_at = time.monotonic()
        await stage.apply(workers=SPEC["workers"])
        await stage.until_pods(2)
        found.append(time.monotonic() - began_at)
    return statistics.median(found)


def test_every_field_with_every_hostile_value_is_refused_with_a_message_or_harmless(scenario, elsewhere):
    async def main(cluster):
        theirs, flood = neighbour(cluster, elsewhere), Flood(cluster)
        async with operator_of(cluster, cluster.namespace, elsewhere) as shell:
            undisturbed = await seconds_to_pods(theirs, "before")
            flooding = asyncio.create_task(flood.send_all(specs()))
            disturbed = await seconds_to_pods(theirs, "meanwhile")
            was_over = flooding.done()
            await flooding
            await flood.until_answered()
            assert flood.wrong == []
            assert shell.outcomes["crash"] == 0
            assert not was_over, "the flood was over before the others were measured"
            say(
                f"{flood.refused} specs refused, {len(flood.taken)} taken; median from apply to pods of another "
                f"namespace {undisturbed * 1000:.0f} ms undisturbed, {disturbed * 1000:.0f} ms meanwhile, "
                f"ratio {disturbed / undisturbed:.1f}"
            )
            assert disturbed < 10

    scenario(main)
