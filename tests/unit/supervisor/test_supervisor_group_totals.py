"""Sums over a group: a shared GPU once, power of those that are heard of, gaps of all."""

from __future__ import annotations

from wattrain_api.contract.group_exchange import MemberMessage, MemberReport, MemberState
from wattrain_api.contract.progress import EnergyGap, PowerReading
from wattrain_worker.supervisor.coordinator import Coordinator
from wattrain_worker.supervisor.group_totals import Totals

CPU = PowerReading("cpu", "model", 10.0, 5.0, 20.0, watts=2.0, device="")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def gpu(joules: float, device: str = "GPU-a", *, divided: bool | None = None) -> PowerReading:
    return PowerReading("gpu", "nvml", joules, 0.0, joules, watts=100.0, device=device, divided=divided)


def test_a_gpu_that_two_workers_count_whole_is_counted_once_in_every_sum() -> None:
    totals = Totals(Clock())
    totals.update(0, MemberReport(power=(CPU, gpu(1000.0))))
    totals.update(1, MemberReport(power=(CPU, gpu(990.0), gpu(300.0, "GPU-b"))))
    assert totals.joules == 10 + 10 + 1000 + 300
    assert totals.watts == 2 + 2 + 100 + 100
    progress = totals.progress(())
    assert [worker.joules for worker in progress.workers] == [1010.0, 310.0]
    assert {reading.component: reading.joules for reading in progress.energy} == {"cpu": 20.0, "gpu": 1300.0}
    assert (totals.counted_elsewhere(0), totals.counted_elsewhere(1)) == ((), ("GPU-a",))


def test_a_worker_that_leaves_a_gpu_out_stays_told_to() -> None:
    totals = Totals(Clock())
    totals.update(0, MemberReport(power=(gpu(1000.0),)))
    totals.update(1, MemberReport(power=(gpu(990.0),)))
    totals.update(1, MemberReport(power=(CPU,)))
    totals.update(1, MemberReport(power=(CPU, gpu(2000.0))))
    assert totals.counted_elsewhere(1) == ("GPU-a",)
    assert totals.joules == 1010.0


def test_shares_of_a_gpu_add_up() -> None:
    totals = Totals(Clock())
    totals.update(0, MemberReport(power=(gpu(500.0, divided=True),)))
    totals.update(1, MemberReport(power=(gpu(400.0, divided=True),)))
    assert (totals.joules, totals.counted_elsewhere(1)) == (900.0, ())


def test_the_power_of_a_worker_that_is_not_heard_of_is_not_known_and_its_joules_stay() -> None:
    clock = Clock()
    totals = Totals(clock, stale_seconds=2.0)
    totals.update(0, MemberReport(power=(CPU,)))
    totals.update(1, MemberReport(power=(CPU,)))
    clock.now = 2.5
    totals.update(0, MemberReport(power=(CPU,)))
    progress = totals.progress(())
    assert (totals.watts, progress.watts, totals.joules) == (None, None, 20.0)
    assert [worker.watts for worker in progress.workers] == [2.0, None]
    totals.update(1, MemberReport(power=(CPU,)))
    assert totals.watts == 4.0


def test_gaps_of_all_workers_are_told_once_each() -> None:
    totals = Totals(Clock())
    gap = EnergyGap("gpu", "a GPU is cut into MIG slices")
    for worker in range(3):
        totals.update(worker, MemberReport(uncounted=(gap,)))
    totals.update(1, MemberReport(uncounted=(gap, EnergyGap("gpu", "no counter"))))
    assert [found.reason for found in totals.progress(()).uncounted] == ["a GPU is cut into MIG slices", "no counter"]


def test_the_coordinator_tells_a_member_what_another_one_counts() -> None:
    coordinator = Coordinator(2, 1, lambda: 1)

    def exchange(worker: int) -> tuple[str, ...]:
        report = MemberReport(power=(gpu(10.0),))
        return coordinator.exchange(MemberMessage(worker, MemberState.WAITING, report)).counted_elsewhere

    assert (exchange(0), exchange(1), exchange(0)) == ((), ("GPU-a",), ())
