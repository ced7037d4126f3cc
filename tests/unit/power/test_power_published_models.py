"""What published models say of the same work lies between our low and high, and idling is charged once."""

import importlib.util

import pytest

from wattrain_api.power_model import CPU_IDLE_WATTS

GB = 1e9


@pytest.fixture(scope="module")
def published(pytestconfig):
    path = pytestconfig.rootpath / "benchmarks/energy_models/published_models.py"
    spec = importlib.util.spec_from_file_location("published_models", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def pod_joules(machine, sampler, clock):
    """Joules, low and high of a pod that used so many CPU seconds in 10 s."""

    def run(cpu_seconds, request, memory_gb, **environ):
        machine.pod(cpu_seconds=0)
        power = sampler(
            WATTRAIN_CPU_REQUEST_MILLICPUS=str(round(1000 * request)),
            WATTRAIN_MEMORY_REQUEST=str(memory_gb * GB), **environ,
        )  # fmt: skip
        machine.pod(cpu_seconds=cpu_seconds)
        clock.advance(10)
        readings = power.readings()
        return tuple(sum(getattr(r, name) for r in readings) for name in ("joules", "low_joules", "high_joules"))

    return run


@pytest.mark.parametrize("load", [0.0, 0.05, 0.1, 0.3, 0.5, 0.8, 1.0])
@pytest.mark.parametrize(("cpus", "memory_gb"), [(0.5, 0.0), (1.0, 4.0), (2.0, 23.5), (8.0, 64.0), (8.0, 200.0)])
def test_published_models_of_a_pod_lie_between_low_and_high(pod_joules, published, load, cpus, memory_gb):
    work = published.Work(load * cpus * 10, 10.0, cpus, memory_gb)
    joules, low, high = pod_joules(work.cpu_seconds, cpus, memory_gb)
    assert low <= joules <= high
    told = {name: model(work) for name, model in published.MODELS.items()}
    assert {name: value for name, value in told.items() if not low <= value <= high} == {}


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("load", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("others", [0.0, 1.0])
def test_published_models_of_a_job_on_a_machine_lie_between_low_and_high(
    machine, sampler, clock, published, monkeypatch, workers, load, others
):
    monkeypatch.setattr("os.sysconf", lambda name: {"SC_CLK_TCK": 100, "SC_PAGE_SIZE": 4096}.get(name, 5_700_000))
    own = load * 8 * 10 / (1 + others)
    machine.node(busy_seconds=0, idle_seconds=0)
    samplers = []
    for worker in range(workers):
        pid = 1000 + worker
        machine.process(pid, 1)
        environ = {"WATTRAIN_CPU_SCOPE": "process", "WATTRAIN_WORKERS": str(workers), "WATTRAIN_CPU_LIMIT": "0.1"}
        samplers.append(sampler(lambda pid=pid: [pid], **environ))
    for worker in range(workers):
        machine.process(1000 + worker, 1, own=own / workers)
    machine.node(busy_seconds=own * (1 + others), idle_seconds=80 - own * (1 + others))
    clock.advance(10)
    readings = [reading for power in samplers for reading in power.readings()]
    low, high = (sum(getattr(r, name) for r in readings) for name in ("low_joules", "high_joules"))
    work = published.Work(own, 10.0, 8.0, 5_700_000 * 4096 / GB)
    told = {name: model(work) for name, model in published.MODELS.items()}
    if not others:
        told["CodeCarbon, machine"] = published.codecarbon_machine(work)
    assert {name: value for name, value in told.items() if not low <= value <= high} == {}


def test_work_costs_what_its_cpu_seconds_cost_whatever_limit_was_declared(machine, sampler, clock):
    joules = []
    for limit in ("0.1", "8"):
        machine.process(77, 1)
        machine.node(busy_seconds=0, idle_seconds=0)
        power = sampler(lambda: [77], WATTRAIN_CPU_SCOPE="process", WATTRAIN_CPU_LIMIT=limit)
        machine.process(77, 1, own=10.0)
        machine.node(busy_seconds=10, idle_seconds=70)
        clock.advance(10)
        joules.append(sum(r.joules for r in power.readings()))
    assert joules[0] == pytest.approx(joules[1])
    assert joules[0] == pytest.approx(10 * 2.76 + 8 * 0.74 * 10)


def test_a_pod_that_uses_more_than_its_request_pays_for_all_of_it(pod_joules):
    joules, _, _ = pod_joules(20.0, 0.1, 0.0)
    assert joules == pytest.approx(20 * 2.76 + 0.1 * 0.74 * 10)


def test_pods_that_fill_a_node_are_charged_its_idling_once(pod_joules):
    requests = (0.25, 0.75, 3.0, 4.0)
    idle = [pod_joules(0.0, request, 0.0, WATTRAIN_CPU_LIMIT="8")[0] for request in requests]
    assert sum(idle) == pytest.approx(8 * CPU_IDLE_WATTS * 10)


def test_a_pod_without_a_request_is_charged_no_idling_and_a_request_never_more_than_the_node(pod_joules):
    assert pod_joules(0.0, 0.0, 0.0, WATTRAIN_CPU_LIMIT="8")[0] == 0
    assert pod_joules(0.0, 64.0, 0.0)[0] == pytest.approx(8 * CPU_IDLE_WATTS * 10)


def test_jobs_beside_each_other_on_one_machine_share_its_idling(machine, sampler, clock):
    pids = (77, 78)
    for pid in pids:
        machine.process(pid, 1)
    jobs = [sampler(lambda pid=pid: [pid], WATTRAIN_CPU_SCOPE="process") for pid in pids]
    for pid, own in zip(pids, (10.0, 30.0), strict=True):
        machine.process(pid, 1, own=own)
    machine.node(busy_seconds=40, idle_seconds=40)
    clock.advance(10)
    first, second = (sum(r.joules for r in job.readings()) for job in jobs)
    assert first == pytest.approx(10 * 2.76 + 0.25 * 8 * 0.74 * 10)
    assert second == pytest.approx(30 * 2.76 + 0.75 * 8 * 0.74 * 10)


def test_the_memory_model_of_codecarbon_is_that_of_its_source(published):
    watts = [published.codecarbon_ram_watts(gb) for gb in (0.5, 8, 16, 23.5, 64, 100, 255)]
    assert watts == [10, 10, 10, 20, 20, 38, 70]
