"""The strongest means of `energy.powerCap` for workers without GPUs: their CPU limit, where the backend can change it.

All workers get one limit, the share of their own that the controller of the cap has found (duty_control.py). What each
is to have follows from the status, what it has from what is seen: an operator that takes over asks for what is missing.
Where the cluster refuses, ranks pause between steps instead, until there is no cap any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final, Literal, NamedTuple

from wattrain_api import reasons
from wattrain_api.base import quantity_value
from wattrain_api.status import PowerCapStatus
from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_operator.core.draft import Draft
from wattrain_operator.core.observed import Child, LimitChild
from wattrain_operator.core.power_estimate import gpus_of
from wattrain_operator.core.roles import Role

CPU_LIMIT: Final = "CpuLimit"
_AGAIN_SECONDS: Final = 30.0
"""After a refusal, until workers that are to get their own limit back are tried again."""
_CPU_DIGITS: Final = 3
_LEAST_CPUS: Final = 0.01
"""A kubelet gives no container less: 1 ms of each 100 ms."""
_LESS_CPUS: Final = 0.001
"""A request below the limit stays below it by so much: a pod must keep its class of quality of service."""


class Means(NamedTuple):
    """By what a job is held to its power."""

    name: Literal["DutyCycle", "CpuLimit"]
    why_no_limit: str = ""


def means_of(draft: Draft) -> Means:
    """The strongest means that there is for the job of `draft`."""
    resources = draft.spec.workers.resources
    if not draft.seen.limits_cpus:
        return Means("DutyCycle")
    if gpus_of(resources):
        return Means("DutyCycle", "the workers have GPUs, whose power a CPU limit does not hold back")
    if "cpu" not in resources.limits:
        return Means("DutyCycle", "workers.resources.limits names no cpu that could be lowered")
    if draft.internal.limits_refused:
        return Means("DutyCycle", draft.internal.limits_refused)
    return Means(CPU_LIMIT)


def with_limit(held: PowerCapStatus, spec: TrainingJobSpec) -> PowerCapStatus:
    """`held` with the CPU limit of each worker that follows from its ratio."""
    own = own_limit(spec)
    if held.means != CPU_LIMIT or own is None or held.duty_ratio == 1:
        return replace(held, cpu_limit=None)
    return replace(held, cpu_limit=max(_LEAST_CPUS, round(held.duty_ratio * own, _CPU_DIGITS)))


def own_limit(spec: TrainingJobSpec) -> float | None:
    """CPUs that the job allows each worker; None: it names no limit."""
    limit = spec.workers.resources.limits.get("cpu")
    return None if limit is None else quantity_value(limit)


def note_refusal(draft: Draft) -> None:
    """Remember why limits cannot be changed, and say so once."""
    why = _refusal(draft)
    if not why or draft.internal.limits_refused or (draft.status.power_cap is None and not draft.internal.cpus_limited):
        return
    is_held = draft.status.power_cap is not None
    what = "ranks pause between steps instead" if is_held else "workers keep a lower limit than the job says for now"
    draft.internal = replace(draft.internal, limits_refused=why)
    message = f"the CPU limit of the workers is not changed: {why}; {what}"
    draft.add_event(reasons.POWER_CAP_NOT_AS_ASKED, message, warning=True)


def limit_workers(draft: Draft, held: PowerCapStatus | None) -> None:
    """Have each worker that runs use at most what `held` says, or get its own limit back."""
    own, lower = own_limit(draft.spec), None if held is None else held.cpu_limit
    if own is None or (lower is None and not draft.internal.cpus_limited):
        return
    workers = [child for child in _workers(draft) if child.phase == "Running"]
    wanted = own if lower is None else lower
    if lower is None and all(_is_limited_to(wanted, child) for child in workers):
        draft.internal = replace(draft.internal, cpus_limited=False)
        return
    draft.internal = replace(draft.internal, cpus_limited=True)
    others = [child for child in workers if child.cpus is not None and not _is_same(child.cpus.limit, wanted)]
    refusal = draft.seen.limit_refusal
    if others and refusal is not None and (again := refusal.time + timedelta(seconds=_AGAIN_SECONDS)) > draft.seen.now:
        draft.wake_at(again)
        return
    for child in others:
        draft.limit(LimitChild(child.name, child.uid, wanted, _requested(draft.spec, own, wanted)))


def forget_refusal(draft: Draft) -> None:
    """Where no cap holds any more and all limits are given back, the next cap may try anew."""
    if draft.status.power_cap is None and not draft.internal.cpus_limited and draft.internal.limits_refused:
        draft.internal = replace(draft.internal, limits_refused="")


def are_limited(draft: Draft, held: PowerCapStatus) -> bool:
    """Whether all workers have the limit of `held`, as their nodes say."""
    workers, own = _workers(draft), own_limit(draft.spec)
    wanted = own if held.cpu_limit is None else held.cpu_limit
    is_whole = len(workers) == draft.spec.workers.replicas and wanted is not None
    return is_whole and all(_is_limited_to(wanted or 0.0, child) for child in workers)


def _refusal(draft: Draft) -> str:
    """Why the cluster, or a node, does not change a limit now; empty: nothing is known."""
    refusal = draft.seen.limit_refusal
    if refusal is not None and refusal.time + timedelta(seconds=_AGAIN_SECONDS) > draft.seen.now:
        return refusal.message
    refused = (child for child in _workers(draft) if child.cpus is not None and child.cpus.refused)
    return next((f"{child.name}: {child.cpus.refused}" for child in refused if child.cpus is not None), "")


def _workers(draft: Draft) -> Sequence[Child]:
    """Workers of the current attempt that have not ended."""
    attempt = draft.status.attempt
    return [c for c in draft.seen.children if c.role == Role.WORKER and c.attempt == attempt and not c.ended]


def _is_limited_to(cpus: float, child: Child) -> bool:
    has = child.cpus
    return has is not None and _is_same(has.limit, cpus) and has.in_force is not None and _is_same(has.in_force, cpus)


def _is_same(cpus: float, others: float) -> bool:
    return abs(cpus - others) < _LESS_CPUS / 2


def _requested(spec: TrainingJobSpec, own: float, wanted: float) -> float:
    """CPUs to request with the limit `wanted`: as the job says, as far as that stays below the limit."""
    asked = spec.workers.resources.requests.get("cpu")
    requested = own if asked is None else quantity_value(asked)
    return wanted if requested >= own else round(min(requested, wanted - _LESS_CPUS), _CPU_DIGITS)
