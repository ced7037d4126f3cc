"""What is sent beside the passes: each try once, by who leads alone, of jobs that are there."""

import asyncio
import itertools
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from harness.webhook_receiver import webhook_receiver

from wattrain_api.status import Condition, Internal, NotificationStatus, OpenPhase, TrainingJobStatus
from wattrain_api.trainingjob import ObjectMeta, TrainingJob
from wattrain_operator.cluster.apply import Applier
from wattrain_operator.cluster.fleets import Fleets
from wattrain_operator.cluster.kube.cache import Cache, JobKey
from wattrain_operator.cluster.kube.events import EventRecorder
from wattrain_operator.cluster.kube.resources import TRAINING_JOBS
from wattrain_operator.cluster.notifier import Notifier
from wattrain_operator.cluster.progress_poller import ProgressPoller
from wattrain_operator.cluster.reconcile import Reconciler
from wattrain_operator.cluster.settings import OperatorSettings
from wattrain_operator.core.observed import Delivery, Notify
from wattrain_operator.notifications.webhook import Webhook

KEY, NOTIFY, AT = JobKey("team", "one"), Notify("Failed", 1), datetime(2026, 11, 29, tzinfo=UTC)
SPEC = {"script": {"command": ["python", "t.py"]}, "image": "i:1"}
JOB = TrainingJob.model_validate({"metadata": ObjectMeta(name="one", namespace="team", uid="uid"), "spec": SPEC})
ANSWERS = {"Admitted": "False", "Running": "False", "Suspended": "False", "Complete": "False", "Failed": "True"}
STATUS = TrainingJobStatus(
    state="Failed", reason="NotSupported", observed_generation=1, completion_time=AT,
    conditions=tuple(Condition(name, answer, "NotSupported", AT, "", 1) for name, answer in ANSWERS.items()),
    internal=Internal(open_phase=OpenPhase("Failed", AT, "Pending", 0.0), notification=NotificationStatus("Failed")),
)  # fmt: skip


@pytest.fixture
def receiver():
    with webhook_receiver() as server:
        yield server


def play(receiver, story, *, leads=True):
    """Run `story(notifier, woken)`; which jobs were woken."""
    woken = []

    async def main():
        notifier = Notifier(Webhook.of(receiver.url), ("Failed",), lambda: leads, woken.append)
        try:
            await story(notifier)
            async with asyncio.timeout(20):
                while notifier._tasks:
                    await asyncio.sleep(0.01)
        finally:
            await notifier.close()
        return notifier

    return asyncio.run(main()), woken


def test_a_try_is_sent_once_however_often_it_is_decided_and_its_job_is_woken(receiver):
    async def story(notifier):
        for _ in range(3):
            notifier.begin(KEY, JOB, STATUS, NOTIFY)

    notifier, woken = play(receiver, story)
    assert (len(receiver.received), woken) == (1, [KEY])
    assert notifier.delivery("uid") == Delivery(NOTIFY)


def test_who_does_not_lead_any_more_sends_nothing(receiver):
    async def story(notifier):
        notifier.begin(KEY, JOB, STATUS, NOTIFY)

    notifier, woken = play(receiver, story, leads=False)
    assert (receiver.received, woken, notifier.delivery("uid")) == ([], [], None)


def test_of_a_job_that_is_gone_nothing_is_kept(receiver):
    async def story(notifier):
        notifier.begin(KEY, JOB, STATUS, NOTIFY)
        notifier.forget("uid")

    notifier, woken = play(receiver, story)
    assert (receiver.received, woken, notifier.delivery("uid")) == ([], [], None)


class Server:
    """Has one job; remembers what it was asked."""

    def __init__(self, body):
        self.body, self.asked, self.versions = body, [], itertools.count(2)

    async def get(self, resource, namespace, name):
        self.asked.append(f"get {resource.plural}")
        return self.body

    async def list_all(self, resource, namespace="", selector="", keep=None):
        self.asked.append(f"list {resource.plural}")
        return [], 1


@pytest.mark.parametrize("attempt", [0, 1])
def test_a_job_that_has_ended_is_read_from_its_source_before_its_receiver_is_told(receiver, attempt):
    """Also one that failed before its first attempt, of which the cache is else as good as the source."""
    status = replace(STATUS, attempt=attempt).to_json_object()
    metadata = {"name": "one", "namespace": "team", "uid": "uid", "generation": 1, "resourceVersion": "1"}
    body = {"metadata": metadata, "spec": SPEC, "status": status}
    server, cache = Server(body), Cache()
    cache.apply("TrainingJob", body)

    async def story(notifier):
        reconciler = Reconciler(
            server, cache, Applier(server, cache, OperatorSettings("w:1", "w:1"), network_policy=True),
            ProgressPoller(None, 10.0, time.monotonic, lambda key: None), EventRecorder(server, "test"),
            Fleets(server, cache, (), lambda key: None, time.monotonic), 0.0, time.monotonic, notifier,
        )  # fmt: skip
        await reconciler.reconcile(KEY)

    play(receiver, story)
    assert server.asked == [f"get {TRAINING_JOBS.plural}", "list pods"]
    assert len(receiver.received) == 1
