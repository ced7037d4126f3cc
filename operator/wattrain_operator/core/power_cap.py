"""`energy.powerCap`: a running group is held to so many watts, by one value for all of its ranks.

What holds is in the status, so that an operator that takes over goes on from there: the target, the share of the time
in which the ranks compute (or of their CPU limit that they keep), and since when they do. A correction is made only by
what was measured after the last one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from wattrain_api import reasons
from wattrain_api.contract.phases import Phase
from wattrain_api.status import PowerCapStatus
from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_operator.core import cpu_limits
from wattrain_operator.core.directing import duty_of, is_settled, is_to_train
from wattrain_operator.core.draft import Draft
from wattrain_operator.core.duty_control import LEAST_DUTY_RATIO, TOLERANCE_RATIO, first_duty, next_duty
from wattrain_operator.core.observed import Report
from wattrain_operator.core.power_estimate import power_range

_WATT_DIGITS: Final = 1


@dataclass(frozen=True)
class Cap:
    """What a job is to be held to, in watts of all workers together."""

    asked_watts: float
    target_watts: float
    """The same, or the floor that minPercent keeps."""
    idle_watts: float
    most_watts: float
    shed_why: str = ""
    """Why the power domain asks for it; empty: the job itself does."""

    @property
    def message(self) -> str:
        """What a person is to know of it."""
        if self.target_watts <= self.asked_watts:
            return self.shed_why
        return (
            f"held to {self.target_watts:g} W instead of {self.asked_watts:g} W, for energy.powerCap.minPercent allows "
            f"no less of the {self.most_watts:g} W that the workers draw at most"
        )


def cap_of(spec: TrainingJobSpec, cpus: float) -> Cap | None:
    """What `spec` asks for; None: nothing. `cpus`: of a worker that names neither a limit nor a request."""
    asked = spec.energy.power_cap
    if asked is None:
        return None
    power = power_range(spec, cpus)
    watts = asked.job_watts if asked.job_watts is not None else power.most_watts * (asked.percent_of_max or 100) / 100
    floor = power.most_watts * asked.min_percent / 100
    figures = (watts, max(watts, floor), power.most_watts)
    asked_watts, target_watts, most_watts = (round(figure, _WATT_DIGITS) for figure in figures)
    return Cap(asked_watts, target_watts, power.idle_watts, most_watts)


def hold(draft: Draft) -> None:
    """Have the group draw what it is to be held to, and correct how, by what it draws; `directing` tells it."""
    if not is_to_train(draft):
        return
    cpu_limits.note_refusal(draft)
    old, cap = draft.status.power_cap, _cap_with_shedding(draft)
    new = None if cap is None else _corrected(draft, _by_strongest_means(draft, _aimed(draft, cap), cap), cap)
    new = None if new is None else cpu_limits.with_limit(new, draft.spec)
    if new != old:
        _report_change(draft, old, new)
        draft.status = replace(draft.status, power_cap=new)
    cpu_limits.limit_workers(draft, new)
    cpu_limits.forget_refusal(draft)


def _cap_with_shedding(draft: Draft) -> Cap | None:
    """What the job asks for, or what its power domain has it give up, whichever is less."""
    cpus, shed = draft.seen.cpus_of_worker, draft.seen.grant.shed
    cap = cap_of(draft.spec, cpus)
    if shed is None or shed.most_watts == 0 or (cap is not None and cap.target_watts <= shed.most_watts):
        return cap
    power = power_range(draft.spec, cpus)
    most_watts = round(power.most_watts, _WATT_DIGITS)
    return Cap(shed.most_watts, shed.most_watts, power.idle_watts, most_watts, shed.why)


def _aimed(draft: Draft, cap: Cap) -> PowerCapStatus:
    """What held before with the target of now. A new one is aimed at at once, by what is known."""
    old = draft.status.power_cap
    new = replace(
        old or PowerCapStatus(), asked_watts=cap.asked_watts, target_watts=cap.target_watts, most_watts=cap.most_watts
    )
    if old is not None and old.target_watts == cap.target_watts:
        return new
    new = replace(new, message=cap.message)
    duty_ratio, watts = 1.0, None if draft.report is None else draft.report.training_watts
    if old is not None:
        duty_ratio, watts = old.duty_ratio, old.effective_watts or old.target_watts
    if watts is None:
        duty_ratio = first_duty(cap.target_watts, cap.idle_watts, cap.most_watts)
    else:
        duty_ratio = next_duty(duty_ratio, watts, cap.target_watts, cap.idle_watts)
    return replace(new, duty_ratio=duty_ratio, since=None, effective_watts=None)


def _by_strongest_means(draft: Draft, held: PowerCapStatus, cap: Cap) -> PowerCapStatus:
    means = cpu_limits.means_of(draft)
    since = held.since if means.name == held.means else None
    duty_ratio = held.duty_ratio
    if means.name == cpu_limits.CPU_LIMIT and draft.status.power_cap is None:
        # Workers that did not get all of their CPUs before may get them later: by the model this holds them then, too.
        duty_ratio = min(duty_ratio, first_duty(cap.target_watts, cap.idle_watts, cap.most_watts))
    return replace(held, means=means.name, not_limited=means.why_no_limit, since=since, duty_ratio=duty_ratio)


def _corrected(draft: Draft, held: PowerCapStatus, cap: Cap) -> PowerCapStatus:
    """`held` brought up to what the group says that it draws."""
    report = draft.report
    if report is None:
        return held
    if not _is_in_force(draft, held, report):  # not taken yet, or by workers that are gone
        return replace(held, since=None)
    if report.phase != Phase.TRAINING or duty_of(held) != duty_of(draft.status.power_cap):
        return held
    if held.since is None:
        return replace(held, since=draft.now)
    if not is_settled(draft, held.since, report) or report.training_watts is None:
        return held
    duty_ratio = next_duty(held.duty_ratio, report.training_watts, cap.target_watts, cap.idle_watts)
    exceeds = report.training_watts > cap.target_watts * (1 + TOLERANCE_RATIO)
    return replace(
        held,
        effective_watts=report.training_watts,
        duty_ratio=duty_ratio,
        since=held.since if duty_ratio == held.duty_ratio else None,
        message=_not_kept(cap, held) if exceeds and duty_ratio == LEAST_DUTY_RATIO == held.duty_ratio else cap.message,
    )


def _is_in_force(draft: Draft, held: PowerCapStatus, report: Report) -> bool:
    if report.directive_version < draft.internal.directive_version:
        return False
    return held.means == "DutyCycle" or cpu_limits.are_limited(draft, cpu_limits.with_limit(held, draft.spec))


def _not_kept(cap: Cap, held: PowerCapStatus) -> str:
    how = "compute for" if held.means == "DutyCycle" else "keep"
    of_what = "the time" if held.means == "DutyCycle" else "their CPU limit"
    return (
        f"the workers draw more than {cap.target_watts:g} W although they {how} {LEAST_DUTY_RATIO:.0%} of {of_what} "
        "only; raise energy.powerCap, or suspend the job"
    )


def _report_change(draft: Draft, old: PowerCapStatus | None, new: PowerCapStatus | None) -> None:
    is_shed = new is not None and draft.seen.grant.shed is not None and new.message == draft.seen.grant.shed.why
    if new is None:
        draft.add_event(reasons.POWER_CAP_LIFTED, "the job is held to no power any more")
        return
    if old is None or old.target_watts != new.target_watts:
        held = f"held to {new.target_watts:g} W of the {new.most_watts:g} W that its workers draw at most"
        why = f"; {new.message}" if is_shed else ""
        means = "by pauses of all ranks between steps" if new.means == "DutyCycle" else "by lower CPU limits"
        draft.add_event(reasons.POWER_CAPPED, f"{held}, {means}{why}")
    if new.message and not is_shed and (old is None or old.message != new.message):
        draft.add_event(reasons.POWER_CAP_NOT_AS_ASKED, new.message, warning=True)
