"""PowerDomain: what the platform engineer says about a part of the cluster: its cap, its tariff, its carbon."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field

from wattrain_api.base import Model, Rule
from wattrain_api.trainingjob import ObjectMeta
from wattrain_api.workers import LabelKey, LabelValue

WORLD_MEAN_GRAMS_PER_KWH = 475.0
"""Mean of the world's electricity in g CO2e/kWh; source: IEA, Global Energy & CO2 Status Report 2019."""

Clock = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", max_length=5)]
Price = Annotated[float, Field(ge=0, le=1e6)]
Day = Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
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
    """Carbon intensity of the grid: location-based, average."""

    zone: Annotated[str, Field(max_length=64)] = "world"
    """Name of the grid zone, for people."""
    grams_per_kwh: Annotated[float, Field(alias="gramsPerKWh", ge=0, le=5000)] = WORLD_MEAN_GRAMS_PER_KWH
    """Grams of CO2 equivalent a kilowatt-hour."""
    source: Annotated[str, Field(max_length=253)] = "world mean, IEA 2019"
    """Where the number is from."""
    config_map: ConfigMapSeries | None = None
    """A series that changes with time; gramsPerKWh counts where it has no entry."""


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


class PowerDomainStatus(Model):
    """What is used of a domain."""

    reserved_watts: float = 0.0
    measured_watts: float = 0.0
    free_watts: float | None = None
    admitted: int = 0
    waiting: int = 0


class PowerDomain(Model):
    """A part of the cluster with one power cap, one tariff and one grid."""

    api_version: Literal["wattrain.dev/v1alpha1"] = "wattrain.dev/v1alpha1"
    kind: Literal["PowerDomain"] = "PowerDomain"
    metadata: ObjectMeta
    spec: PowerDomainSpec = PowerDomainSpec()
    status: PowerDomainStatus = PowerDomainStatus()
