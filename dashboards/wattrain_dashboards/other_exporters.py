"""Figures that other exporters have of the pods and GPUs of jobs, joined to the jobs by what both name.

Their labels are those of a Prometheus that keeps what they say (`honor_labels`), as the Prometheus operator's usual
monitors do. Each is limited to pods and GPUs that a worker of the jobs names now, so that it is absent where none runs.
"""

from __future__ import annotations

from typing import Final

from wattrain_dashboards.frame import Placed, Section
from wattrain_dashboards.panels import lines
from wattrain_dashboards.promql import ALL_JOBS, ONE_JOB, RATE, Query

_GPU: Final = "{{Hostname}} GPU {{gpu}}"
_GPU_LABELS: Final = "cluster, device, Hostname, gpu"
_POD: Final = "cluster, namespace, pod"
_NEEDS_DCGM: Final = "From dcgm-exporter, by the UUID of the job's GPUs, while it runs."
_NEEDS_KUBELET: Final = "From the kubelet (cAdvisor), by the job's pods, while they run."


def gpus() -> Section:
    """What dcgm-exporter has of the GPUs of a job."""
    return Section("GPUs, where dcgm-exporter is scraped", [
        Placed(
            lines("GPU utilisation", "percentunit", "Share of the time in which a kernel ran on the GPU, and in which "
                  f"its tensor cores worked. {_NEEDS_DCGM}",
                  Query(_of_gpus("DCGM_FI_DEV_GPU_UTIL", "/ 100"), _GPU),
                  Query(_of_gpus("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE"), f"{_GPU}, tensor cores")).min(0).max(1),
            12, 9,
        ),
        Placed(
            lines("GPU memory", "bytes", f"Memory of the GPU in use. {_NEEDS_DCGM}",
                  Query(_of_gpus("DCGM_FI_DEV_FB_USED", "* 1048576"), _GPU)).min(0),
            12, 9,
        ),
        Placed(
            lines("GPU temperature", "celsius", f"Temperature of the GPU. {_NEEDS_DCGM}",
                  Query(_of_gpus("DCGM_FI_DEV_GPU_TEMP"), _GPU), steps=((None, "transparent"), (85, "orange"))),
            8, 9,
        ),
        Placed(
            lines("GPU clock", "hertz", "Clock of the GPU's multiprocessors; it falls where power or heat limit it. "
                  f"{_NEEDS_DCGM}", Query(_of_gpus("DCGM_FI_DEV_SM_CLOCK", "* 1000000"), _GPU)).min(0),
            8, 9,
        ),
        Placed(
            lines("GPU power", "watt", "Power of the whole GPU. More than the job's own figure where another program "
                  f"shares it. {_NEEDS_DCGM}", Query(_of_gpus("DCGM_FI_DEV_POWER_USAGE"), _GPU)).min(0),
            8, 9,
        ),
    ])  # fmt: skip


def containers() -> Section:
    """What the kubelet has of the pods of a job."""
    received, sent = (_of_pods(f"container_network_{way}_bytes_total", "") for way in ("receive", "transmit"))
    read, written = (_of_pods(f"container_fs_{what}_bytes_total", 'container!="",') for what in ("reads", "writes"))
    memory = _of_pods("container_memory_working_set_bytes", 'container!="",', is_counter=False)
    return Section("Resources of the workers, where the kubelet is scraped", [
        Placed(
            lines("CPU by pod", "none", f"CPUs in use. {_NEEDS_KUBELET}",
                  Query(_of_pods("container_cpu_usage_seconds_total", 'container!="",'), "{{pod}}")).min(0),
            6, 9,
        ),
        Placed(
            lines("Memory by pod", "bytes", f"Memory that cannot be given up. {_NEEDS_KUBELET}",
                  Query(memory, "{{pod}}")).min(0),
            6, 9,
        ),
        Placed(
            lines("Network by pod", "Bps", f"Bytes a second, the exchange of gradients among them. {_NEEDS_KUBELET}",
                  Query(received, "{{pod}}, received"), Query(sent, "{{pod}}, sent")).min(0),
            6, 9,
        ),
        Placed(
            lines("Disk by pod", "Bps", f"Bytes a second; checkpoints among what is written. {_NEEDS_KUBELET}",
                  Query(read, "{{pod}}, read"), Query(written, "{{pod}}, written")).min(0),
            6, 9,
        ),
    ])  # fmt: skip


def power_by_node() -> Query:
    """The power of all workers, by the node that kube-state-metrics says their pods are on."""
    of_pod = f"max by ({_POD}, worker, component, device, source) ({ALL_JOBS.worker('power_watts')})"
    nodes = f'max by ({_POD}, node) (kube_pod_info{{cluster=~"$cluster",namespace=~"$namespace"}})'
    return Query(f"sum by (node) (sum by ({_POD}) ({of_pod}) * on ({_POD}) group_left (node) {nodes})", "{{node}}")


def _of_gpus(metric: str, factor: str = "") -> str:
    """One series a GPU that a worker of the job names. On MIG each slice repeats the figure of its GPU."""
    of_gpus = ONE_JOB.worker("power_watts", 'component="gpu"')
    ours = f"max by (cluster, device) ({of_gpus})"
    named = f'label_replace({metric}{{cluster=~"$cluster"}}, "device", "$1", "UUID", "(.+)")'
    return f"max by ({_GPU_LABELS}) ({named}) {factor} and on (cluster, device) {ours}".replace("  ", " ")


def _of_pods(metric: str, matcher: str, *, is_counter: bool = True) -> str:
    """One series a pod of the job: the sum over its containers, or interfaces, or devices."""
    selector = f'{metric}{{{matcher}cluster=~"$cluster",namespace=~"$namespace"}}'
    asked = f"rate({selector}[{RATE}])" if is_counter else selector
    ours = f"max by ({_POD}) ({ONE_JOB.worker('generation')})"
    return f"sum by ({_POD}) (max by ({_POD}, container, interface, device) ({asked})) and on ({_POD}) {ours}"
