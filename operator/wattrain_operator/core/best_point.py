"""`energy.objective`: with how many threads the ranks of a job are fastest, or need the least energy, by trying some.

Each point is held until a mean of power and speed is known that is wholly of it. What is tried, what was measured and
what is chosen are in the status, so that an operator that takes over goes on from there. A point that is chosen is left
only where the speed has been another for a minute: then all are tried again.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final, Literal

from wattrain_api import reasons
from wattrain_api.contract.phases import Phase
from wattrain_api.power_sources import MEASURED_SOURCES
from wattrain_api.status import BestPointStatus, PointStatus
from wattrain_operator.core.directing import duty_of, is_settled, is_to_train
from wattrain_operator.core.draft import Draft
from wattrain_operator.core.meter_sums import joules_by_source
from wattrain_operator.core.observed import Report
from wattrain_operator.core.point_choice import best_of, points_to_try, weight_of

_DRIFT_RATIO: Final = 0.2
"""By what share the speed has to be another than when the point was chosen."""
_DRIFT_SECONDS: Final = 60.0
"""And for how long."""
_LEFT_OUT_AFTER_SECONDS: Final = 120.0
"""A point of which no mean is known by then is left out: where a training evaluates most of the time, there is none."""
_DIGITS: Final = 5


def find(draft: Draft) -> None:
    """Have the ranks train with the number of threads that is to be tried, or is the best."""
    weight, report, old = weight_of(draft.spec.energy), draft.report, draft.status.best_point
    if old is not None and _starts_anew(draft):  # even where its ranks are seen only when they train again
        old = replace(old, since=None, drifts_since=None)
        draft.status = replace(draft.status, best_point=old)
    if weight is None or report is None or not report.threads or not report.most_threads or not is_to_train(draft):
        return
    if old is None or old.most_threads != report.most_threads:
        new = _begin(report.most_threads, report.most_threads, "")
    else:
        new = _looked_at(draft, old, report, weight)
    if new == old:
        return
    draft.status = replace(draft.status, best_point=new)
    if new.chosen_threads is not None and (old is None or old.chosen_threads is None):
        draft.add_event(reasons.BEST_POINT, f"its ranks train with {_threads(new.threads)} each: {new.message}")


def _begin(most_threads: int, present: int, why: str) -> BestPointStatus:
    first, *others = points_to_try(most_threads, present)
    message = f"trying {_threads(first)} a rank, {len(others)} more to try{why}"
    return BestPointStatus(most_threads, threads=first, to_try=tuple(others), message=message)


def _starts_anew(draft: Draft) -> bool:
    """Whether this pass has learnt of other ranks: means may be of their start."""
    before, after = draft.seen.status, draft.status
    return (before.attempt, before.restart_count) != (after.attempt, after.restart_count)


def _looked_at(draft: Draft, held: BestPointStatus, report: Report, weight: float) -> BestPointStatus:
    """`held` brought up to what the group says."""
    if report.threads != held.threads or duty_of(draft.status.power_cap) is not None:
        return replace(held, since=None, drifts_since=None)  # not taken yet, or its speed is that of pauses
    if held.since is None:
        return replace(held, since=draft.now)
    point = _measured(draft, held, report)
    if held.chosen_threads is not None:
        return held if point is None else _watched(draft, held, point)
    if point is not None:
        return _next(replace(held, points=(*held.points, point)), weight)
    over = held.since + timedelta(seconds=_LEFT_OUT_AFTER_SECONDS + report.training_watts_seconds)
    if draft.seen.now >= over:
        return _next(held, weight)
    draft.wake_at(over)
    return held


def _measured(draft: Draft, held: BestPointStatus, report: Report) -> PointStatus | None:
    """What the group does and draws now; None: that is not known, or not wholly of these threads."""
    watts, rate = report.training_watts, report.training_samples_per_second
    is_of_these = report.phase == Phase.TRAINING and is_settled(draft, held.since, report)
    if not is_of_these or watts is None or not rate:
        return None
    return PointStatus(held.threads, rate, watts, float(f"{watts / rate:.{_DIGITS}g}"), _known(report))


def _known(report: Report) -> Literal["measured", "modelled", "partly measured"]:
    """By the sources of all that the group has used."""
    sources = {source for child in report.energy for source in joules_by_source(child.meters)}
    if not sources & set(MEASURED_SOURCES):
        return "modelled"
    return "measured" if sources <= set(MEASURED_SOURCES) else "partly measured"


def _next(held: BestPointStatus, weight: float) -> BestPointStatus:
    """On to the next point, or to the best."""
    if held.to_try:
        threads, *others = held.to_try
        message = f"trying {_threads(threads)} a rank, {len(others)} more to try"
        return replace(held, threads=threads, to_try=tuple(others), since=None, message=message)
    if not held.points:
        most, message = held.most_threads, "none could be measured: the group trains for a few seconds at a time only"
        return replace(held, threads=most, chosen_threads=most, since=None, message=message)
    best = best_of(held.points, weight)
    since = held.since if best.threads == held.threads else None
    message = _why(held.points, best, weight)
    return replace(held, threads=best.threads, chosen_threads=best.threads, since=since, message=message)


def _watched(draft: Draft, held: BestPointStatus, now: PointStatus) -> BestPointStatus:
    """Whether what is chosen is still what it was."""
    then = held.chosen
    if then is None or abs(now.samples_per_second / then.samples_per_second - 1) <= _DRIFT_RATIO:
        return replace(held, drifts_since=None)
    since = held.drifts_since or draft.now
    over = since + timedelta(seconds=_DRIFT_SECONDS)
    if draft.seen.now < over:
        draft.wake_at(over)
        return replace(held, drifts_since=since)
    why = f"; the speed is {now.samples_per_second:,.4g} samples/s, and was {then.samples_per_second:,.4g}"
    return _begin(held.most_threads, then.threads, why)


def _why(points: tuple[PointStatus, ...], best: PointStatus, weight: float) -> str:
    goal = {0.0: "fastest", 1.0: "least energy"}.get(weight, f"best with {weight:g} of the weight on energy")
    told = "; ".join(
        f"{_threads(of.threads)}: {of.joules_per_sample:.3g} J a sample ({of.known}), "
        f"{of.samples_per_second:,.4g} samples/s"
        for of in (best, *(of for of in points if of != best))
    )
    hardly = ", or less than 2 % from it, as it was before" if best == points[0] and len(points) > 1 else ""
    return f"{goal}{hardly} of {len(points)} tried; {told}"


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"
