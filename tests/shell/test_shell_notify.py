"""The operator tells a receiver of a job's end: a real HTTP server whose connections break, and operators that die."""

import json

from harness.webhook_receiver import webhook_receiver
from standardwebhooks import Webhook as Reference

from wattrain_operator.core import notifying

from .conftest import until
from .stage import Stage

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="


def with_receiver(receiver):
    return {"notify_url": f"http://user:pass@127.0.0.1:{receiver.port}/hook?token=t0k", "notify_secret": SECRET}


def record_of(stage):
    async def outcome():
        return ((await stage.status())["internal"].get("notification") or {}).get("outcome")

    return outcome


async def ended(stage):
    await stage.apply()
    await stage.run()
    await stage.succeed()
    await stage.until_true("Complete")


def test_a_receiver_whose_connections_break_is_told_and_that_is_recorded(scenario, monkeypatch):
    monkeypatch.setattr(notifying, "FIRST_PAUSE_SECONDS", 0.05)
    with webhook_receiver() as receiver:
        receiver.answer = lambda number: ("break", 302, 500, 204)[min(number, 4) - 1]

        async def story(cluster):
            stage = Stage(cluster, "one")
            async with cluster.operator(**with_receiver(receiver)) as shell:
                await ended(stage)
                await until(record_of(stage), "the record")
                requests = dict(shell.client.requests)
                for _ in range(3):
                    await shell.resync()
                assert shell.outcomes["crash"] == 0
            async with cluster.operator(**with_receiver(receiver)) as again:
                await until(lambda: _is_idle(again), "a look at the job")
            assert not [key for key in requests if key[2] >= 400], requests
            assert await record_of(stage)() == "Delivered"

        scenario(story)
    told = [Reference(SECRET).verify(request.body, request.headers) for request in receiver.received]
    assert len(told) == 4
    assert len({request.headers["webhook-id"] for request in receiver.received}) == 1
    assert [body["type"] for body in told] == ["trainingjob.complete"] * 4
    assert told[-1]["data"]["reason"] == "TrainingComplete"


async def _is_gone(stage):
    return "trainingjobs" not in await stage.left_over()


async def _is_idle(shell):
    return len(list(shell.cache.jobs())) > 0 and shell.outcomes["done"] > 0 and not len(shell.queue)


def test_an_operator_that_dies_before_it_recorded_an_answer_leaves_it_to_the_next(scenario):
    with webhook_receiver() as receiver:
        receiver.answer = lambda number: "wait" if number == 1 else 204

        async def story(cluster):
            stage = Stage(cluster, "one")
            async with cluster.operator(**with_receiver(receiver)):
                await ended(stage)

                async def asked():
                    return receiver.received

                await until(asked, "the first try")
            assert await record_of(stage)() is None
            async with cluster.operator(**with_receiver(receiver)):
                await until(record_of(stage), "the record")

        scenario(story)
    assert len({request.headers["webhook-id"] for request in receiver.received}) == 1
    assert len(receiver.received) == 2


def test_a_receiver_that_is_down_is_given_up_with_one_event_and_the_job_is_deleted_when_its_time_is_over(
    scenario, monkeypatch, caplog
):
    monkeypatch.setattr(notifying, "FIRST_PAUSE_SECONDS", 0.0)
    with webhook_receiver() as receiver:
        receiver.answer = lambda number: 503

        async def story(cluster):
            stage = Stage(cluster, "one")
            async with cluster.operator(**with_receiver(receiver)) as shell:
                await stage.apply(policy={"ttlSecondsAfterFinished": 0})
                await stage.run()
                await stage.fail(exit_code=65)
                await until(lambda: _is_gone(stage), "the job to be deleted")
                await shell.events.publish_all()
                told = [event for event in await cluster.events() if event["reason"] == "NotificationFailed"]
                assert [event["note"] for event in told] == [
                    "127.0.0.1 did not take the notification that the job is Failed (15 tries, the last: HTTP 503); it "
                    "is not sent again: mend the receiver, or change notifications.url of the chart"
                ]

        scenario(story)
    assert len(receiver.received) == 15
    assert json.loads(receiver.received[0].body)["data"]["reason"] == "BadData"
    assert not any(word in caplog.text for word in ("user", "pass@", "t0k", SECRET))


def test_without_a_receiver_a_job_costs_the_requests_that_it_did(scenario):
    """The same life with and without one: what differs is the fresh view and the record, and only with one."""
    counts = []
    with webhook_receiver() as receiver:

        async def story(cluster, settings):
            stage = Stage(cluster, "two" if settings else "one")
            async with cluster.operator(**settings) as shell:
                await ended(stage)
                if settings:
                    await until(record_of(stage), "the record")
                await stage.until_pods(0)
                await until(lambda: _is_idle(shell), "rest")
                counts.append({key: n for key, n in shell.client.requests.items() if key[1] == "trainingjobs"})
            assert "notification" not in (await stage.status())["internal"] or settings

        scenario(lambda cluster: story(cluster, {}))
        scenario(lambda cluster: story(cluster, with_receiver(receiver)))
    without, having = counts
    assert [key for key in without if key[0] == "get"] == []
    assert sum(n for key, n in having.items() if key[0] == "get") >= 1
