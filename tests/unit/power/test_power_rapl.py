"""RAPL: zones, wrap-around, the worker's share and what happens where the counter may not be read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattrain_worker.power.sources import rapl_source, rapl_zones


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


def test_on_a_machine_memory_without_a_counter_is_modelled_by_the_share_of_cpu_time(
    machine, sampler, clock, monkeypatch
):
    monkeypatch.setattr("os.sysconf", lambda name: {"SC_CLK_TCK": 100, "SC_PAGE_SIZE": 1000}.get(name, 16_000_000))
    machine.zone("intel-rapl:0", "package-0", 1000)
    machine.process(77, 1)
    power = sampler(lambda: [77], WATTRAIN_CPU_SCOPE="process")
    machine.zone("intel-rapl:0", "package-0", 1100)
    machine.process(77, 1, own=2.5)
    machine.node(busy_seconds=10, idle_seconds=70)
    clock.advance(10)
    memory = next(r for r in power.readings() if r.component == "memory")
    assert memory.joules == pytest.approx(0.25 * 16 * 0.392 * 10)
    assert (memory.source, memory.low_joules) == ("model", 0)
    assert memory.high_joules == pytest.approx((10 + 16 * 0.625) * 10)
    machine.node(busy_seconds=20, idle_seconds=140)
    clock.advance(10)
    assert {r.component: r.watts for r in power.readings()} == {"cpu": 0, "memory": 0}  # it waits: 0 is known


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


def test_dies_that_show_one_counter_count_once(machine, sampler, clock):
    def write(joules):
        for die in (0, 1):
            machine.zone(f"intel-rapl:{die}", f"package-0-die-{die}", joules)
            machine.zone(f"intel-rapl:{die}/intel-rapl:{die}:0", "dram", joules / 10)

    machine.pod()
    write(1000)
    power = sampler()
    for turn in (1, 2):
        write(1000 + 100 * turn)
        machine.pod(cpu_seconds=turn)
        machine.node(busy_seconds=turn, idle_seconds=0)
        clock.advance(1)
        found = {r.component: r.joules for r in power.readings() if r.source == "rapl"}
        assert found == {"cpu": pytest.approx(100 * turn), "memory": pytest.approx(10 * turn)}


def test_dies_with_counters_of_their_own_are_added_even_where_they_begin_alike(machine, sampler, clock):
    machine.pod()
    for die in (0, 1):
        machine.zone(f"intel-rapl:{die}", f"package-0-die-{die}", 1000)
    power = sampler()
    machine.zone("intel-rapl:0", "package-0-die-0", 1010)
    machine.zone("intel-rapl:1", "package-0-die-1", 1020)
    machine.pod(cpu_seconds=1)
    machine.node(busy_seconds=1, idle_seconds=0)
    clock.advance(1)
    assert power.readings()[0].joules == pytest.approx(30)


def test_one_counter_under_two_paths_stays_one_when_it_begins_again_between_two_reads():
    between = rapl_zones.Package._lies_between
    assert between(999.9, 0.1, 0.3, 1000.0)
    assert between(500.0, 500.0, 500.0, 1000.0)
    assert not between(500.0, 510.0, 500.2, 1000.0)
    assert not between(500.0, 490.0, 500.2, 1000.0)


@pytest.mark.parametrize(
    ("watts", "gap_seconds"), [(100, 3600), (200, 3600), (20, 3600)], ids=["1 round", "2 rounds", "no round"]
)
def test_a_counter_that_went_round_in_a_long_gap_is_estimated_by_its_last_power_and_bounded(
    busy_pod, sampler, clock, watts, gap_seconds
):
    power = sampler()
    busy_pod.zone("intel-rapl:0", "package-0", 1000 + watts)
    busy_pod.run(own=1, busy=1, idle=0)
    clock.advance(1)
    assert power.readings()[0].joules == pytest.approx(watts)
    total = 1000 + watts + watts * gap_seconds
    busy_pod.zone("intel-rapl:0", "package-0", total % 262_143)
    busy_pod.run(own=gap_seconds, busy=gap_seconds, idle=0)
    clock.advance(gap_seconds)
    reading = power.readings()[0]
    assert reading.joules == pytest.approx(watts + watts * gap_seconds)
    assert reading.low_joules <= watts + watts * gap_seconds <= reading.high_joules
    assert reading.low_joules < 262_143 + watts
    assert reading.high_joules > 12 * 262_143  # 1000 W, the most that a package may draw, are 13.7 rounds


def test_two_packages_are_added(busy_pod, sampler, clock):
    busy_pod.zone("intel-rapl:1", "package-1", 1000)
    power = sampler()
    busy_pod.zone("intel-rapl:0", "package-0", 1010)
    busy_pod.zone("intel-rapl:1", "package-1", 1020)
    busy_pod.run(own=5)
    clock.advance(1)
    assert power.readings()[0].joules == pytest.approx(30)


def test_a_counter_that_may_not_be_read_leaves_the_model_and_is_said_once(busy_pod, sampler, clock, said, monkeypatch):
    class Refusing(rapl_zones.KeptFile):
        """Root may read everything, so that the mode of the file would not do in every test run."""

        def __init__(self, path):
            if path.name == "energy_uj":
                raise PermissionError(13, "Permission denied", str(path))
            super().__init__(path)

    monkeypatch.setattr(rapl_zones, "KeptFile", Refusing)
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
    readings = power.readings()
    by_source = {r.source: r.joules for r in readings}
    assert by_source == {"rapl": pytest.approx(100), "model": pytest.approx(0.74)}
    assert {r.source: r.watts for r in readings} == {"rapl": 0, "model": pytest.approx(0.74)}
    clock.advance(1)
    power.readings()
    assert said.getvalue().count("went away") == 1


finite = st.floats(0, 1e6, allow_nan=False)


@given(joules=finite, own=finite, busy=finite, idle=finite, reserved=st.floats(0, 1))
def test_a_share_never_exceeds_what_was_measured_and_lies_within_its_bounds(joules, own, busy, idle, reserved):
    energy = rapl_source.attribute(joules, own, busy, idle, reserved)
    assert 0 <= energy.low <= energy.joules <= energy.high <= joules * (1 + 1e-9)


@given(busy=st.floats(0.01, 1e6), idle=finite, cut=st.floats(0, 1))
def test_shares_of_workers_add_up_to_the_whole(busy, idle, cut):
    parts = [rapl_source.attribute(100.0, own, busy, idle, 0.5).joules for own in (cut * busy, (1 - cut) * busy)]
    assert sum(parts) == pytest.approx(100.0)
