"""GPUs: whose they are, what their counters say, and what happens when a driver misbehaves."""

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattrain_worker.power.gaps import Gaps
from wattrain_worker.power.power_notices import Notices
from wattrain_worker.power.power_settings import PowerSettings
from wattrain_worker.power.power_source import Interval, Machine
from wattrain_worker.power.precedence import Precedence
from wattrain_worker.power.sources.nvml_devices import Device, visible_gpus
from wattrain_worker.power.sources.nvml_gpu import Gpu


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
    assert (reading.low_joules, reading.high_joules) == pytest.approx((1950, 4050))


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
    assert said.getvalue().count("GPU-a does not report its energy") == 1


def test_a_reset_of_the_driver_begins_anew_and_keeps_the_joules(nvml, gpu_joules):
    gpu = nvml.add("GPU-a", joules=5000.0)
    after = gpu_joules()
    gpu.joules = 6000.0
    assert after()["GPU-a"] == pytest.approx(1000)
    gpu.joules = 10.0
    assert after()["GPU-a"] == pytest.approx(1000)
    gpu.joules = 110.0
    assert after()["GPU-a"] == pytest.approx(1100)


def test_what_a_reset_of_the_driver_has_lost_widens_the_high_bound(nvml, machine, sampler, clock):
    machine.pod()
    gpu = nvml.add("GPU-a", joules=5000.0, limit_watts=100.0)
    power = sampler()
    gpu.joules = 10.0
    clock.advance(10)
    reading = power.readings()[-1]
    assert (reading.joules, reading.low_joules) == (0, 0)
    assert reading.high_joules == pytest.approx(1000, rel=0.05)


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


@pytest.mark.parametrize("uuids", [["GPU-a"], []], ids=["one GPU", "no GPU"])
def test_the_library_is_shut_down_at_the_end_or_at_once_where_there_is_no_gpu(nvml, machine, sampler, uuids):
    machine.pod()
    for uuid in uuids:
        nvml.add(uuid)
    power = sampler()
    assert nvml.shut_down == (not uuids)
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
    settings = PowerSettings("cgroup", 1.0, 1, 0.0)
    machine = Machine(Path("/nowhere"), {}, settings, True, Notices(quiet), Gaps(), devices_are_given=True)
    counter, precedence = Gpu(nvml, Device(0, "GPU-a", gpu.product, partitioned=False), machine), Precedence()
    now, last = 0.0, (0.0, 0.0, 0.0)
    for joules, elapsed, broken in steps:
        since, now = now, now + elapsed
        gpu.joules, gpu.broken = joules, broken
        sample = counter.read(Interval(since, now, None, None))
        precedence.begin(now)
        precedence.offer("nvml", [] if sample is None else [sample])
        for reading in precedence.readings():
            totals = (reading.low_joules, reading.joules, reading.high_joules)
            assert all(new >= old for new, old in zip(totals, last, strict=True))
            assert totals == tuple(sorted(totals))
            last = totals


def test_visible_gpus_of_cuda_win_over_those_of_the_runtime():
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": "1", "NVIDIA_VISIBLE_DEVICES": "GPU-a"}) == ("1",)


def test_the_fake_has_no_function_that_the_real_library_lacks(make_nvml):
    pynvml = pytest.importorskip("pynvml")
    used = [name for name in vars(make_nvml) if name.lower().startswith("nvml")]
    assert len(used) == 16
    assert [name for name in used if not hasattr(pynvml, name)] == []


@pytest.fixture
def readings_of(machine, nvml, sampler, clock):
    """Makes a sampler, lets a GPU count 1,000 J in 10 s, and answers its reading and the sampler."""

    def measure(gpu, pids=list, **environ):
        power = sampler(pids, **environ)
        gpu.joules += 1000
        clock.advance(10)
        return next((r for r in power.readings() if r.source == "nvml"), None), power

    return measure


@pytest.mark.parametrize("scope", ["cgroup", "process"])
def test_processes_of_another_pid_namespace_leave_the_whole_gpu_with_low_0(nvml, machine, readings_of, said, scope):
    machine.pod()
    machine.process(77, 1)
    reading, _ = readings_of(nvml.add("GPU-a", users=(1_234_567,)), lambda: [77], WATTRAIN_CPU_SCOPE=scope)
    assert (reading.joules, reading.low_joules, reading.divided) == (1000, 0, False)
    assert reading.high_joules > 1000
    assert said.getvalue().count("another PID namespace") == 1


def test_a_container_whose_driver_names_no_process_counts_the_gpu_with_low_0(nvml, machine, readings_of):
    machine.process(77, 1)
    link = machine.write("proc/self/ns/pid", "")
    link.unlink()
    link.symlink_to("pid:[4026532584]")
    reading, _ = readings_of(nvml.add("GPU-a", users=()), lambda: [77], WATTRAIN_CPU_SCOPE="process")
    assert (reading.joules, reading.low_joules) == (1000, 0)


def test_on_the_machine_itself_a_gpu_that_nobody_computes_on_is_not_the_workers(nvml, machine, readings_of):
    machine.process(77, 1)
    link = machine.write("proc/self/ns/pid", "")
    link.unlink()
    link.symlink_to("pid:[4026531836]")
    reading, _ = readings_of(nvml.add("GPU-a", users=()), lambda: [77], WATTRAIN_CPU_SCOPE="process")
    assert (reading.joules, reading.high_joules) == (0, 0)


def test_a_gpu_that_does_not_tell_its_users_is_bounded(nvml, machine, readings_of, said):
    machine.pod()
    reading, _ = readings_of(nvml.add("GPU-a", users=None))
    assert (reading.joules, reading.low_joules) == (1000, 0)
    assert "does not report who uses it" in said.getvalue()


def test_in_a_cgroup_a_gpu_that_others_share_is_divided(nvml, machine, readings_of):
    machine.pod()
    machine.write("sys/fs/cgroup/cgroup.procs", "77\n0")
    machine.write("sys/fs/cgroup/ranks/cgroup.procs", "78")
    for pid in (77, 78, 4242):
        machine.process(pid, 1)
    reading, _ = readings_of(nvml.add("GPU-a", users=(77, 78, 4242, 4243)))
    assert (reading.joules, reading.low_joules, reading.divided) == (500, 0, True)
    assert reading.high_joules > 1000


def test_a_power_limit_that_is_raised_later_leaves_nothing_out(nvml, gpu_joules, said):
    gpu = nvml.add("GPU-a", joules=0.0, limit_watts=100.0, most_watts=700.0)
    after = gpu_joules()
    gpu.limit_watts, gpu.joules = 650.0, 6500.0
    assert after(10)["GPU-a"] == pytest.approx(6500)
    assert "more than it can draw" not in said.getvalue()


def test_a_limit_is_read_again_where_the_driver_tells_no_constraints(nvml, gpu_joules):
    gpu = nvml.add("GPU-a", joules=0.0, limit_watts=100.0)

    def fail(handle):
        raise nvml.NVMLError("Not Supported")

    nvml.nvmlDeviceGetPowerManagementLimitConstraints = fail
    after = gpu_joules()
    gpu.limit_watts, gpu.joules = 650.0, 6500.0
    assert after(10)["GPU-a"] == pytest.approx(6500)


@pytest.mark.parametrize(("architecture", "error"), [(2, 0.05), (9, 0.35), (None, 0.35)], ids=["Kepler", "Hopper", "?"])
def test_five_percent_are_the_bound_of_the_gpus_that_nvidia_states_them_for(
    nvml, machine, readings_of, architecture, error
):
    machine.pod()
    reading, _ = readings_of(nvml.add("GPU-a", architecture=architecture))
    assert (reading.low_joules, reading.high_joules) == pytest.approx((1000 * (1 - error), 1000 * (1 + error)))


def test_what_is_left_out_widens_the_high_bound(nvml, machine, sampler, clock):
    machine.pod()
    gpu = nvml.add("GPU-a", joules=0.0, limit_watts=100.0)
    power = sampler()
    gpu.joules = 1e6
    clock.advance(10)
    reading = power.readings()[-1]
    assert (reading.joules, reading.low_joules) == (0, 0)
    assert reading.high_joules == pytest.approx(100 * 10, rel=0.05)


@pytest.mark.parametrize(
    ("gpu", "reason"),
    [
        ({"mig": True}, "MIG slices"),
        ({"joules": None, "watts": None}, "neither its energy nor its power"),
    ],
    ids=["MIG", "no counter"],
)
def test_a_gpu_that_cannot_be_counted_makes_the_figure_incomplete(nvml, machine, sampler, clock, gpu, reason):
    machine.pod()
    nvml.add("GPU-a", **gpu)
    nvml.add("GPU-b", **gpu)
    power = sampler()
    clock.advance(1)
    power.readings()
    [gap] = power.uncounted()
    assert gap.component == "gpu"
    assert reason in gap.reason


def test_a_worker_without_gpus_of_its_own_is_complete_beside_gpus_that_cannot_be_counted(nvml, machine, sampler):
    machine.pod()
    nvml.add("GPU-a", mig=True)
    assert sampler(CUDA_VISIBLE_DEVICES="").uncounted() == ()


def test_on_a_machine_a_gpu_that_cannot_be_counted_is_a_gap_once_the_worker_uses_it(nvml, machine, sampler, clock):
    machine.process(77, 1)
    nvml.add("GPU-a", mig=True)
    power = sampler(lambda: [77], WATTRAIN_CPU_SCOPE="process")
    assert power.uncounted() == ()
    (machine.root / "proc/77/fd").mkdir()
    (machine.root / "proc/77/fd/9").symlink_to("/dev/nvidia0")
    clock.advance(1)
    power.readings()
    assert [gap.component for gap in power.uncounted()] == ["gpu"]


def test_a_gpu_without_a_package_to_ask_it_is_a_gap(nvml, machine, sampler, monkeypatch):
    machine.pod()
    machine.write("dev/nvidiactl", "")
    make = sampler
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert [gap.component for gap in make().uncounted()] == ["gpu"]
    assert make(NVIDIA_VISIBLE_DEVICES="none").uncounted() == ()


def test_an_amd_gpu_that_is_given_to_the_worker_is_a_gap(machine, sampler):
    machine.pod()
    machine.write("dev/kfd", "")
    assert ["AMD" in gap.reason for gap in sampler().uncounted()] == [True]


def test_a_gpu_that_answers_no_more_is_a_gap_after_a_while_and_none_when_it_has_caught_up(
    nvml, machine, sampler, clock
):
    machine.pod()
    gpu = nvml.add("GPU-a", joules=0.0)
    power = sampler()
    gpu.broken = True
    clock.advance(10)
    assert [r.watts for r in power.readings() if r.component == "gpu"] == [None]
    assert power.uncounted() == ()
    clock.advance(60)
    power.readings()
    assert [gap.component for gap in power.uncounted()] == ["gpu"]
    gpu.broken, gpu.joules = False, 7000.0
    clock.advance(1)
    assert [r.joules for r in power.readings() if r.component == "gpu"] == [7000]
    assert power.uncounted() == ()
