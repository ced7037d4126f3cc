"""The job's energy ledger: every joule of every rank, attempt and preparation counted once, with its source.

Supervisors count upwards from their own start. Per group (the preparation, or one attempt's workers) the ledger keeps
the highest reading seen, so that a report that is lost, repeated or late changes nothing, and adds only what is new.
Carbon and cost are integrated over these additions, at the intensity and price of the moment.
"""

from __future__ import annotations

from wattrain_api.status import EnergyStatus, Meter
from wattrain_operator.core.draft import Draft
from wattrain_operator.core.observed import Observed, Report, Role

JOULES_PER_KWH = 3.6e6
JOULES_DIGITS, SMALL_DIGITS = 3, 9
"""Decimals that are kept of joules, and of what a joule adds to grams and cost: more are noise, and unreadable in
`kubectl get`. Readings are rounded before they are compared, so that nothing is lost between them."""
_MEASURED = ("nvml", "rapl")
Reading = tuple[Meter, ...]


def account(draft: Draft) -> None:
    """Bring the ledger up to what supervisors have said, in the order in which their groups lived."""
    for attempt, role in sorted(_groups(draft.seen)):
        _account_group(draft, attempt, role)
    report = draft.seen.report
    watts = report.watts if report is not None and any(not c.ended for c in draft.seen.children) else 0.0
    if watts != draft.status.energy.watts:
        draft.update(energy=draft.status.energy.model_copy(update={"watts": watts}))


def mark_safe(draft: Draft, checkpoint: Report) -> float:
    """A checkpoint was committed: what was spent until then is safe. Returns the ledger at that moment, in joules."""
    energy = draft.status.energy
    since = max(0.0, _joules(energy.open_meters) - checkpoint.checkpoint_joules)
    at_commit = round(energy.joules - since, JOULES_DIGITS)
    if at_commit > energy.safe_joules:
        draft.update(energy=energy.model_copy(update={"safe_joules": at_commit}))
    return at_commit


def lose_what_was_safe(draft: Draft) -> None:
    """The checkpoints are gone: of what was spent, only what has been written off before is not lost with them."""
    energy = draft.status.energy
    draft.update(energy=energy.model_copy(update={"safe_joules": energy.wasted_joules}))


def write_off(draft: Draft, joules_lost: float | None = None) -> float:
    """A restart: what was spent since the newest checkpoint or restart is lost. Returns it, in joules."""
    energy = draft.status.energy
    unsafe = max(0.0, energy.joules - energy.safe_joules)
    lost = round(unsafe if joules_lost is None else min(max(0.0, joules_lost), unsafe), JOULES_DIGITS)
    draft.update(
        energy=energy.model_copy(
            update={
                "wasted_joules": round(energy.wasted_joules + lost, JOULES_DIGITS),
                "safe_joules": round(energy.safe_joules + lost, JOULES_DIGITS),
            }
        )
    )
    return lost


def give_back(draft: Draft, joules: float) -> None:
    """What was written off turns out not to be lost: a checkpoint had been saved that nobody had heard of."""
    energy = draft.status.energy
    wasted = round(energy.wasted_joules - joules, JOULES_DIGITS)
    draft.update(energy=energy.model_copy(update={"wasted_joules": wasted}))


def _groups(seen: Observed) -> set[tuple[int, Role]]:
    groups: set[tuple[int, Role]] = {(c.attempt, c.role) for c in seen.children if c.last_word is not None}
    if seen.report is not None:
        groups.add((seen.report.attempt, seen.report.role))
    return groups


def _account_group(draft: Draft, attempt: int, role: Role) -> None:
    energy, key = draft.status.energy, f"{role}-{attempt}"
    if energy.open_group and key != energy.open_group and _order(key) < _order(energy.open_group):
        return  # closed: its joules are in the ledger already
    marks = energy.open_meters if key == energy.open_group else ()
    reading = _highest(marks, _reading(draft.seen, attempt, role))
    if reading == marks and key == energy.open_group:
        return
    draft.update(
        energy=_added(draft, energy, marks, reading).model_copy(update={"open_group": key, "open_meters": reading})
    )


def _order(key: str) -> tuple[int, str]:
    role, _, attempt = key.rpartition("-")
    return int(attempt), role  # "prepare" sorts before "worker", as it happens


def _reading(seen: Observed, attempt: int, role: Role) -> Reading:
    """What the group has used as far as can be seen: its own sum, or that of its last words, whichever is more."""
    words = [c.last_word for c in seen.children if (c.attempt, c.role) == (attempt, role) and c.last_word is not None]
    summed = _sum(tuple(m for word in words for m in word.energy))
    report = seen.report
    told = report.energy if report is not None and (report.attempt, report.role) == (attempt, role) else ()
    return _highest(summed, _sum(told))


def _added(draft: Draft, energy: EnergyStatus, marks: Reading, reading: Reading) -> EnergyStatus:
    new = _difference(reading, marks)
    meters = _sum((*energy.meters, *new))
    joules = _joules(new)
    domain = draft.seen.domain
    facility = joules * domain.pue
    kwh = facility / JOULES_PER_KWH
    total = _joules(meters)
    by_source = _by_source(meters)
    tariff = domain.tariff
    return energy.model_copy(
        update={
            "meters": meters,
            "joules": total,
            "low": round(sum(m.low_joules for m in meters), JOULES_DIGITS),
            "high": round(sum(m.high_joules for m in meters), JOULES_DIGITS),
            "measured_ratio": round(sum(by_source.get(s, 0.0) for s in _MEASURED) / total, 6) if total else 0.0,
            "source": "+".join(sorted(by_source, key=lambda s: (-by_source[s], s))),
            "facility_joules": round(energy.facility_joules + facility, JOULES_DIGITS),
            "carbon_grams": _grown(energy.carbon_grams, kwh * domain.carbon.grams_per_kwh),
            "cost": energy.cost if tariff is None else _grown(energy.cost, kwh * tariff.price_at(draft.now)),
            "currency": energy.currency if tariff is None else tariff.currency,
        }
    )


def _grown(before: float | None, more: float) -> float:
    return round((before or 0.0) + more, SMALL_DIGITS)


def _by_source(meters: Reading) -> dict[str, float]:
    sources: dict[str, float] = {}
    for meter in meters:
        sources[meter.source] = sources.get(meter.source, 0.0) + meter.joules
    return sources


def _joules(meters: Reading) -> float:
    return round(sum(m.joules for m in meters), JOULES_DIGITS)


def _by_key(meters: Reading) -> dict[tuple[str, str], Meter]:
    return {(m.component, m.source): m for m in meters}


def _sum(meters: Reading) -> Reading:
    sums: dict[tuple[str, str], Meter] = {}
    for m in meters:
        old = sums.get((m.component, m.source))
        sums[m.component, m.source] = (
            m
            if old is None
            else _meter(m, old.joules + m.joules, old.low_joules + m.low_joules, old.high_joules + m.high_joules)
        )
    return tuple(sums[key] for key in sorted(sums))


def _highest(marks: Reading, reading: Reading) -> Reading:
    if not marks or not reading or marks == reading:  # most passes bring nothing new
        return marks or reading
    old, new = _by_key(marks), _by_key(reading)
    pairs = [(old.get(k, new.get(k)), new.get(k, old.get(k))) for k in sorted({*old, *new})]
    return tuple(
        _meter(a, max(a.joules, b.joules), max(a.low_joules, b.low_joules), max(a.high_joules, b.high_joules))
        for a, b in pairs
        if a is not None and b is not None
    )


def _difference(reading: Reading, marks: Reading) -> Reading:
    old = _by_key(marks)
    return tuple(
        m
        if (o := old.get((m.component, m.source))) is None
        else _meter(m, m.joules - o.joules, m.low_joules - o.low_joules, m.high_joules - o.high_joules)
        for m in reading
    )


def _meter(like: Meter, joules: float, low: float, high: float) -> Meter:
    joules, low, high = (round(figure, JOULES_DIGITS) for figure in (joules, low, high))
    return Meter(component=like.component, source=like.source, joules=joules, low_joules=low, high_joules=high)
