"""Brings the GPUs of a machine to what the pods that use them ask for, and back.

A GPU is changed only where it can be restored: its limit can be read, and is on the disk before it is changed. It is
restored when nobody asks for it any more, when its pod's processes have left it, and when the agent ends; what a dead
agent left, the next one finds in the file.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import NamedTuple

from wattrain_api.contract.gpu_limit import APPLIED, REFUSED, WAITING, GpuLimit, GpuLimitAnswer
from wattrain_worker.agent.gpu_control import GpuControl, GpuRefusedError
from wattrain_worker.agent.kept_settings import Before, KeptSettings


class Wish(NamedTuple):
    """What a pod asks for."""

    limit: GpuLimit
    uuids: Collection[str]
    """GPUs that its processes use."""


class GpuLimiter:
    """One step after the other; each looks at all GPUs anew."""

    def __init__(self, control: GpuControl, kept: KeptSettings, say: Callable[[str], None]) -> None:
        self._control, self._kept, self._say = control, kept, say
        self._locked: dict[str, int] = {}
        """Clocks that this agent has locked, in MHz."""
        self._said: set[str] = set()

    def step(self, wishes: Mapping[str, Wish], used_by_others: Collection[str] = ()) -> dict[str, GpuLimitAnswer]:
        """Make it so for `wishes`, by pod. What no wish has is restored first, and what others use as well is not
        limited."""
        users: dict[str, list[str]] = {}
        for pod, wish in wishes.items():
            for uuid in wish.uuids:
                users.setdefault(uuid, []).append(pod)
        shared = {uuid for uuid, pods in users.items() if len(pods) > 1 or uuid in used_by_others}
        self.restore_except({uuid for uuid in users if uuid not in shared})
        return {pod: self._answer(wish, shared) for pod, wish in wishes.items()}

    def restore_except(self, uuids: Collection[str]) -> None:
        """Bring all other GPUs back to what they were. One that does not do it is tried again with the next step."""
        for uuid in self._kept.uuids():
            if uuid not in uuids:
                self._restore(uuid)

    def _answer(self, wish: Wish, shared: Collection[str]) -> GpuLimitAnswer:
        limit = wish.limit
        answer = GpuLimitAnswer(limit.version, WAITING, message="no process of the pod uses a GPU now")
        if not wish.uuids:
            return answer
        try:
            for uuid in wish.uuids:
                if uuid in shared:
                    raise GpuRefusedError(
                        f"GPU {uuid} is used by others as well, whom it would limit too; give the pod GPUs of its own"
                    )
                self._apply(uuid, limit)
            watts = max(self._control.limit(uuid) for uuid in wish.uuids) / 1000
            clock = max(self._control.clock(uuid) for uuid in wish.uuids)
        except (GpuRefusedError, OSError) as refused:
            self.restore_except(set(self._kept.uuids()) - set(wish.uuids))
            return replace(answer, state=REFUSED, message=str(refused))
        return GpuLimitAnswer(limit.version, APPLIED, len(wish.uuids), watts, clock)

    def _apply(self, uuid: str, limit: GpuLimit) -> None:
        """GpuRefusedError: it does not hold. OSError: what it was cannot be kept. The caller restores then."""
        before = self._kept.of(uuid)
        if before is None:
            before = Before(self._control.limit(uuid))
            self._kept.keep(uuid, before)
        wanted = before.limit_milliwatts if limit.watts is None else round(limit.watts * 1000)
        if limit.watts is not None:
            allowed = self._control.power_range(uuid)
            if not allowed.least <= wanted <= allowed.most:
                raise GpuRefusedError(
                    f"GPU {uuid} takes {allowed.least / 1000:g} to {allowed.most / 1000:g} W, not {limit.watts:g} W"
                )
        if abs(self._control.limit(uuid) - wanted) > 1000:
            self._control.set_limit(uuid, wanted)
        self._apply_clock(uuid, limit.clock_mhz, before)

    def _apply_clock(self, uuid: str, mhz: int | None, before: Before) -> None:
        if mhz is None:
            if before.clock_locked:
                self._control.reset_clock(uuid)
                self._locked.pop(uuid, None)
                self._kept.keep(uuid, replace(before, clock_locked=False))
            return
        if not before.clock_locked:
            self._kept.keep(uuid, replace(before, clock_locked=True))
        if self._locked.get(uuid) != mhz or self._control.runs_above(uuid, mhz):
            self._control.lock_clock(uuid, mhz)
            self._locked[uuid] = mhz

    def _restore(self, uuid: str) -> None:
        before = self._kept.of(uuid)
        if before is None:
            return
        try:
            if before.clock_locked:
                self._control.reset_clock(uuid)
                self._locked.pop(uuid, None)
            if self._control.limit(uuid) != before.limit_milliwatts:
                self._control.set_limit(uuid, before.limit_milliwatts)
            self._kept.forget(uuid)
            self._said.discard(uuid)
        except (GpuRefusedError, OSError) as refused:
            if uuid not in self._said:
                self._said.add(uuid)
                self._say(f"GPU {uuid} cannot be restored to {before.limit_milliwatts / 1000:g} W now ({refused}); "
                          "the agent goes on trying")  # fmt: skip
