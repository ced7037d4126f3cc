"""The registry of sources, a source that a test adds, and the rule that one alone counts for a component at a time."""

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattrain_api.power_sources import COMPONENTS, CONTAINED_COMPONENTS, POWER_SOURCES, SOURCES
from wattrain_worker.power.meter import Energy
from wattrain_worker.power.power_source import PowerSource, Sample
from wattrain_worker.power.precedence import Precedence
from wattrain_worker.power.sources import RegisteredSource, registered_sources


def test_every_row_of_the_registry_has_its_source_in_the_same_order():
    assert tuple(found.name for found in registered_sources()) == SOURCES == ("nvml", "rapl", "model")
    for found in registered_sources():
        assert {"probe", "read", "close"} <= vars(found.source).keys()
        assert inspect.signature(found.source.read) == inspect.signature(PowerSource.read).replace(
            return_annotation=inspect.signature(found.source.read).return_annotation
        )


def test_components_are_those_that_some_source_accounts_for():
    assert {component for row in POWER_SOURCES for component in row.components} == set(COMPONENTS)
    assert {part for parts in CONTAINED_COMPONENTS.values() for part in parts} <= set(COMPONENTS)


def test_sources_tell_of_the_components_of_their_row_alone(machine, nvml, sampler, clock):
    machine.pod()
    machine.zone("intel-rapl:0", "package-0", 1000)
    machine.zone("intel-rapl:0/intel-rapl:0:1", "dram", 500)
    nvml.add("GPU-a")
    nvml.add("GPU-b", product="NVIDIA GH200 480GB")
    environ = {"WATTRAIN_MEMORY_REQUEST": str(64e9)}
    for row, found in zip(POWER_SOURCES, registered_sources(), strict=True):
        power = sampler(registered=[found], **environ)
        clock.advance(1)
        assert {reading.component for reading in power.readings()} == set(row.components)
        assert {reading.source for reading in power.readings()} == {row.name}


class WallPlug:
    """Ten lines: a meter in the wall socket that a file shows, in joules."""

    def __init__(self, file):
        self.file, self.last = file, (float(file.read_text()), None)

    @classmethod
    def probe(cls, machine):
        return cls(machine.root / "wall") if (machine.root / "wall").exists() else None

    def read(self, interval, answered):
        (before, since), self.last = self.last, (float(self.file.read_text()), interval.now_seconds)
        joules = self.last[0] - before
        return [Sample("cpu", Energy(joules, joules, joules), interval.since_seconds if since is None else since)]

    def close(self):
        pass


def test_a_source_that_is_added_counts_before_those_behind_it(machine, sampler, clock):
    machine.pod()
    wall = machine.write("wall", 100)
    power = sampler(registered=[RegisteredSource("wall", WallPlug), *registered_sources()])
    wall.write_text("130")
    clock.advance(1)
    (cpu,) = power.readings()
    assert (cpu.source, cpu.joules, cpu.watts) == ("wall", 30, 30)


def test_a_source_that_finds_nothing_to_read_leaves_the_component_to_the_next(machine, sampler, clock):
    machine.pod()
    power = sampler(registered=[RegisteredSource("wall", WallPlug), *registered_sources()])
    clock.advance(1)
    assert [reading.source for reading in power.readings()] == ["model"]


def test_a_source_that_comes_back_does_not_count_what_the_next_one_has_counted(machine, sampler, clock, said):
    machine.pod()
    wall = machine.write("wall", 100)
    power = sampler(registered=[RegisteredSource("wall", WallPlug), *registered_sources()], WATTRAIN_CPU_LIMIT="1")

    def joules_after(text):
        wall.write_text(text)
        clock.advance(1)
        return {reading.source: reading.joules for reading in power.readings()}

    assert joules_after("110") == {"wall": 10}
    assert joules_after("gone") == {"wall": 10, "model": pytest.approx(0.74)}
    assert joules_after("130") == {"wall": 10, "model": pytest.approx(2 * 0.74)}  # 20 J of two seconds, one modelled
    assert joules_after("140") == {"wall": 20, "model": pytest.approx(2 * 0.74)}
    assert said.getvalue().count("wall cannot measure now") == 1


def test_an_unknown_component_is_refused_and_said(machine, sampler, clock, said):
    class Strange(WallPlug):
        def read(self, interval, answered):
            return [Sample("fan", Energy(1.0, 1.0, 1.0), interval.since_seconds)]

    machine.pod()
    machine.write("wall", 0)
    power = sampler(registered=[RegisteredSource("strange", Strange), *registered_sources()])
    clock.advance(1)
    assert [reading.source for reading in power.readings()] == ["model"]
    assert "it reported fan; components are cpu, memory, gpu, module" in said.getvalue()


def test_a_source_whose_probe_fails_is_said_and_the_others_go_on(machine, sampler, clock, said):
    class Broken(WallPlug):
        @classmethod
        def probe(cls, machine):
            raise RuntimeError("no such bus")

    machine.pod()
    power = sampler(registered=[RegisteredSource("broken", Broken), *registered_sources()])
    clock.advance(1)
    assert [reading.source for reading in power.readings()] == ["model"]
    assert "broken cannot be used (RuntimeError: no such bus)" in said.getvalue()


def test_a_module_leaves_nothing_to_the_sources_of_its_cpu_and_memory():
    precedence = Precedence()
    one_joule = Energy(1.0, 1.0, 1.0)
    precedence.begin(1.0)
    precedence.offer("first", [Sample("module", one_joule, 0.0, "GPU-a")])
    precedence.offer("second", [Sample(component, one_joule, 0.0) for component in ("cpu", "memory", "gpu")])
    assert {(r.component, r.source) for r in precedence.readings()} == {("module", "first"), ("gpu", "second")}


def test_the_first_read_of_two_counters_begins_one_meter_alone():
    precedence = Precedence()
    precedence.begin(1.0)
    for source in ("first", "second"):
        precedence.offer(source, [Sample("cpu", Energy(0.0, 0.0, 0.0), 1.0)])
    assert [reading.source for reading in precedence.readings()] == ["first"]


answers = st.sampled_from(["reports", "holds", "is silent"])
parts = st.sampled_from(["cpu", "memory", "module"])


@given(
    steps=st.lists(st.tuples(st.floats(0.1, 10), st.lists(st.tuples(parts, answers), min_size=3, max_size=3))),
    rebases=st.lists(st.booleans(), min_size=3, max_size=3),
)
def test_no_second_of_a_component_is_ever_counted_twice(steps, rebases):
    """Three sources of 1 W each; some reach back to their last answer, others begin anew after a silence."""
    precedence = Precedence()
    last_answer: dict[tuple[int, str], float] = {}
    now = 0.0
    for elapsed, answered in steps:
        since, now = now, now + elapsed
        precedence.begin(now)
        for source, (component, answer) in enumerate(answered):
            begin = since if rebases[source] else last_answer.get((source, component), 0.0)
            if answer == "reports":
                last_answer[source, component] = now
                energy = Energy(now - begin, now - begin, now - begin)
                precedence.offer(str(source), [Sample(component, energy, begin)])
            elif answer == "holds":
                precedence.offer(str(source), [Sample(component, None, begin)])
    joules = dict.fromkeys(COMPONENTS, 0.0)
    for reading in precedence.readings():
        joules[reading.component] += reading.joules
    for component in ("cpu", "memory"):
        assert joules[component] + joules["module"] <= now * (1 + 1e-9)
