"""Policies that were compared as rows for a person. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from wattrain_operator.policies.outcome import Bound, Outcome


def rows_of(outcomes: Sequence[Outcome], least: Bound, jobs: int, currency: str) -> list[tuple[str, ...]]:
    """A head and a row of each policy; the last is the bound. Columns that have nothing to say are left out.

    `jobs`: how many the trace has. `currency`: of the tariff; empty: there is none.
    """
    head = ("POLICY", "JOBS", "MAKESPAN, H", "MEAN COMPLETION, H", "P95, H", "MEAN WAIT, H", "KWH", "KG CO2E",
            f"COST, {currency}", "OVERSHOOT, W S", "LATE", "PREEMPTED")  # fmt: skip
    rows: list[tuple[str, ...]] = [head]
    for each in outcomes:
        hours = (each.makespan_seconds, each.mean_completion_seconds, each.p95_completion_seconds,
                 each.mean_wait_seconds)  # fmt: skip
        cost = "" if each.cost is None else f"{each.cost:.2f}"
        rows.append((each.policy, str(each.jobs), *(f"{seconds / 3600:.2f}" for seconds in hours),
                     f"{each.energy_kwh:.1f}", f"{each.carbon_kg:.1f}", cost,
                     f"{each.cap_overshoot_watt_seconds:g}", str(each.deadlines_missed),
                     str(each.preemptions or "")))  # fmt: skip
    perfect = (least.makespan_seconds / 3600, least.mean_completion_seconds / 3600)
    rows.append(("(bound)", str(jobs), f"{perfect[0]:.2f}", f"{perfect[1]:.2f}", *[""] * 8))
    kept = [column for column in zip(*rows, strict=True) if any(column[1:])]
    return list(zip(*kept, strict=True))
