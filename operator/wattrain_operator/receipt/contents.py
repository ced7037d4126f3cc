"""What a receipt holds, as receipt.json has it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from wattrain_api.base import Model
from wattrain_api.facts import units
from wattrain_api.status import (
    BestPointStatus,
    BudgetStatus,
    CauseTotals,
    CleanHoursStatus,
    DamagedCheckpoint,
    Meter,
    Metrics,
    NotFinite,
    Restart,
    Time,
    UncountedEnergy,
    shown_figure,
)


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
    loss_not_finite: NotFinite | None = None
    """What it is instead of a number."""
    non_finite_steps: int | None = None
    """Steps that left no trace because loss or gradient was no finite number; None: it was not told."""
    overflow_steps: int | None = None
    """Steps that were left out because the gradient overflowed in fp16; None: it was not told."""
    flops_per_second: float | None = None
    """Floating-point operations a second, at `samples_per_second`; None: they were not counted."""
    flops_utilization: float | None = None
    """The share that this is of `peak_flops_per_second`; None: not known."""
    peak_flops_per_second: float | None = None
    """The most that all processors together do in the precision of the training."""
    peak_source: str = ""
    """Where that is from: `data sheet`, or `measured`."""
    tuning: str = ""
    """What `training.auto` has chosen and why; empty: nothing was to be chosen."""
    validation: Metrics | None = None
    """Of the last evaluation on the validation split."""
    samples_per_second: float | None = None
    """All workers together: the median over the recorded steps."""

    @property
    def shown_loss(self) -> float | None:
        """The loss, finite or not."""
        return shown_figure(self.loss, self.loss_not_finite)


class EnergyFacts(Model):
    """The job's ledger. Facility energy is IT energy x PUE."""

    joules: float
    low_joules: float
    high_joules: float
    facility_joules: float
    pue: float
    """Where several were used: their mean, by the energy."""
    spread_joules: float = 0.0
    """Of `joules`, what was used while nothing was heard for over a minute, in which the price changed: it is priced as
    if it had been used evenly over that time."""
    wasted_joules: float
    """Of `joules`, what was lost in restarts, as far as it is known."""
    waste_is_known: bool = True
    """Whether that is all that was lost."""
    joules_per_sample: float | None = None
    measured_ratio: float | None = None
    """Share of the joules that a counter measured; the rest is modelled. Null: something was not counted."""
    incomplete: tuple[UncountedEnergy, ...] = ()
    """What drew power and is not in the joules."""
    meters: tuple[Meter, ...]
    """The joules by component and source."""
    causes: tuple[CauseTotals, ...] = ()
    """Time and joules by what they went to: an attribution by the seconds that the group reports."""

    @property
    def provenance(self) -> str:
        """How the figures are known."""
        return units.provenance(self.measured_ratio)

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
    """Where several were used: their mean, by the energy."""
    zone: str
    """Of the last intensity that was used; `rates` has all of them."""
    source: str


class CostFacts(Model):
    """Cost of the facility's energy in one currency; low and high follow those of the energy."""

    amount: float
    low: float
    high: float
    currency: str
    since: Time | None = None
    """From when on energy was priced in it."""


class RateFacts(Model):
    """What of the energy was used at one PUE, one carbon intensity and one price."""

    share: float
    """Of all joules of the job, from 0 to 1."""
    joules: float
    pue: float | None = None
    """None: of several that are not known any more; there were too many to keep."""
    grams_per_kwh: Annotated[float | None, Field(alias="gramsPerKWh")] = None
    zone: str
    price_per_kwh: Annotated[float | None, Field(alias="pricePerKWh")] = None
    """None: there was no tariff."""
    currency: str


class Duration(Model):
    """How long it took, with the pauses and without them."""

    start_time: Time | None = None
    completion_time: Time | None = None
    seconds: float | None = None
    """From the first start to the end, pauses included."""
    active_seconds: float | None = None
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
    training: TrainingFacts | None = None
    """None: it never came to train."""
    test: Metrics | None = None
    exported: str = ""
    """Step whose model was tested and exported, and why that one; empty: it was not told."""
    energy: EnergyFacts
    carbon: CarbonFacts | None = None
    clean_hours: CleanHoursStatus | None = None
    """What was waited for clean hours, and what that has saved; None: nothing was to be waited for."""
    budget: BudgetStatus | None = None
    """How far the job's budget was used; None: it had none."""
    best_point: BestPointStatus | None = None
    """With how many threads its ranks were to train, and why; None: it had no objective."""
    cost: CostFacts | None = None
    """In the last currency that a tariff had."""
    costs: tuple[CostFacts, ...] = ()
    """In each of them: amounts in two currencies are never added up."""
    rates: tuple[RateFacts, ...] = ()
    """The energy by PUE, carbon intensity and price, the largest part first."""
    restart_count: int
    restarts: tuple[Restart, ...]
    """The last ten."""
    damaged_checkpoints: tuple[DamagedCheckpoint, ...] = ()
    """The last ten that were found damaged."""
    seed: int | None = None
    versions: dict[str, str]
    """Of python, torch and wattrain; `not installed` where the package is missing. Empty: not known."""
    cpu_model: str
    """Processor of the machine that trained and wrote the receipt; empty where that is not known."""
    data: dict[str, Any] | None = None
    """prepare.json."""
    last_lines: tuple[str, ...] = ()
    """What the worker that decided the end wrote last."""
    not_known: tuple[str, ...] = ()
    """What it does not tell, and why, a sentence each; of a local run nothing."""
    spec: dict[str, Any]
    """With the names of environment variables, but not their values: a receipt is shown around."""
    status: dict[str, Any]
