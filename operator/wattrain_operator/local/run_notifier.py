"""Sends the notification of a local run: one try after the other, each in a thread, as the core has decided them."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Final

from wattrain_api import reasons
from wattrain_api.status import TrainingJobStatus
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.core.observed import Delivery, Notify, Receiver
from wattrain_operator.local.refused import Refused
from wattrain_operator.notifications.notification_body import notification_body, notification_id
from wattrain_operator.notifications.webhook import BadWebhookError, Webhook, host_of

TRIES_AT_MOST: Final = 5
"""The command waits for them: 15 seconds of pauses, and at most ten for each."""
SECRET_VARIABLE: Final = "WATTRAIN_NOTIFY_SECRET"


class RunNotifier:
    """Who is notified of one job's end, and what became of it."""

    def __init__(self, webhook: Webhook) -> None:
        conditions, remedy = (reasons.COMPLETE, reasons.FAILED), "mend the receiver, or name another with --notify"
        self.receiver = Receiver(webhook.host, conditions, TRIES_AT_MOST, remedy)
        self.delivery: Delivery | None = None
        """How the last try has ended; None: there was none."""
        self._webhook = webhook
        self._begun: Notify | None = None

    def begin(self, job: TrainingJob, status: TrainingJobStatus, notify: Notify) -> None:
        """Send what `notify` says, unless that has been begun."""
        if notify != self._begun:
            self._begun = notify
            threading.Thread(target=self._send, args=(job, status, notify), daemon=True).start()

    def _send(self, job: TrainingJob, status: TrainingJobStatus, notify: Notify) -> None:
        identity, body = notification_id(job, notify.condition), notification_body(job, status, notify.condition)
        self.delivery = Delivery(notify, asyncio.run(self._webhook.send(identity, body, time.time())))


def webhook_of(url: str, secret: str) -> Webhook:
    """The receiver that --notify and the environment name. Refused where it cannot be one."""
    try:
        host_of(url)
    except BadWebhookError as error:
        raise Refused(f"--notify: {error}") from None
    try:
        return Webhook.of(url, secret)
    except BadWebhookError as error:
        raise Refused(f"{SECRET_VARIABLE}: {error}") from None
