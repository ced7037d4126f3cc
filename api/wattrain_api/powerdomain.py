"""PowerDomain: what the platform engineer says about a part of the cluster: its cap, its tariff, its carbon."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Annotated, Any, ClassVar, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, TypeAdapter

from wattrain_api.base import LabelKey, LabelValue, Model, Rule, exactly_one
from wattrain_api.carbon_series import Basis
from wattrain_api.energy import CENTURY, Moment
from wattrain_api.status import Condition, StatusPart, Time
from wattrain_api.trainingjob import ObjectMeta

WORLD_MEAN_SOURCE = "world mean of 2025, Ember 2026"
WORLD_MEAN_GRAMS_PER_KWH = 458.0
"""Mean of the world's electricity of 2025 in g CO2e/kWh; source: Ember, Global Electricity Review 2026 (21 April 2026),
chapter "2025 in review"."""

Clock = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", max_length=5)]
Price = Annotated[float, Field(ge=0, le=1e6)]
Day = Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
NamespaceName = Annotated[str, Field(min_length=1, max_length=63)]
Weight = Annotated[float, Field(gt=0, le=1e6)]
_DAYS: tuple[Day, ...] = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class TariffWindow(Model):
    """Hours of the week with a price of their own. An end before the start means the next day."""

    start: Clock
    """First minute, HH:MM in the tariff's time zone."""
    end: Clock
    """First minute after it."""
    days: Annotated[tuple[Day, ...], Field(max_length=7)] = _DAYS
    """Days on which it starts."""
    price_per_kwh: Annotated[Price, Field(alias="pricePerKWh")]
    """Price in these hours."""

    def covers(self, local: datetime) -> bool:
        """Whether `local`, a time in the tariff's zone, lies in this window."""
        minute, today = local.strftime("%H:%M"), _DAYS[local.weekday()]
        if self.start < self.end:
            return today in self.days and self.start <= minute < self.end
        yesterday = _DAYS[(local.weekday() - 1) % 7]
        return (today in self.days and minute >= self.start) or (yesterday in self.days and minute < self.end)


def _is_time_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


class Tariff(Model):
    """What a kilowatt-hour costs."""

    RULES: ClassVar = (
        Rule(
            "self.timeZone.size() > 0",
            "timeZone must be a name of the IANA time zone database, such as Europe/Berlin or UTC",
            lambda t: _is_time_zone(t.time_zone),
        ),
    )

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$", max_length=3)] = "EUR"
    """ISO 4217 code."""
    price_per_kwh: Annotated[Price, Field(alias="pricePerKWh")]
    """Price outside all windows."""
    time_zone: Annotated[str, Field(max_length=64)] = "UTC"
    """IANA name of the zone that windows are in."""
    windows: Annotated[tuple[TariffWindow, ...], Field(max_length=32)] = ()
    """Hours with another price; the first that covers a moment counts."""

    def price_at(self, moment: datetime) -> float:
        """Price of a kilowatt-hour at `moment` (aware), in `currency`."""
        local = moment.astimezone(ZoneInfo(self.time_zone))
        return next((w.price_per_kwh for w in self.windows if w.covers(local)), self.price_per_kwh)


class ConfigMapSeries(Model):
    """A series of carbon intensities in a ConfigMap."""

    name: Annotated[str, Field(min_length=1, max_length=253)]
    """Name of the ConfigMap."""
    namespace: Annotated[str, Field(min_length=1, max_length=63)]
    """Its namespace."""
    key: Annotated[str, Field(min_length=1, max_length=253)] = "data"
    """Entry of the ConfigMap that holds the series."""


class CarbonIntensity(Model):
    """Carbon intensity of the grid, location-based. A series of it (docs/carbon.md) has one source at most."""

    RULES: ClassVar = (
        Rule(
            "[has(self.configMap), has(self.file), has(self.url)].filter(x, x).size() <= 1",
            "give at most one of configMap, file and url",
            lambda c: sum(source is not None for source in (c.config_map, c.file, c.url)) <= 1,
        ),
    )

    zone: Annotated[str, Field(max_length=64)] = ""
    """Name of the grid zone, for people; empty with the default of gramsPerKWh: the world."""
    grams_per_kwh: Annotated[float, Field(alias="gramsPerKWh", ge=0, le=5000)] = WORLD_MEAN_GRAMS_PER_KWH
    """Grams of CO2 equivalent a kilowatt-hour."""
    source: Annotated[str, Field(max_length=253)] = ""
    """Where the number is from, for people; empty with the default of gramsPerKWh: Ember."""
    config_map: ConfigMapSeries | None = None
    """A series that changes with time; gramsPerKWh counts where it has no entry."""
    file: Annotated[str, Field(min_length=1, max_length=4096)] | None = None
    """A file with a series, for `wattrain run`; relative to the file of the PowerDomain."""
    url: Annotated[str, Field(pattern=r"^https?://[^\s@]+$", max_length=2048)] | None = None
    """Address of a series, without a password in it; asked every five minutes, redirections are not followed."""
    basis: Basis = "Average"
    """What the series is. `Average` counts emissions and chooses times; `Marginal` only chooses times."""

    @property
    def has_series(self) -> bool:
        """Whether a series is named."""
        return any(source is not None for source in (self.config_map, self.file, self.url))

    @property
    def zone_name(self) -> str:
        """The zone, for a person. Whoever gives a number of their own and no zone does not mean the world."""
        return self.zone or ("world" if self._is_world_mean else "not named")

    @property
    def source_name(self) -> str:
        """The source, for a person."""
        return self.source or (WORLD_MEAN_SOURCE if self._is_world_mean else "no source named")

    @property
    def _is_world_mean(self) -> bool:
        return self.grams_per_kwh == WORLD_MEAN_GRAMS_PER_KWH


class Shed(Model):
    """Less power for a while: jobs give some up, as their energy.flexibility allows."""

    RULES: ClassVar = (
        exactly_one("watts", "percent"),
        # Without a rule that looks at them, the API server takes lists for times.
        Rule(
            "self.until > timestamp('2000-01-01T00:00:00Z') && (!has(self.start) || self.start < self.until)",
            "start must be before until, and both in this century",
            lambda s: s.until > CENTURY and (s.start is None or s.start < s.until),
        ),
    )

    watts: Annotated[float, Field(gt=0, le=1e9)] | None = None
    """So much less than the jobs draw together when it begins."""
    percent: Annotated[int, Field(ge=1, le=100)] | None = None
    """The same as a share of what they draw then."""
    start: Moment | None = None
    """When it begins; unset: at once."""
    until: Moment
    """When it ends; what was given up is given back then."""


class PowerDomainSpec(Model):
    """What is known of a part of the cluster."""

    cap_watts: Annotated[float, Field(gt=0, le=1e9)] | None = None
    """The most power that its jobs may draw together; unset: no cap."""
    headroom_percent: Annotated[int, Field(ge=0, le=90)] = 5
    """Share of the cap that stays free."""
    base_watts: Annotated[float, Field(ge=0, le=1e9)] = 0.0
    """Power of idle nodes and of everything else under the same cap."""
    node_selector: Annotated[dict[LabelKey, LabelValue], Field(max_length=32)] = {}
    """Nodes of the domain; empty: all."""
    pue: Annotated[float, Field(ge=1, le=5)] = 1.0
    """Facility energy / IT energy."""
    tariff: Tariff | None = None
    """What a kilowatt-hour costs; unset: cost is not shown."""
    carbon: CarbonIntensity = CarbonIntensity()
    """Carbon intensity of the grid."""
    ordering: Literal["PriorityThenAge"] = "PriorityThenAge"
    """Who is admitted first."""
    max_running_jobs: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """How many of its jobs may run at once; the others wait, by priority and age. Unset: as many as there are."""
    preemption: Literal["Never", "LowerPriority"] = "Never"
    """`LowerPriority`: where the next job has no room, jobs of lower priority that must make it save a checkpoint, stop
    and wait in the queue again. A job whose checkpoints go with its pods is never asked to."""
    shed: Shed | None = None
    """Less power for a while, as a grid operator or a hot day may call for."""
    namespace_weights: Annotated[dict[NamespaceName, Weight], Field(max_length=256)] = {}
    """Shares of namespaces among jobs of the same priority: first goes the namespace whose jobs hold the least for its
    weight; one that is not named has weight 1. Empty: by age alone."""

    @property
    def usable_watts(self) -> float | None:
        """Watts that its jobs may draw together; None: there is no cap."""
        if self.cap_watts is None:
            return None
        return max(0.0, self.cap_watts * (1 - self.headroom_percent / 100) - self.base_watts)


@dataclass(frozen=True)
class Reservation(StatusPart):
    """The right of one job to run, stored before any of its pods exists."""

    namespace: Annotated[str, Field(max_length=63)]
    name: Annotated[str, Field(max_length=63)]
    uid: Annotated[str, Field(max_length=64)]
    turn: Annotated[int, Field(ge=1)]
    """The job's turn that it is for: after a suspension the job needs another one."""
    since: Time
    """When it was granted."""
    watts: Annotated[float, Field(ge=0)] = 0.0
    """Power that is reserved for it, where the domain has a cap."""
    full_watts: Annotated[float, Field(ge=0)] = 0.0
    """The most that its workers can draw by their limits, by an estimate: what counts where nothing is measured."""
    corrected: Time | None = None
    """When watts were last compared with what is measured."""
    low_watts: Annotated[float, Field(ge=0)] = 0.0
    """The most that was called for in the comparisons that found less than is reserved."""
    low_times: Annotated[int, Field(ge=0)] = 0
    """How many in a row these were."""
    preempted_by: Annotated[str, Field(max_length=255)] = ""
    """The job for which it is given up, and the priorities of both; empty: it is kept."""


@dataclass(frozen=True)
class DomainPower(StatusPart):
    """Power under the cap of a domain, in watts."""

    reserved_watts: Annotated[float, Field(ge=0)] = 0.0
    """For jobs that hold a place."""
    drawn_watts: Annotated[float, Field(ge=0)] = 0.0
    """What these jobs have been seen to draw; of one that is not heard of, what is reserved."""
    free_watts: Annotated[float, Field(ge=0)] = 0.0
    """What jobs that wait may still be granted."""
    exceeded_watts: Annotated[float, Field(ge=0)] = 0.0
    """What the jobs draw beyond cap, headroom and baseWatts allow. While it is more than 0 nobody is admitted."""


@dataclass(frozen=True)
class ShedOrder(StatusPart):
    """What one job gives up while its domain sheds power."""

    namespace: Annotated[str, Field(max_length=63)]
    name: Annotated[str, Field(max_length=63)]
    uid: Annotated[str, Field(max_length=64)]
    from_watts: Annotated[float, Field(ge=0)]
    """What it drew when that began."""
    most_watts: Annotated[float, Field(ge=0)]
    """What it is held to; 0: it saves and pauses."""


@dataclass(frozen=True)
class SheddingStatus(StatusPart):
    """How a domain sheds power now."""

    since: Time
    until: Time
    from_watts: Annotated[float, Field(ge=0)] = 0.0
    """What its jobs drew together when that began; of one that was not heard of, the most that it may draw."""
    target_watts: Annotated[float, Field(ge=0)] = 0.0
    """What they are to draw at most."""
    drawn_watts: Annotated[float, Field(ge=0)] = 0.0
    """What they have been seen to draw."""
    orders: tuple[ShedOrder, ...] = ()
    """What each that gives something up is held to."""
    message: Annotated[str, Field(max_length=1024)] = ""
    """Why the target cannot be met; empty: it can."""


@dataclass(frozen=True)
class PowerDomainStatus(StatusPart):
    """What is used of a domain."""

    running: Annotated[int, Field(ge=0)] = 0
    """Jobs that hold a place."""
    waiting: Annotated[int, Field(ge=0)] = 0
    """Jobs that wait for one."""
    power: DomainPower | None = None
    """Where the domain has a cap."""
    reservations: tuple[Reservation, ...] = ()
    """Jobs that may run; only where the domain has a limit, or sheds power."""
    shedding: SheddingStatus | None = None
    """While it sheds power."""
    conditions: Annotated[tuple[Condition, ...], Field(max_length=8)] = ()
    """`Accepted`: whether the operator acts by this domain, or else what is to be corrected."""

    @staticmethod
    def from_json_object(value: object) -> PowerDomainStatus:
        """The status that `value` holds, fields of newer versions left out. pydantic.ValidationError: it is none."""
        return _status_adapter().validate_python(value, extra="ignore")

    def to_json_object(self) -> dict[str, Any]:
        """The status as the API server knows it."""
        dumped: dict[str, Any] = _status_adapter().dump_python(self, mode="json", by_alias=True, exclude_none=True)
        return dumped


@cache
def _status_adapter() -> TypeAdapter[PowerDomainStatus]:
    return TypeAdapter(PowerDomainStatus)


class PowerDomain(Model):
    """A part of the cluster with one power cap, one tariff and one grid."""

    api_version: Literal["wattrain.dev/v1alpha1"] = "wattrain.dev/v1alpha1"
    kind: Literal["PowerDomain"] = "PowerDomain"
    metadata: ObjectMeta
    spec: PowerDomainSpec = PowerDomainSpec()
    status: PowerDomainStatus = PowerDomainStatus()
