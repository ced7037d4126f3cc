"""The sampler as a whole: on this very machine, with threads, and with sources that fail."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from wattrain_api.power_model import CPU_FULL_WATTS, CPU_IDLE_WATTS
from wattrain_worker.power import PowerSampler
from wattrain_worker.power.power_notices import Notices
from wattrain_worker.power.power_sampler import FRESH_SECONDS

BURN = "import time\nwhile time.process_time() < 0.3: pass"


def wait_for(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        threading.Event().wait(0.02)
    return found


def open_descriptors():
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else None


def test_a_busy_child_raises_the_joules_above_those_of_idling(said):
    """A real process on a real machine: its 0.3 CPU seconds must be in the modelled joules."""
    environ = {"WATTRAIN_CPU_SCOPE": "process", "WATTRAIN_CPU_LIMIT": "1", "CUDA_VISIBLE_DEVICES": ""}
    power = PowerSampler.from_environment(list, environ, stream=said)
    begin = time.monotonic()
    power.start()
    try:
        with subprocess.Popen([sys.executable, "-c", BURN]) as child:
            assert child.wait(timeout=60) == 0
        wait_for(power.readings)
    finally:
        power.stop()
    elapsed = time.monotonic() - begin
    (cpu,) = power.readings()
    assert cpu.source in ("model", "rapl")
    if cpu.source == "model":
        idle_joules = CPU_IDLE_WATTS * elapsed
        assert cpu.joules > 0.25 * (CPU_FULL_WATTS - CPU_IDLE_WATTS)
        assert cpu.joules <= idle_joules + CPU_FULL_WATTS * elapsed * (os.cpu_count() or 1)  # our own threads count too
    assert 0 < cpu.low_joules < cpu.joules < cpu.high_joules
    assert cpu.watts > 0


def test_the_thread_samples_without_being_asked_and_ends(said):
    power = PowerSampler.from_environment(list, {"CUDA_VISIBLE_DEVICES": ""}, stream=said)
    power.start()
    wait_for(lambda: power._readings)
    power.stop()
    power.stop()
    assert not power._thread.is_alive()


def test_the_end_closes_every_file(machine, sampler):
    before = open_descriptors()
    if before is None:
        pytest.skip("this machine does not list open files")
    machine.pod()
    machine.zone("intel-rapl:0", "package-0", 1000)
    machine.zone("intel-rapl:1", "package-0", 1000)
    power = sampler()
    assert open_descriptors() == before + 4  # cpu.stat, /proc/stat and two zones
    power.stop()
    assert open_descriptors() == before


def test_after_the_end_the_readings_stay(machine, sampler, clock):
    machine.pod()
    power = sampler()
    clock.advance(5)
    power.stop()
    last = power.readings()
    assert last[0].joules > 0
    clock.advance(100)
    assert power.readings() == last


def test_a_fresh_sample_is_not_repeated(machine, sampler, clock):
    machine.pod()
    power = sampler()
    clock.advance(1)
    first = power.readings()
    clock.advance(FRESH_SECONDS / 2)
    assert power.readings() == first
    clock.advance(FRESH_SECONDS)
    assert power.readings()[0].joules > first[0].joules


def test_what_need_not_be_fresh_costs_no_sample_while_the_thread_takes_them(machine, sampler, clock, monkeypatch):
    monkeypatch.setattr("wattrain_worker.power.power_sampler.PERIOD_SECONDS", 600)
    machine.pod()
    power = sampler()
    clock.advance(1)
    first = power.readings()
    power.start()  # its first sample is taken at once
    clock.advance(2 * FRESH_SECONDS)
    with power._lock:  # and whoever asks waits for no source
        assert power.readings(fresh=False) == power._readings
    assert power.readings(fresh=False)[0].joules == first[0].joules
    assert power.readings()[0].joules > first[0].joules


def test_watts_are_a_mean_over_about_a_second(machine, sampler, clock):
    machine.pod(cpu_seconds=0)
    power = sampler(WATTRAIN_CPU_LIMIT="1")
    machine.pod(cpu_seconds=1)
    clock.advance(1)
    assert power.readings()[0].watts == pytest.approx(3.5)
    clock.advance(0.3)
    assert power.readings()[0].watts == pytest.approx(3.5)
    clock.advance(0.7)
    assert power.readings()[0].watts == pytest.approx(0.74)


def test_a_source_that_breaks_is_said_once_and_the_others_go_on(machine, nvml, sampler, clock, said):
    machine.pod()
    nvml.add("GPU-a")
    power = sampler()

    def explode(handle):
        raise RuntimeError("no such function")

    nvml.nvmlDeviceGetTotalEnergyConsumption = explode
    for _ in range(3):
        clock.advance(1)
        readings = power.readings()
    assert readings[0].joules == pytest.approx(3 * 8 * 0.74)
    assert said.getvalue().count("no such function") == 1


def test_a_source_that_hangs_does_not_hold_up_who_asks(machine, nvml, sampler, clock):
    machine.pod()
    gpu = nvml.add("GPU-a")
    power = sampler()
    clock.advance(1)
    before = power.readings()
    hanging, released = threading.Event(), threading.Event()

    def hang(handle):
        hanging.set()
        released.wait(20)
        return gpu.joules

    nvml.nvmlDeviceGetTotalEnergyConsumption = hang
    clock.advance(1)
    stuck = threading.Thread(target=power.readings)
    stuck.start()
    try:
        assert hanging.wait(20)
        assert power.readings() == before
    finally:
        released.set()
        stuck.join(20)


def test_many_threads_may_ask_at_once(machine, sampler, clock):
    machine.pod()
    power = sampler(WATTRAIN_CPU_LIMIT="1")
    seen = [[] for _ in range(4)]

    def ask(joules):
        for _ in range(50):
            clock.advance(0.5)
            joules += [r.joules for r in power.readings()]

    threads = [threading.Thread(target=ask, args=(joules,)) for joules in seen]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert all(joules == sorted(joules) and joules for joules in seen)


def test_without_a_thread_it_still_answers(machine, sampler, clock, said, monkeypatch):
    machine.pod()
    power = sampler()

    def refuse(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    power.start()
    clock.advance(1)
    assert power.readings()[0].joules > 0
    before = power.readings()[0].joules
    clock.advance(1)
    assert power.readings(fresh=False)[0].joules > before
    assert said.getvalue().count("can't start new thread") == 1


def test_a_closed_stream_is_no_error(said):
    said.close()
    Notices(said).once("topic", "message")


def test_what_a_process_used_before_its_first_sample_counts_by_the_model_where_counters_were_not_open(
    machine, clock, said
):
    """It started 10 s ago, and has used 9 CPU seconds: that is modelled. What comes then is measured."""
    machine.pod(cpu_seconds=9)
    machine.zone("intel-rapl:0", "package-0", 1000)
    machine.write("proc/self/stat", "1 (self) S 0 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 9000 0 0")
    machine.write("proc/uptime", "100.00 500.00")
    environ = {"WATTRAIN_CPU_LIMIT": "1"}
    counted = {}
    for since_process_start in (False, True):
        power = PowerSampler.from_environment(
            list, environ, machine.root, clock, said, since_process_start=since_process_start
        )
        counted[since_process_start] = sum(reading.joules for reading in power.readings())
    assert counted[False] == 0
    assert counted[True] >= CPU_IDLE_WATTS * 10 + 9 * (CPU_FULL_WATTS - CPU_IDLE_WATTS) - 1e-6
    assert {reading.source for reading in power.readings()} == {"model"}
    machine.zone("intel-rapl:0", "package-0", 1100)
    machine.pod(cpu_seconds=10)
    machine.node(busy_seconds=5, idle_seconds=5)
    clock.advance(10)
    cpu = {reading.source: reading.joules for reading in power.readings() if reading.component == "cpu"}
    assert cpu["rapl"] == pytest.approx(20)  # a fifth of 100 J
