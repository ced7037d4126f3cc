"""`spec.energy`, `spec.policy`, `spec.queue`, `spec.inference`: limits, deadlines, place in the order, serving."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AwareDatetime, BeforeValidator, Field

from wattrain_api.base import Model, Name, Rule, exactly_one
from wattrain_api.names import DEFAULT_POWER_DOMAIN
from wattrain_api.training import Seconds
from wattrain_api.workers import Resources

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def _from_rfc3339(value: Any) -> Any:
    # pydantic would also take 1 or "1", a second after 1970, which the API server refuses
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise ValueError("must be a time with its zone, such as 2026-12-01T18:00:00Z")
    return datetime.fromisoformat(value)


Moment = Annotated[AwareDatetime, BeforeValidator(_from_rfc3339)]
"""A time with its zone, by RFC 3339."""
CENTURY = datetime(2000, 1, 1, tzinfo=UTC)
Positive = Annotated[float, Field(gt=0, le=1e12)]


class PowerCap(Model):
    """The most power that the job may draw: at most one unit."""

    RULES: ClassVar = (exactly_one("job_watts", "per_gpu_watts", "percent_of_max"),)

    job_watts: Positive | None = None
    """Watts of all workers together."""
    per_gpu_watts: Positive | None = None
    """Watts of each GPU."""
    percent_of_max: Annotated[int, Field(ge=1, le=100)] | None = None
    """Share of what the workers draw at most by their limits."""
    min_percent: Annotated[int, Field(ge=1, le=100)] = 55
    """Never below this share of what the workers draw at most: under about half, energy per step rises again."""
    mode: Literal["Hard", "Cooperative"] = "Cooperative"
    """`Hard`: a node agent sets the device's limit. `Cooperative`: the workers pause between steps."""


class Budget(Model):
    """What the job may spend over its whole life, restarts and suspensions included. The first limit reached binds.
    Raised, it lets a suspended job go on."""

    RULES: ClassVar = (
        Rule(
            "has(self.energyKWh) || has(self.carbonGrams) || has(self.cost)",
            "give at least one of energyKWh, carbonGrams and cost",
            lambda b: any(limit is not None for limit in (b.energy_kwh, b.carbon_grams, b.cost)),
        ),
    )

    energy_kwh: Annotated[Positive | None, Field(alias="energyKWh")] = None
    """Kilowatt-hours."""
    carbon_grams: Positive | None = None
    """Grams of CO2 equivalent."""
    cost: Positive | None = None
    """Money, in the currency of the power domain, which must have a tariff."""
    basis: Literal["IT", "Facility"] = "IT"
    """`Facility` counts cooling and losses too (PUE)."""
    action: Literal["Warn", "Throttle", "CheckpointAndSuspend", "Stop"] = "CheckpointAndSuspend"
    """What happens when it is spent, after a warning at 80 %. `CheckpointAndSuspend` and `Stop` act so early that the
    last checkpoint fits; `Stop` ends the job as failed."""
    allow_estimated: bool = False
    """Whether the action is taken where less than half of the joules are measured. Else it is warned alone."""


class Carbon(Model):
    """When to run, by the carbon intensity of the grid."""

    RULES: ClassVar = (
        # Without a rule that looks at it, the API server takes a list for a time, and refuses every status of the job.
        Rule(
            "!has(self.deadline) || self.deadline > timestamp('2000-01-01T00:00:00Z')",
            "deadline must be a time in this century",
            lambda c: c.deadline is None or c.deadline > CENTURY,
        ),
    )

    mode: Literal["Off", "StartWindow", "PauseResume"]
    """`StartWindow` waits for the cleanest window before the deadline. `PauseResume` waits for the first of the
    cleanest hours, and pauses between them. `Off` waits for nothing, whatever else is given here."""
    deadline: Moment | None = None
    """When the job must have ended; it always wins. Unset: the job starts within a day."""
    min_benefit_percent: Annotated[int, Field(ge=0, le=100)] = 5
    """Saving, in percent of the grams of a start at once, below which the job does not wait."""
    estimated_duration_seconds: Seconds | None = None
    """How long the job takes, with its preparation. Unset: nobody knows, and the job starts at once."""


class Energy(Model):
    """Limits on power, energy, carbon and cost."""

    RULES: ClassVar = (
        Rule(
            "has(self.energyWeight) == (has(self.objective) && self.objective == 'weighted')",
            "energyWeight and objective: weighted belong together; give both, or neither",
            lambda e: (e.energy_weight is not None) == (e.objective == "weighted"),
        ),
    )

    power_domain: Name = DEFAULT_POWER_DOMAIN
    """PowerDomain that the job belongs to."""
    power_cap: PowerCap | None = None
    """The most power that the job may draw."""
    budget: Budget | None = None
    """What the job may spend over its life."""
    carbon: Carbon | None = None
    """When to run, by the carbon intensity of the grid."""
    objective: Literal["time", "energy", "weighted"] | None = None
    """Have the job find out with how many threads its ranks are fastest (`time`), or need the least energy a sample
    (`energy`); `weighted`: the best of both, by energyWeight. In the first minutes of training it tries some."""
    energy_weight: Annotated[float, Field(ge=0, le=1)] | None = None
    """With objective weighted: how much of it is the energy, from 0 (time alone) to 1 (energy alone)."""
    flexibility: Literal["none", "throttle", "pause"] = "none"
    """What the job gives up while its power domain sheds power: nothing; speed, down to powerCap.minPercent (55 unless
    given) of what it draws; or all of it, where that is not enough: then it saves, pauses and goes on by itself."""


class Policy(Model):
    """Restarts, deadlines and what stays afterwards."""

    max_restarts: Annotated[int, Field(ge=0, le=1000)] = 3
    """Failures of the program that are answered by a restart before the job fails. The count starts anew whenever a
    checkpoint has been committed. Disruptions (eviction, preemption, loss of a node) do not count: only 101 in a row,
    with neither a checkpoint nor ten minutes of training between them, end the job."""
    restart_window_seconds: Seconds | None = None
    """The count also starts anew when so long has passed since the last failure."""
    active_deadline_seconds: Seconds | None = None
    """The job fails when it has been active for so long; suspended time does not count."""
    start_deadline_seconds: Seconds = 1800
    """The job fails when an attempt has not made its first step after so long."""
    progress_deadline_seconds: Seconds = 300
    """The group is restarted when no step has ended for so long, or for ten mean steps where that is longer.
    Evaluation, checkpoints and export may take five times as long. A script is held to it from the first step on that
    it tells."""
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=31_536_000)] | None = None
    """The job is deleted so long after it finished."""
    keep_pods: Literal["None", "Failed", "All"] = "Failed"
    """Which pods stay after the job finished, for their logs."""


class Queue(Model):
    """Place in the order of admission."""

    priority: Annotated[int, Field(ge=-1_000_000, le=1_000_000)] = 0
    """Higher goes first; among equals, the older."""


class Inference(Model):
    """Serving the trained model."""

    enabled: bool = False
    """Whether the model is served when the job is complete."""
    replicas: Annotated[int, Field(ge=1, le=1024)] = 1
    """Number of servers."""
    resources: Resources = Resources()
    """Requests and limits of each server."""
