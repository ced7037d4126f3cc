"""Whatever is killed, resumed, replaced, resized, lost, repeated or late: the ledger has what supervisors counted.

The counting is the supervisors' own: meters, the sums of a group, messages as bytes, and how they are read. What is
made up here is the order of events. A supervisor leaves its message before each sample, so that SIGKILL costs one.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from wattrain_api.contract.codec import decode_json, encode_json
from wattrain_api.contract.progress import Progress
from wattrain_api.contract.spent_seconds import SpentSeconds
from wattrain_api.contract.termination import TerminationMessage
from wattrain_api.names import child_name
from wattrain_api.powerdomain import PowerDomainSpec, Tariff, TariffWindow
from wattrain_api.status import TrainingJobStatus
from wattrain_api.trainingjob import ObjectMeta, TrainingJob, TrainingJobSpec
from wattrain_operator.core import energy_causes, ledger
from wattrain_operator.core.draft import Draft
from wattrain_operator.core.observed import Child, Observed, Report
from wattrain_operator.core.resumption import adopt
from wattrain_operator.core.roles import Role
from wattrain_operator.simulated.objects import EPOCH
from wattrain_operator.workers import decode
from wattrain_operator.workers.last_answer import next_answer
from wattrain_worker.power.meter import Energy, Meter
from wattrain_worker.supervisor.group_totals import Totals
from wattrain_worker.supervisor.termination_message import encode_termination
from wattrain_worker.supervisor.worker_control import Ending
from wattrain_worker.supervisor.worker_messages import member_report, power_readings, termination_of

NIGHT = TariffWindow(start="00:00", end="00:10", price_per_kwh=0.1)
DOMAIN = PowerDomainSpec(pue=1.25, tariff=Tariff(price_per_kwh=0.5, windows=(NIGHT,)))
SPEC: dict[str, Any] = {
    "recipe": {"name": "mlp"}, "data": {"source": {"builtin": "digits"}}, "training": {"epochs": 1},
}  # fmt: skip
which = st.integers(0, 5)


class Supervised:
    """A child with its meters, and the message that it has left."""

    def __init__(self, uid: str, attempt: int, worker: int) -> None:
        self.uid, self.attempt, self.worker = uid, attempt, worker
        self._meters = [Meter("cpu", "", "model"), Meter("gpu", f"GPU of {uid}", "nvml")]
        self._last_sample = 0.0
        self.lost = 0.0
        self.spent = SpentSeconds()
        self.left = b""
        self.exit_code: int | None = None

    @property
    def counted(self) -> float:
        return sum(meter.reading().joules for meter in self._meters)

    def progress(self) -> Progress:
        power = power_readings(meter.reading() for meter in self._meters)
        spent = None if self.worker else self.spent
        return Progress(attempt=self.attempt, worker=self.worker, uid=self.uid, step=7, power=power, spent=spent)

    def sample(self, joules: float, now: float) -> None:
        self.leave(now, None)
        self._last_sample = 2 * joules
        phase = "training" if joules > 2 else "evaluation"
        self.spent = replace(self.spent, **{phase: getattr(self.spent, phase) + 1 / 3})
        for meter in self._meters:
            meter.add(Energy(joules, joules / 2, joules * 2), now - 1, now)

    def leave(self, now: float, ending: Ending | None) -> None:
        self.left = encode_termination(termination_of(self.progress(), EPOCH.timestamp() + now, ending))

    def end(self, now: float) -> None:
        self.leave(now, Ending(143, None))
        self.exit_code = 143

    def kill(self) -> None:
        self.lost, self.exit_code = self._last_sample, -9

    def seen(self) -> Child:
        name = child_name("job", Role.WORKER, self.attempt, self.worker)
        if self.exit_code is None:
            return Child(name, self.uid, Role.WORKER, self.attempt, self.worker, "Running", ready=True)
        left, _ = decode.to_termination(self.left, self.exit_code, self.worker)
        return Child(name, self.uid, Role.WORKER, self.attempt, self.worker, "Failed", termination=left)


class LedgerMachine(RuleBasedStateMachine):
    """One job; its operator remembers nothing but the status as JSON, and what it was told since its start."""

    @initialize(workers=st.integers(1, 3))
    def the_job_starts(self, workers: int) -> None:
        self.now = 0.0
        self.all: list[Supervised] = []
        self.children: dict[int, Supervised] = {}
        self.told: list[Report] = []
        self.attempt = 0
        self.stored = TrainingJobStatus().to_json_object()
        self._start_group(workers)

    def _start_group(self, workers: int) -> None:
        self.attempt, self.workers, self.totals = self.attempt + 1, workers, Totals(lambda: self.now)
        self.children = {}
        for worker in range(workers):
            self._start(worker)
        status = TrainingJobStatus.from_json_object(self.stored)
        internal = replace(status.internal, not_before=EPOCH + timedelta(seconds=int(self.now)))
        self.stored = replace(status, attempt=self.attempt, internal=internal).to_json_object()

    def _start(self, worker: int) -> None:
        self.children[worker] = Supervised(f"uid {len(self.all)}", self.attempt, worker)
        self.all.append(self.children[worker])

    def _one(self, which: int) -> Supervised:
        return self.children[which % self.workers]

    @rule(
        which=which, joules=st.integers(0, 40).map(lambda n: n / 8), seconds=st.sampled_from([1, 1, 1, 400]),
        reports=st.booleans(), is_asked=st.booleans(), is_looked_at=st.booleans(),
    )  # fmt: skip
    def a_supervisor_works(
        self, which: int, joules: float, seconds: int, reports: bool, is_asked: bool, is_looked_at: bool
    ) -> None:
        """It samples, and may tell its coordinator, which may be asked, whose answer may be looked at."""
        self.now += seconds
        one = self._one(which)
        if one.exit_code is not None:
            self._replace(which)
            one = self._one(which)
        one.sample(joules, self.now)
        if reports:
            self.totals.update(one.worker, member_report(one.progress()))
        if is_asked:
            self.the_operator_asks()
        if is_looked_at:
            self.the_operator_looks(0, written=True)

    @rule()
    def the_operator_asks(self) -> None:
        first = self.children[0]
        if first.exit_code is None:
            self.totals.update(0, member_report(first.progress()))
            answer = decode_json(Progress, encode_json(replace(first.progress(), group=self.totals.progress(()))))
            assert answer is not None
            last = next_answer(None, answer, self.now)
            self.told.append(decode.to_report(last, Role.WORKER, first.attempt, self.now))

    @rule(which=which, written=st.sampled_from([True, True, False]))
    def the_operator_looks(self, which: int, written: bool) -> None:
        """Mostly by the newest answer; one may be late. The write may be refused, and all is decided anew."""
        late = self.told[-1 - which // 2 :][:1]
        self._look(late[0] if late else None, written=written)

    def _look(self, report: Report | None, *, written: bool = True) -> None:
        seen = Observed(
            now=EPOCH + timedelta(seconds=self.now),
            job=TrainingJob(metadata=ObjectMeta(name="job"), spec=TrainingJobSpec.model_validate(
                SPEC | {"workers": {"replicas": self.workers}}
            )),
            status=TrainingJobStatus.from_json_object(self.stored),
            children=tuple(child.seen() for child in self.children.values()),
            report=report,
            domain=DOMAIN,
        )  # fmt: skip
        draft = Draft(seen)
        ledger.account(draft)
        if written:
            self.stored = draft.status.to_json_object()

    @rule()
    def the_operator_is_restarted(self) -> None:
        self.told.clear()

    @rule(which=which, sigkill=st.booleans())
    def a_supervisor_ends(self, which: int, sigkill: bool) -> None:
        one = self._one(which)
        if one.exit_code is None:
            if sigkill:
                one.kill()
            else:
                one.end(self.now)

    def _replace(self, which: int) -> None:
        """Within the attempt, once its end has been seen: one that ends unseen with its pod is lost."""
        one = self._one(which)
        if one.exit_code is not None:
            self._look(self.told[-1] if self.told else None)
            self._start(one.worker)

    @rule(workers=st.integers(1, 3))
    def all_end_and_another_attempt_starts_of_another_size(self, workers: int) -> None:
        self._end_all()
        self._look(self.told[-1] if self.told else None)
        self._start_group(workers)

    @rule(sigkill=st.booleans(), workers=st.integers(1, 3), same_attempt=st.booleans())
    def the_command_is_killed_and_run_again(self, sigkill: bool, workers: int, same_attempt: bool) -> None:
        """Nobody sees the supervisors end: what they left lies in the run's directory."""
        for child in self.children.values():
            if sigkill and child.exit_code is None:
                child.kill()
        self._end_all()
        self.told.clear()
        self.now += 1000
        now = EPOCH + timedelta(seconds=int(self.now))
        messages = [decode_json(TerminationMessage, child.left) for child in self.children.values() if child.left]
        readings = [r for m in messages if m is not None and (r := decode.to_reading(m, now)) is not None]
        adopted = adopt(TrainingJobStatus.from_json_object(self.stored), readings, DOMAIN, now, self.workers)
        self.stored = adopted.to_json_object()
        self.attempt -= same_attempt  # a group that had not trained is started anew within its attempt
        self._start_group(workers)

    def _end_all(self) -> None:
        for child in self.children.values():
            if child.exit_code is None:
                child.end(self.now)

    def teardown(self) -> None:
        if not hasattr(self, "children"):
            return
        self._end_all()
        for late in (*self.told[-3:], None):
            self._look(late)
        status = TrainingJobStatus.from_json_object(self.stored)
        energy, causes = status.energy, status.causes
        counted, lost = sum(child.counted for child in self.all), sum(child.lost for child in self.all)
        rounding = 0.01
        assert counted - lost - rounding <= energy.joules <= counted + rounding, (counted, lost, energy)
        assert sum(account.joules for account in energy.accounts) == pytest.approx(energy.joules, abs=rounding)
        assert sum(totals.joules for totals in causes) == pytest.approx(energy.joules, abs=1e-6)
        told = sum(child.spent.training + child.spent.evaluation for child in self.all if child.worker == 0)
        assert sum(totals.seconds for totals in causes) <= told + rounding
        assert all(totals.joules >= 0 and totals.seconds >= 0 for totals in causes)
        priced = sum(a.joules * 1.25 * (a.price_per_kwh or 0.0) for a in energy.accounts) / 3.6e6
        assert (energy.cost or 0.0) == pytest.approx(priced, abs=1e-7)


def _run(*, shrink: bool = True) -> None:
    phases = (Phase.generate, Phase.shrink) if shrink else (Phase.generate,)
    # hypothesis draws constants of the modules that are loaded, too: beside other tests it may look elsewhere first.
    examples = 250 if shrink else 2500
    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(
            max_examples=examples, stateful_step_count=25, deadline=None, database=None, derandomize=True,
            phases=phases, suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip


def test_the_ledger_is_the_sum_of_what_supervisors_counted_to_one_sample_of_each_that_is_killed() -> None:
    _run()


def _count_what_is_repeated(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ledger, "difference", lambda reading, marks: reading)


def _mark_workers_by_their_index(patch: pytest.MonkeyPatch) -> None:
    """As if a new supervisor counted on from where the one before it had come."""
    reported, readings = ledger._reported, ledger._readings

    def by_place(seen: Observed, report: Report | None) -> list[ledger.ChildReading]:
        places = {} if report is None else {one.uid: f"worker {one.worker}" for one in report.energy}
        return [reading._replace(uid=places[reading.uid]) for reading in reported(seen, report)]

    def of_all(seen: Observed) -> list[ledger.ChildReading]:
        places = {child.uid: f"worker {child.worker}" for child in seen.children}
        return [reading._replace(uid=places.get(reading.uid, reading.uid)) for reading in readings(seen)]

    patch.setattr(ledger, "_reported", by_place)
    patch.setattr(ledger, "_readings", of_all)


def _adopt_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(decode, "to_reading", lambda left, now: None)


def _count_seconds_that_are_repeated(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(energy_causes, "above", lambda spent, mark: spent)


def _leave_nothing_before_the_end(patch: pytest.MonkeyPatch) -> None:
    leave = Supervised.leave
    patch.setattr(Supervised, "leave", lambda s, now, ending: None if ending is None else leave(s, now, ending))


def _take_no_tail_of_the_others(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ledger, "_readings", lambda seen: ledger._reported(seen, seen.report))


@pytest.mark.parametrize(
    "plant",
    [
        _count_what_is_repeated,
        _mark_workers_by_their_index,
        _adopt_nothing,
        _count_seconds_that_are_repeated,
        _leave_nothing_before_the_end,
        _take_no_tail_of_the_others,
    ],
    ids=lambda plant: plant.__name__[1:],
)
def test_a_ledger_that_loses_or_repeats_joules_is_found(plant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        _run(shrink=False)
