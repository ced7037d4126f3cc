"""What of docs/metrics.md is about other exporters: their names for the same, and how to join GPU metrics to a job.

Read in November 2026 in kubeflow/trainer (pkg/metrics/trainer_metrics.go), ray-project/kuberay
(ray-operator/controllers/ray/metrics/ray_job_metrics.go) and NVIDIA/dcgm-exporter (etc/default-counters.csv and
internal/pkg/transformation/const.go).
"""

from __future__ import annotations

from typing import Final

_HEADS: Final = ("figure", "Wattrain", "Kubeflow Trainer", "KubeRay", "dcgm-exporter")
NAMES: Final = (
    ("which job", "`namespace`, `trainingjob`", "`namespace`, `trainjob`", "`namespace`, `name`",
     "`namespace`, `pod`, `UUID`"),
    ("what the job is", "`wattrain_trainingjob_info`", "`kubeflow_trainer_trainjob_info`", "`kuberay_job_info`", "-"),
    ("its state", "`wattrain_trainingjob_state`", "`kubeflow_trainer_trainjob_status`",
     "`kuberay_job_deployment_status`", "-"),
    ("workers wanted", "`wattrain_trainingjob_workers_desired`", "`kubeflow_trainer_trainjob_requested_training_nodes`",
     "-", "-"),
    ("workers ready", "`wattrain_trainingjob_workers_ready`",
     "`kubeflow_trainer_trainjob_replicated_jobs_ready`: replicated jobs", "-", "-"),
    ("how long", "`wattrain_trainingjob_phase_seconds_total`: each job, by state",
     "`kubeflow_trainer_trainjob_lifetime_seconds`, `_suspended_seconds`: histograms over all jobs",
     "`kuberay_job_execution_duration_seconds`: each job, once it has ended", "-"),
    ("restarts", "`wattrain_trainingjob_restarts_total`", "-",
     "label `retry_count` of `kuberay_job_execution_duration_seconds`", "-"),
    ("training", "`wattrain_trainingjob_loss`, `wattrain_trainingjob_step` and more", "-", "-", "-"),
    ("power", "`wattrain_worker_power_watts`, `wattrain_trainingjob_power_watts`", "-", "-",
     "`DCGM_FI_DEV_POWER_USAGE`: watts of a GPU"),
    ("energy", "`wattrain_trainingjob_energy_joules_total`", "-", "-",
     "`DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION`: millijoules of a GPU since boot"),
    ("emissions, cost", "`wattrain_trainingjob_emissions_co2e_grams_total`, `wattrain_trainingjob_energy_cost_total`",
     "-", "-", "-"),
)  # fmt: skip
"""A row for each figure; a dash: what was read has none."""

JOIN_BY_UUID: Final = """\
avg by (namespace, trainingjob) (
    max by (namespace, trainingjob, device) (wattrain_worker_energy_joules_total{component="gpu"} * 0)
  + on (device) group_left ()
    max by (device) (label_replace(DCGM_FI_DEV_GPU_UTIL, "device", "$1", "UUID", "(.+)"))
)"""
"""GPU utilisation of a job, by the UUIDs of its GPUs."""
JOIN_BY_POD: Final = """\
sum by (namespace, trainingjob) (
    max by (namespace, pod, UUID) (DCGM_FI_DEV_POWER_USAGE{pod!=""})
  * on (namespace, pod) group_left (trainingjob)
    max by (namespace, pod, trainingjob) (wattrain_worker_generation * 0 + 1)
)"""
"""Power of a job's GPUs as DCGM has it, by the names of its pods."""

_TEXT: Final = """\
## Beside other exporters

The names of the same figures elsewhere, as kubeflow/trainer (`pkg/metrics/trainer_metrics.go`), ray-project/kuberay
(`ray_job_metrics.go`) and NVIDIA/dcgm-exporter (`default-counters.csv`) had them in November 2026. A dash: these files
have none.

{table}

dcgm-exporter knows GPUs and the pods that hold them, not jobs. The GPU utilisation of a job, by the UUIDs of its GPUs,
which Wattrain has in the label `device`:

```promql
{by_uuid}
```

The same by pods, for the power of a job's GPUs. Scrape dcgm-exporter with `honor_labels`, or else its labels
`namespace` and `pod` are called `exported_namespace` and `exported_pod`. On MIG each slice repeats the power of its
GPU, so take the maximum by `UUID` first:

```promql
{by_pod}
```
"""


def render() -> str:
    """The section as Markdown."""
    lines = [f"| {' | '.join(row)} |" for row in (_HEADS, *NAMES)]
    lines.insert(1, "|---" * len(_HEADS) + "|")
    return _TEXT.format(table="\n".join(lines), by_uuid=JOIN_BY_UUID, by_pod=JOIN_BY_POD)
