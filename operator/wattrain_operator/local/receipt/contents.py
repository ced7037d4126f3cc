"""What a receipt holds, as receipt.json has it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from wattrain_api.base import Model
from wattrain_api.status import Meter, Metrics, Restart, Time


class JobFacts(Model):
    """Which job it was and how it ended."""

    name: str
    namespace: str
    what: str
    """The recipe's name, or the script's command."""
    workers: int
    ranks: int
    state: str
    reason: str
    message: str


class TrainingFacts(Model):
    """How far it came and how fast."""

    step: int
    total_steps: int
    loss: float | None = None
    """Of the last recorded step."""
    validation: Metrics | None = None
    """Of the last evaluation on the validation split."""
    samples_per_second: float | None = None
    """All workers together: the median over the recorded steps."""


class EnergyFacts(Model):
    """The job's ledger. Facility energy is IT energy x PUE."""

    joules: float
    low_joules: float
    high_joules: float
    facility_joules: float
    pue: float
    wasted_joules: float
    """Of `joules`, what was lost in restarts."""
    joules_per_sample: float | None
    measured_ratio: float
    """Share of the joules that a counter measured; the rest is modelled."""
    meters: tuple[Meter, ...]
    """The joules by component and source."""

    def bounds(self, amount: float) -> tuple[float, float]:
        """Low and high of an amount that is in proportion to the energy: a part of it, its carbon, its cost."""
        if self.joules <= 0:
            return amount, amount
        return amount * self.low_joules / self.joules, amount * self.high_joules / self.joules


class CarbonFacts(Model):
    """CO2 equivalent of the facility's energy; low and high follow those of the energy."""

    grams: float
    low_grams: float
    high_grams: float
    basis: Literal["location-based"] = "location-based"
    grams_per_kwh: Annotated[float, Field(alias="gramsPerKWh")]
    zone: str
    source: str


class CostFacts(Model):
    """Cost of the facility's energy; low and high follow those of the energy."""

    amount: float
    low: float
    high: float
    currency: str


class Duration(Model):
    """How long it took, with the pauses and without them."""

    start_time: Time | None
    completion_time: Time | None
    seconds: float | None
    """From the first start to the end, pauses included."""
    active_seconds: float | None
    """Of these, while it was active: without suspensions and the time in which the command did not run."""

    @property
    def paused_seconds(self) -> float:
        """What is to be told beside `active_seconds`; 0 where it is a second or less, which rounding may make."""
        if self.seconds is None or self.active_seconds is None:
            return 0.0
        paused = self.seconds - self.active_seconds
        return paused if paused > 1 else 0.0


class Receipt(Model):
    """What a training did, what it cost, and what is needed to repeat it."""

    version: Literal[1] = 1
    job: JobFacts
    duration: Duration
    training: TrainingFacts | None
    """None: it never came to train."""
    test: Metrics | None
    energy: EnergyFacts
    carbon: CarbonFacts | None
    cost: CostFacts | None
    restart_count: int
    restarts: tuple[Restart, ...]
    """The last ten."""
    seed: int | None
    versions: dict[str, str]
    """Of python, torch and wattrain; `not installed` where the package is missing."""
    cpu_model: str
    """Processor of the machine that wrote the receipt; empty where it does not say."""
    data: dict[str, Any] | None
    """prepare.json."""
    spec: dict[str, Any]
    """With the names of environment variables, but not their values: a receipt is shown around."""
    status: dict[str, Any]
