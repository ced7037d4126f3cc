"""RAPL: zones, wrap-around, the worker's share and what happens where the counter may not be read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattrain_worker.power import rapl


@pytest.fixture
def busy_pod(machine):
    """A pod on a machine with one package; `run` lets time pass: the machine 5 s busy and 5 s idle, the pod 1 s."""
    machine.pod(cpu_seconds=0)
    machine.zone("intel-rapl:0", "package-0", 1000)

    def run(own=1.0, busy=5.0, idle=5.0):
        machine.pod(cpu_seconds=own)
        machine.node(busy_seconds=busy, idle_seconds=idle)

    machine.run = run
    return machine


def test_the_share_is_by_cpu_time_with_and_without_idling(busy_pod, sampler, clock):
    power = sampler(WATTRAIN_CPU_LIMIT="4")
    busy_pod.zone("intel-rapl:0", "package-0", 1100)
    busy_pod.run()
    clock.advance(10)
    (cpu,) = power.readings()
    assert (cpu.component, cpu.source) == ("cpu", "rapl")
    assert cpu.joules == pytest.approx(20)  # a fifth of 100 J
    assert cpu.watts == pytest.approx(2)
    assert cpu.low_joules == pytest.approx(10)  # of the half that was active
    assert cpu.high_joules == pytest.approx(35)  # that and, of the idle half, 4 CPUs of 8


def test_a_counter_that_wraps_goes_on(busy_pod, sampler, clock):
    busy_pod.zone("intel-rapl:0", "package-0", 990, range_joules=1000)
    power = sampler()
    busy_pod.zone("intel-rapl:0", "package-0", 40, range_joules=1000)
    busy_pod.run(own=5)
    clock.advance(1)
    assert power.readings()[0].joules == pytest.approx(50)


def test_more_than_a_processor_can_draw_is_left_out_and_said(busy_pod, sampler, clock, said):
    power = sampler()
    busy_pod.zone("intel-rapl:0", "package-0", 200_000)
    busy_pod.run(own=5)
    clock.advance(1)
    assert power.readings()[0].joules == 0
    busy_pod.zone("intel-rapl:0", "package-0", 200_030)
    busy_pod.run(own=10, busy=10, idle=10)
    clock.advance(1)
    assert power.readings()[0].joules == pytest.approx(30)
    assert said.getvalue().count("more than a CPU can draw") == 1


def test_memory_is_measured_where_it_has_a_zone_and_modelled_where_not(busy_pod, sampler, clock):
    environ = {"WATTRAIN_MEMORY_REQUEST": str(10e9)}
    modelled = sampler(**environ)
    busy_pod.zone("intel-rapl:0/intel-rapl:0:1", "dram", 500)
    measured = sampler(**environ)
    busy_pod.zone("intel-rapl:0/intel-rapl:0:1", "dram", 510)
    busy_pod.run(own=5)
    clock.advance(10)
    assert {(r.component, r.source): r.joules for r in measured.readings()} == {
        ("cpu", "rapl"): 0,
        ("memory", "rapl"): pytest.approx(10),
    }
    assert {r.source: r.joules for r in modelled.readings() if r.component == "memory"} == {
        "model": pytest.approx(10 * 10 * 0.392)  # the whole request: a package's counter holds no memory
    }


def test_overlapping_and_mirrored_zones_are_counted_once(busy_pod, sampler, clock):
    def write(joules):
        busy_pod.zone("intel-rapl:0", "package-0", joules)
        busy_pod.zone("intel-rapl:0/intel-rapl:0:0", "core", joules)
        busy_pod.zone("intel-rapl:0/intel-rapl:0:2", "uncore", joules)
        busy_pod.zone("intel-rapl:1", "psys", 3 * joules)
        busy_pod.zone("intel-rapl:2", "package-0", joules + 0.001)  # the same counter, read a moment later
        busy_pod.zone("intel-rapl-mmio:0", "package-0", joules)

    write(1000)
    power = sampler()
    write(1100)
    busy_pod.run(own=5)
    clock.advance(1)
    assert power.readings()[0].joules == pytest.approx(100)


def test_two_packages_are_added(busy_pod, sampler, clock):
    busy_pod.zone("intel-rapl:1", "package-1", 1000)
    power = sampler()
    busy_pod.zone("intel-rapl:0", "package-0", 1010)
    busy_pod.zone("intel-rapl:1", "package-1", 1020)
    busy_pod.run(own=5)
    clock.advance(1)
    assert power.readings()[0].joules == pytest.approx(30)


def test_a_counter_that_may_not_be_read_leaves_the_model_and_is_said_once(busy_pod, sampler, clock, said, monkeypatch):
    class Refusing(rapl.KeptFile):
        """Root may read everything, so that the mode of the file would not do in every test run."""

        def __init__(self, path):
            if path.name == "energy_uj":
                raise PermissionError(13, "Permission denied", str(path))
            super().__init__(path)

    monkeypatch.setattr(rapl, "KeptFile", Refusing)
    power = sampler(WATTRAIN_CPU_LIMIT="1")
    clock.advance(1)
    assert [r.source for r in power.readings()] == ["model"]
    assert said.getvalue().count("Permission denied") == 1


def test_a_counter_that_goes_away_is_followed_by_the_model_and_keeps_its_joules(busy_pod, sampler, clock, said):
    power = sampler(WATTRAIN_CPU_LIMIT="1")
    busy_pod.zone("intel-rapl:0", "package-0", 1100)
    busy_pod.run(own=5)
    clock.advance(1)
    power.readings()
    busy_pod.write("sys/class/powercap/intel-rapl:0/energy_uj", "")
    clock.advance(1)
    by_source = {r.source: r.joules for r in power.readings()}
    assert by_source == {"rapl": pytest.approx(100), "model": pytest.approx(0.74)}
    clock.advance(1)
    power.readings()
    assert said.getvalue().count("went away") == 1


finite = st.floats(0, 1e6, allow_nan=False)


@given(joules=finite, own=finite, busy=finite, idle=finite, reserved=st.floats(0, 1))
def test_a_share_never_exceeds_what_was_measured_and_lies_within_its_bounds(joules, own, busy, idle, reserved):
    energy = rapl.attribute(joules, own, busy, idle, reserved)
    assert 0 <= energy.low <= energy.joules <= energy.high <= joules * (1 + 1e-9)


@given(busy=st.floats(0.01, 1e6), idle=finite, cut=st.floats(0, 1))
def test_shares_of_workers_add_up_to_the_whole(busy, idle, cut):
    parts = [rapl.attribute(100.0, own, busy, idle, 0.5).joules for own in (cut * busy, (1 - cut) * busy)]
    assert sum(parts) == pytest.approx(100.0)
