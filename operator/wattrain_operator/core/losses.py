"""Children that are taken away, or are gone: that they are lost, who took them, and what follows for the group."""

from __future__ import annotations

from collections.abc import Sequence

from wattrain_api import names, reasons
from wattrain_api.contract.failures import DISRUPTION, Failure
from wattrain_operator.core import restarts, stopping
from wattrain_operator.core.draft import Draft
from wattrain_operator.core.observed import Child
from wattrain_operator.core.roles import Role

NAMED = 5
"""Of the workers that are gone, so many are named."""


def answer_failed(
    draft: Draft, failed: list[Child], leaving: list[int], missing: list[int], replaced: list[int]
) -> None:
    """Workers have failed. Where all that they know is that a peer is lost, or that they had to stop, its being taken
    away is the cause; and it is looked up at the source, for the failure of a survivor may be seen before the end of
    the one it names. In a group that was never seen complete, the lost peer may have been replaced already."""
    failure, meaning = restarts.cause_of(failed)
    if meaning.reason == reasons.PREEMPTED and stopping.was_directed(draft):
        restarts.answer_failure(draft, failure, restarts.STOPPED_AS_DIRECTED)
        return
    is_survivor = meaning.reason == reasons.PEER_LOST
    gone = sorted([*leaving, *missing, *(replaced if is_survivor else ())])
    if not is_survivor and not draft.internal.group_complete and _stopped_by_itself(failed):
        gone = leaving  # who is missing may never have been there
    if not is_survivor and meaning.reason != reasons.PREEMPTED:
        restarts.answer_failure(draft, failure, meaning)
    elif not draft.seen.fresh:
        draft.needs_fresh_view = True
    elif gone or (is_survivor and not draft.internal.group_complete):
        answer_loss(draft, gone)
    else:
        restarts.answer_failure(draft, failure, meaning)


def _stopped_by_itself(failed: list[Child]) -> bool:
    """Whether one of `failed` names its own end as the cause: one that had to stop with its group names none."""
    return any(child.termination is not None and child.termination.failure is not None for child in failed)


def was_there(draft: Draft, role: Role, index: int) -> bool:
    """Whether the child of the current attempt with that index is known to have been there, and to be gone."""
    return any(gone.name == _name(draft, role, index) for gone in draft.seen.gone)


def answer_missing(draft: Draft, missing: list[int], role: Role = Role.WORKER) -> None:
    """Children that were there and are not: lost, if the source itself does not have them either."""
    if draft.seen.fresh:
        answer_loss(draft, missing, role)
    else:
        draft.needs_fresh_view = True


def answer_loss(draft: Draft, gone: Sequence[int], role: Role = Role.WORKER) -> None:
    """The children of the current attempt with these indices, if any is known, are lost; the first is told of."""
    step = draft.status.progress.step if draft.status.progress is not None else 0
    who = [_name(draft, role, index) for index in gone[:NAMED]] or ["a worker"]
    node, why = _how_it_went(draft, _name(draft, role, gone[0])) if gone else ("", "")
    line = f"{', '.join(who)}{' and others' if len(gone) > NAMED else ''} is gone{': ' if why else ''}{why}"
    worker = gone[0] if gone and role == Role.WORKER else None
    restarts.answer_failure(
        draft, Failure(reasons.WORKER_LOST, worker=worker, node=node, last_line=line, step=step), DISRUPTION
    )


def _name(draft: Draft, role: Role, index: int) -> str:
    return names.child_name(draft.seen.job.metadata.name, role, draft.status.attempt, index)


def _how_it_went(draft: Draft, name: str) -> tuple[str, str]:
    """The machine of the child of that name, and who took it away, as far as that has been seen."""
    child = next((c for c in draft.seen.children if c.name == name), None)
    if child is not None and child.terminating_seconds is not None:
        return child.node, child.taken_away
    last = next((c for c in draft.seen.gone if c.name == name), None)
    return ("", "") if last is None else (last.node, last.why)
