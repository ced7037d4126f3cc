"""Why a pod does not start, where the pod itself does not say: its newest event. A volume that cannot be mounted, or a
sandbox without a network, stands nowhere else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from wattrain_api.contract.kinds import LINE_CHARACTERS, one_line
from wattrain_operator.cluster.kube.apierrors import ApiError
from wattrain_operator.cluster.kube.client import Client
from wattrain_operator.cluster.kube.resources import EVENTS, Json
from wattrain_operator.core.observed import Child

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 30.0, 300.0
"""Between two requests about the pods of one job; it doubles, for most wait for nothing but a large image."""
PODS_A_LOOK: Final = 3
AT_ONCE: Final = 4
"""Requests under way of all jobs: the API server reads all events of a namespace to find those of one pod."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Newest:
    """The newest event of a pod."""

    reason: str
    message: str
    warns: bool


@dataclass
class Explanations:
    """What the events of one job's pods said when they were last asked for."""

    by_uid: dict[str, _Newest] = field(default_factory=dict)
    not_before: float = 0.0
    """When the next request may be sent, on the clock of PodEvents."""
    pause_seconds: float = FIRST_PAUSE_SECONDS

    def added_to(self, child: Child) -> Child:
        """`child`, with what its newest event says where it does not say itself why it waits."""
        newest = self.by_uid.get(child.uid) if child.unexplained else None
        if newest is None:
            return child
        message = one_line(f"{newest.reason}: {newest.message}", LINE_CHARACTERS)
        return replace(child, message=message, blocked_by=newest.reason[:63] if newest.warns else "")


class PodEvents:
    """Asks for the events of pods, seldom and of few."""

    def __init__(self, client: Client, clock: Callable[[], float]) -> None:
        """`clock` is monotonic, in seconds."""
        self._client, self._clock, self._gate = client, clock, asyncio.Semaphore(AT_ONCE)

    async def look_into(self, namespace: str, uids: Sequence[str], known: Explanations) -> bool:
        """Ask for the newest events of a few of `uids`, in turn, unless it is too soon. True: something else is known
        now. What cannot be read is left out: it is only worth a better message."""
        if self._clock() < known.not_before:
            return False
        known.not_before = self._clock() + known.pause_seconds
        known.pause_seconds = min(LONGEST_PAUSE_SECONDS, 2 * known.pause_seconds)
        before = known.by_uid
        kept = {uid: newest for uid, newest in before.items() if uid in uids}
        in_turn = [*(uid for uid in uids if uid not in kept), *kept]  # those asked about longest ago are first in it
        for uid in in_turn[:PODS_A_LOOK]:
            kept.pop(uid, None)
            newest = await self._newest(namespace, uid)
            if newest is not None:
                kept[uid] = newest
        known.by_uid = kept
        return kept != before

    async def _newest(self, namespace: str, uid: str) -> _Newest | None:
        try:
            async with self._gate:
                events, _ = await self._client.list_all(EVENTS, namespace, fields=f"regarding.uid={uid}")
        except ApiError as error:
            logger.info("events of a pod in %s cannot be read: %s", namespace, error)
            return None
        return _of(max(events, key=_time_of)) if events else None


def _of(event: Json) -> _Newest:
    return _Newest(str(event.get("reason") or ""), str(event.get("note") or ""), event.get("type") == "Warning")


def _time_of(event: Json) -> str:
    """When it last happened, in a form that sorts. Kubelets write the older fields, schedulers the newer ones."""
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("deprecatedLastTimestamp"), event.get("eventTime"))
    # Times to the second must not come after those with a fraction of the same second.
    return max(str(time or "").removesuffix("Z") for time in times)
