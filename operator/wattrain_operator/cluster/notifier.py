"""Sends notifications beside the passes: no job waits for somebody else's receiver."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

from wattrain_api.status import TrainingJobStatus
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.cluster.kube.cache import JobKey
from wattrain_operator.core.observed import Delivery, Notify, Receiver
from wattrain_operator.notifications.notification_body import notification_body, notification_id
from wattrain_operator.notifications.webhook import Webhook

AT_ONCE: Final = 16
"""Tries on their way at the same time: a receiver that does not answer costs each ten seconds."""
TRIES_AT_MOST: Final = 15
"""Over an hour, with the pauses between them."""
REMEDY: Final = "mend the receiver, or change notifications.url of the chart"
logger = logging.getLogger(__name__)


class Notifier:
    """Who is notified of the ends of jobs, what is on its way, and how each job's last try has ended."""

    def __init__(
        self,
        webhook: Webhook,
        conditions: Sequence[str],
        may_write: Callable[[], bool],
        wake: Callable[[JobKey], None],
    ) -> None:
        """`may_write` says whether this process still leads; `wake` has a job looked at."""
        self.receiver = Receiver(webhook.host, tuple(conditions), TRIES_AT_MOST, REMEDY)
        self._webhook, self._may_write, self._wake = webhook, may_write, wake
        self._room = asyncio.Semaphore(AT_ONCE)
        self._begun: dict[str, Notify] = {}
        self._deliveries: dict[str, Delivery] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, key: JobKey, job: TrainingJob, status: TrainingJobStatus, notify: Notify) -> None:
        """Send what `notify` says of `job`, unless that has been begun."""
        if self._begun.get(job.metadata.uid) == notify:
            return
        self._begun[job.metadata.uid] = notify
        task = asyncio.create_task(self._send(key, job, status, notify))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def delivery(self, uid: str) -> Delivery | None:
        """How the last try for the job `uid` has ended; None: there was none, or it is on its way."""
        return self._deliveries.get(uid)

    def forget(self, uid: str) -> None:
        """The job `uid` is gone."""
        self._begun.pop(uid, None)
        self._deliveries.pop(uid, None)

    async def close(self) -> None:
        """Give up what is on its way: who leads next sends it again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _send(self, key: JobKey, job: TrainingJob, status: TrainingJobStatus, notify: Notify) -> None:
        uid, body = job.metadata.uid, notification_body(job, status, notify.condition)
        async with self._room:
            if not self._may_write() or uid not in self._begun:
                self._begun.pop(uid, None)
                return
            failure = await self._webhook.send(notification_id(job, notify.condition), body, time.time())
        if failure:
            logger.info("job %s/%s: %s was not notified, try %d: %s", *key, self._webhook.host, notify.number, failure)
        if uid in self._begun:
            self._deliveries[uid] = Delivery(notify, failure)
            self._wake(key)
