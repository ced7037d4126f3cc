"""What dcgm-exporter, the kubelet and kube-state-metrics would have said of the pods of the fixed hour.

Names, units and labels are those that these exporters have; their figures are made up.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.past_job import PastJob
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

Labels = dict[str, str]
GPU_FIGURES = {
    "DCGM_FI_DEV_GPU_UTIL": 90.0, "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE": 0.4, "DCGM_FI_DEV_FB_USED": 2048.0,
    "DCGM_FI_DEV_GPU_TEMP": 61.0, "DCGM_FI_DEV_SM_CLOCK": 1410.0, "DCGM_FI_DEV_POWER_USAGE": 230.0,
}  # fmt: skip
"""Percent, ratio, MiB, degrees Celsius, MHz, watts: those of dcgm-exporter's default-counters.csv."""
POD_RATES = {
    "container_cpu_usage_seconds": ({"container": "worker"}, 1.5),
    "container_fs_reads_bytes": ({"container": "worker", "device": "/dev/vda"}, 1e4),
    "container_fs_writes_bytes": ({"container": "worker", "device": "/dev/vda"}, 2e4),
    "container_network_receive_bytes": ({"interface": "eth0"}, 3e6),
    "container_network_transmit_bytes": ({"interface": "eth0"}, 3e6),
}
"""Of a pod, a second: the labels that the kubelet's cAdvisor gives it, and how fast it grows."""
MEMORY_BYTES = 4e8
GPUS = 3
"""On the node of the GPUs: one more than the job uses."""


def pod_of(job: PastJob, worker: int) -> str:
    """The name of a worker's pod in the present attempt."""
    return f"{job.name}-{1 + job.restarts}-{worker}"


def scraped_elsewhere(fleet: list[PastJob], second: int) -> Iterator[tuple[Labels, list[Metric]]]:
    """What each target answers, and the labels that its scrape gives."""
    pods = [(job, worker) for job in fleet if job.state == "Running" for worker in range(job.workers)]
    yield {"job": "dcgm-exporter", "instance": "10.0.9.1:9400"}, [_gpus(name, value) for name, value in
                                                                  GPU_FIGURES.items()]  # fmt: skip
    rates = [_pods(name, pods, labels, rate * second) for name, (labels, rate) in POD_RATES.items()]
    memory = GaugeMetricFamily("container_memory_working_set_bytes", "", labels=["namespace", "pod", "container"])
    nodes = GaugeMetricFamily("kube_pod_info", "", labels=["namespace", "pod", "node"])
    for job, worker in pods:
        memory.add_metric([job.namespace, pod_of(job, worker), "worker"], MEMORY_BYTES)
        nodes.add_metric([job.namespace, pod_of(job, worker), f"node-{worker}"], 1)
    yield {"job": "kubelet", "instance": "10.0.9.2:10250"}, [*rates, memory]
    yield {"job": "kube-state-metrics", "instance": "10.0.9.3:8080"}, [nodes]


def _gpus(name: str, value: float) -> Metric:
    family = GaugeMetricFamily(name, "", labels=["gpu", "UUID", "device", "modelName", "Hostname"])
    for index in range(GPUS):
        family.add_metric([str(index), f"GPU-{index}", f"nvidia{index}", "NVIDIA A100", "node-gpu"], value)
    return family


def _pods(name: str, pods: list[tuple[PastJob, int]], labels: Labels, value: float) -> Metric:
    family = CounterMetricFamily(name, "", labels=["namespace", "pod", *labels])
    for job, worker in pods:
        family.add_metric([job.namespace, pod_of(job, worker), *labels.values()], value)
    return family
