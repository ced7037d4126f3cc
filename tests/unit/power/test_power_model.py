"""The model as a source, and what it takes from environment and cgroup."""

import pytest

from wattrain_api.power_sources import COMPONENTS, SOURCES


def test_a_pod_is_modelled_from_its_cgroup_and_its_requests(machine, sampler, clock):
    machine.pod(cpu_seconds=5)
    power = sampler(WATTRAIN_CPU_LIMIT="2", WATTRAIN_MEMORY_REQUEST=str(10e9))
    machine.pod(cpu_seconds=15)
    clock.advance(10)
    cpu, memory = power.readings()
    assert (cpu.component, cpu.device, cpu.source) == ("cpu", "", "model")
    assert cpu.watts == pytest.approx(2 * (0.74 + 0.5 * 2.76))
    assert cpu.joules == pytest.approx(10 * cpu.watts)
    assert cpu.low_joules == pytest.approx(10 * 1.27)
    assert cpu.high_joules == pytest.approx(10 * (2 * 1.67 + 6.09) + 10 * (10 + 10 * 0.625 - 2 * 0.392))
    assert (memory.component, memory.source) == ("memory", "model")
    assert memory.joules == pytest.approx(10 * 2 * 0.392)


@pytest.mark.parametrize(
    ("environ", "cpus"),
    [({"WATTRAIN_CPU_LIMIT": "3.5"}, 3.5), ({}, 1.5), ({"WATTRAIN_CPU_LIMIT": "two"}, 1.5)],
    ids=["from the environment", "from the quota", "from the quota where the environment is wrong"],
)
def test_cpus_come_from_the_environment_or_the_quota(machine, sampler, clock, environ, cpus):
    machine.pod()
    machine.write("sys/fs/cgroup/cpu.max", "150000 100000")
    power = sampler(**environ)
    clock.advance(1)
    assert power.readings()[0].watts == pytest.approx(cpus * 0.74)


def test_without_limit_and_quota_all_cpus_count(machine, sampler, clock):
    machine.pod()
    machine.write("sys/fs/cgroup/cpu.max", "max 100000")
    power = sampler()
    clock.advance(1)
    assert power.readings()[0].watts == pytest.approx(8 * 0.74)


def test_a_wrong_value_is_said_once_with_its_name_and_the_remedy(machine, sampler, said):
    machine.pod()
    sampler(WATTRAIN_CPU_LIMIT="two", WATTRAIN_MEMORY_REQUEST="-1", WATTRAIN_CPU_SCOPE="node")
    lines = said.getvalue().splitlines()
    assert len(lines) == 3
    assert any("WATTRAIN_CPU_LIMIT is 'two': write a number above 0" in line for line in lines)
    assert any("WATTRAIN_CPU_SCOPE is 'node': write cgroup or process" in line for line in lines)


def test_without_any_cpu_time_the_cpus_count_as_half_busy_and_it_is_said(machine, sampler, clock, said, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    (machine.root / "proc/self/stat").unlink()
    power = sampler(WATTRAIN_CPU_LIMIT="1")
    clock.advance(1)
    assert power.readings()[0].watts == pytest.approx(0.74 + 0.5 * 2.76)
    assert "nothing reports CPU time" in said.getvalue()


def test_components_and_sources_are_those_that_the_metrics_know(machine, nvml, sampler, clock):
    machine.pod()
    nvml.add("GPU-a")
    power = sampler(WATTRAIN_MEMORY_REQUEST=str(64e9))
    clock.advance(1)
    readings = power.readings()
    assert len(readings) == 3
    assert {r.component for r in readings} <= set(COMPONENTS)
    assert {r.source for r in readings} <= set(SOURCES)
