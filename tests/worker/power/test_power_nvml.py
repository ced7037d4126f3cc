"""GPUs: whose they are, what their counters say, and what happens when a driver misbehaves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattrain_worker.power import nvml as gpus
from wattrain_worker.power.notices import Notices
from wattrain_worker.power.settings import visible_gpus


@pytest.fixture
def gpu_joules(machine, nvml, sampler, clock):
    """Makes a sampler in a pod and a function that lets 10 s pass and tells joules by UUID."""
    machine.pod()

    def make(pids=list, **environ):
        power = sampler(pids, **environ)

        def after(seconds=10.0):
            clock.advance(seconds)
            found = [r for r in power.readings() if r.source == "nvml"]
            assert len({r.device for r in found}) == len(found), "a GPU is there twice"
            return {r.device: r.joules for r in found}

        return after

    return make


def test_the_energy_counter_is_counted_from_the_start(nvml, sampler, machine, clock):
    machine.pod()
    gpu = nvml.add("GPU-a", joules=5000.0)
    power = sampler()
    gpu.joules = 8000.0
    clock.advance(10)
    reading = power.readings()[-1]
    assert (reading.component, reading.device, reading.source) == ("gpu", "GPU-a", "nvml")
    assert reading.joules == pytest.approx(3000)
    assert reading.watts == pytest.approx(300)
    assert (reading.low_joules, reading.high_joules) == pytest.approx((2850, 3150))


def test_a_gpu_without_a_counter_is_integrated_from_its_power(nvml, gpu_joules):
    gpu = nvml.add("GPU-a", joules=None, watts=100.0)
    after = gpu_joules()
    gpu.watts = 300.0
    assert after(2)["GPU-a"] == pytest.approx(400)
    assert after(1)["GPU-a"] == pytest.approx(700)


def test_a_gpu_that_tells_neither_is_not_invented(nvml, gpu_joules, said):
    nvml.add("GPU-a", joules=None, watts=None)
    after = gpu_joules()
    assert after() == {}
    assert after() == {}
    assert said.getvalue().count("GPU-a does not tell its energy") == 1


def test_a_reset_of_the_driver_begins_anew_and_keeps_the_joules(nvml, gpu_joules):
    gpu = nvml.add("GPU-a", joules=5000.0)
    after = gpu_joules()
    gpu.joules = 6000.0
    assert after()["GPU-a"] == pytest.approx(1000)
    gpu.joules = 10.0
    assert after()["GPU-a"] == pytest.approx(1000)
    gpu.joules = 110.0
    assert after()["GPU-a"] == pytest.approx(1100)


def test_a_gpu_that_is_lost_for_a_while_catches_up(nvml, gpu_joules, said):
    gpu = nvml.add("GPU-a", joules=5000.0)
    after = gpu_joules()
    gpu.broken = True
    assert after()["GPU-a"] == 0
    gpu.broken, gpu.joules = False, 7000.0
    assert after()["GPU-a"] == pytest.approx(2000)
    assert said.getvalue().count("GPU is lost") == 1


def test_more_than_the_power_limit_allows_is_left_out_and_said(nvml, gpu_joules, said):
    gpu = nvml.add("GPU-a", joules=0.0, limit_watts=100.0)
    after = gpu_joules()
    gpu.joules = 1600.0
    assert after(10)["GPU-a"] == 0
    gpu.joules = 2600.0
    assert after(10)["GPU-a"] == pytest.approx(1000)
    assert said.getvalue().count("more than it can draw") == 1


@pytest.mark.parametrize(
    ("environ", "counted"),
    [
        ({}, ["GPU-aa1", "GPU-ab2", "GPU-c3"]),
        ({"CUDA_VISIBLE_DEVICES": "0,2"}, ["GPU-aa1", "GPU-c3"]),
        ({"CUDA_VISIBLE_DEVICES": "1,1,GPU-ab2"}, ["GPU-ab2"]),
        ({"CUDA_VISIBLE_DEVICES": "GPU-aa,GPU-c3"}, ["GPU-aa1", "GPU-c3"]),
        ({"CUDA_VISIBLE_DEVICES": "GPU-a"}, []),
        ({"CUDA_VISIBLE_DEVICES": "2,-1,0"}, ["GPU-c3"]),
        ({"CUDA_VISIBLE_DEVICES": ""}, []),
        ({"CUDA_VISIBLE_DEVICES": "7"}, []),
        ({"NVIDIA_VISIBLE_DEVICES": "GPU-ab2"}, ["GPU-ab2"]),
        ({"NVIDIA_VISIBLE_DEVICES": "none"}, []),
        ({"NVIDIA_VISIBLE_DEVICES": "void"}, ["GPU-aa1", "GPU-ab2", "GPU-c3"]),
        ({"NVIDIA_VISIBLE_DEVICES": "5"}, ["GPU-aa1", "GPU-ab2", "GPU-c3"]),
    ],
    ids=str,
)
def test_only_the_workers_own_gpus_count_each_once(nvml, gpu_joules, environ, counted):
    for uuid in ("GPU-aa1", "GPU-ab2", "GPU-c3"):
        nvml.add(uuid)
    assert sorted(gpu_joules(**environ)()) == counted


def test_an_index_is_not_trusted_where_unlike_gpus_may_be_ordered_differently(nvml, gpu_joules, said):
    nvml.add("GPU-a", product="NVIDIA T4")
    nvml.add("GPU-b", product="NVIDIA H100")
    assert gpu_joules(CUDA_VISIBLE_DEVICES="0")() == {}
    assert "CUDA_DEVICE_ORDER=PCI_BUS_ID" in said.getvalue()
    assert set(gpu_joules(CUDA_VISIBLE_DEVICES="0", CUDA_DEVICE_ORDER="PCI_BUS_ID")()) == {"GPU-a"}
    assert set(gpu_joules(CUDA_VISIBLE_DEVICES="1,0")()) == {"GPU-a", "GPU-b"}


@pytest.mark.parametrize("environ", [{}, {"NVIDIA_VISIBLE_DEVICES": "MIG-1"}], ids=str)
def test_slices_of_a_gpu_are_skipped_with_one_message(nvml, gpu_joules, said, environ):
    nvml.add("GPU-a", mig=True)
    nvml.add("GPU-b", mig=True)
    assert gpu_joules(**environ)() == {}
    assert said.getvalue().count("MIG slices") == 1


def test_a_module_counts_its_cpu_once(nvml, machine, sampler, clock):
    machine.pod()
    gpu = nvml.add("GPU-a", product="NVIDIA GH200 480GB")
    power = sampler()
    gpu.joules += 500
    clock.advance(1)
    assert [(r.component, r.joules) for r in power.readings()] == [("module", pytest.approx(500))]


def test_by_process_a_gpu_counts_as_far_as_the_workers_processes_use_it(nvml, machine, gpu_joules):
    machine.process(77, 1, own=1)
    gpu = nvml.add("GPU-a", joules=0.0)
    after = gpu_joules(lambda: [77], WATTRAIN_CPU_SCOPE="process")
    gpu.joules = 1000.0
    assert after()["GPU-a"] == 0
    gpu.joules, gpu.users = 2000.0, (77,)
    assert after()["GPU-a"] == pytest.approx(1000)
    gpu.joules, gpu.users = 3000.0, (77, 4242)
    assert after()["GPU-a"] == pytest.approx(1500)


def test_the_library_is_shut_down_at_the_end(nvml, machine, sampler):
    machine.pod()
    power = sampler()
    power.stop()
    assert nvml.shut_down


def test_a_library_that_fails_leaves_the_cpu(nvml, machine, sampler, clock, said):
    machine.pod()
    machine.write("dev/nvidiactl", "")

    def fail():
        raise nvml.NVMLError("Driver/library version mismatch")

    nvml.nvmlInit = fail
    power = sampler()
    clock.advance(1)
    assert [r.component for r in power.readings()] == ["cpu"]
    assert said.getvalue().count("version mismatch") == 1


@given(steps=st.lists(st.tuples(st.floats(0, 1e7), st.floats(0.01, 100), st.booleans()), max_size=20))
def test_whatever_a_counter_says_joules_never_fall(steps, make_nvml, quiet):
    nvml = make_nvml()
    gpu = nvml.add("GPU-a")
    (meter,) = gpus.find(nvml, None, False, Notices(quiet), lambda: 0.0)
    now, last = 0.0, (0.0, 0.0, 0.0)
    for joules, elapsed, broken in steps:
        now += elapsed
        gpu.joules, gpu.broken = joules, broken
        meter.update(now, None)
        for reading in meter.readings():
            totals = (reading.low_joules, reading.joules, reading.high_joules)
            assert all(new >= old for new, old in zip(totals, last, strict=True))
            assert totals == tuple(sorted(totals))
            last = totals


def test_visible_gpus_of_cuda_win_over_those_of_the_runtime():
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": "1", "NVIDIA_VISIBLE_DEVICES": "GPU-a"}) == ("1",)


def test_the_fake_has_no_function_that_the_real_library_lacks(make_nvml):
    pynvml = pytest.importorskip("pynvml")
    used = [name for name in vars(make_nvml) if name.lower().startswith("nvml")]
    assert len(used) == 13
    assert [name for name in used if not hasattr(pynvml, name)] == []
