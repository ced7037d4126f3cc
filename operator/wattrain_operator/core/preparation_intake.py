"""How far the preparation of the data is, as the one who prepares says."""

from __future__ import annotations

from dataclasses import replace

from wattrain_api.status import PreparedSamples
from wattrain_operator.core import present_energy
from wattrain_operator.core.draft import Draft
from wattrain_operator.core.report_intake import rounded


def note_prepared(draft: Draft) -> None:
    """Enter it while the job prepares, once the state is known: what prepares is no worker of the group, or a worker
    that has no group yet."""
    new, old = _told(draft), draft.status.prepared
    if new is not None and old is not None and replace(new, updated_time=old.updated_time) == old:
        return
    if new != old:
        draft.status = replace(draft.status, prepared=None if new is None else replace(new, updated_time=draft.now))


def _told(draft: Draft) -> PreparedSamples | None:
    report = draft.seen.report
    if draft.status.state != "Preparing" or report is None or report.attempt != draft.status.attempt:
        return None
    told = report.prepared
    if told is None:
        return None
    speed = told.samples_per_second if present_energy.is_present(draft, report) else None
    return PreparedSamples(
        stage=told.stage,
        samples=told.samples,
        total=told.total,
        percent=min(100.0, round(100 * told.samples / told.total, 1)) if told.total else None,
        samples_per_second=None if speed is None else rounded(speed),
    )
