"""Every metric that Wattrain exports: name, type, labels and a help text for someone who reads a graph.

Standard library only, Python >= 3.9: the supervisor carries this module into foreign images. Base units;
`component` and `source` come from closed sets; no uid and no text of a user is a label.
"""

from __future__ import annotations

from typing import Final, NamedTuple

COMPONENTS: Final = ("cpu", "memory", "gpu", "module")
"""What draws the power. `cpu` by the model stands for the whole share of the machine, fans and disks included."""
SOURCES: Final = ("nvml", "rapl", "model")
"""Where a figure comes from: the GPU's counter, the CPU's counter, or a model of CPU time; only counters measure."""


class Metric(NamedTuple):
    """A metric as it is exported. Counters carry `_total` in their name."""

    name: str
    type: str
    help: str
    labels: tuple[str, ...] = ()


_POWER_LABELS: Final = ("component", "device", "source")

LOSS: Final = Metric(
    "wattrain_worker_loss", "gauge", "Training loss of the last recorded step, mean over the global batch."
)
STEP: Final = Metric(
    "wattrain_worker_step", "gauge", "Optimizer steps since the training began, restarts not counted twice."
)
EPOCH: Final = Metric("wattrain_worker_epoch", "gauge", "Passes over the training split that have been completed.")
LEARNING_RATE: Final = Metric("wattrain_worker_learning_rate", "gauge", "Learning rate of the last recorded step.")
GRADIENT_NORM: Final = Metric("wattrain_worker_gradient_norm", "gauge", "Norm of the gradient before clipping.")
VALIDATION_LOSS: Final = Metric("wattrain_worker_validation_loss", "gauge", "Loss on the validation split.")
VALIDATION_ACCURACY: Final = Metric(
    "wattrain_worker_validation_accuracy_ratio",
    "gauge",
    "Share of the validation split that is classified correctly, 0 to 1.",
)
SAMPLES: Final = Metric(
    "wattrain_worker_samples_total", "counter", "Samples that this worker has trained on, repeated ones counted again."
)
STEP_SECONDS: Final = Metric(
    "wattrain_worker_step_duration_seconds", "histogram", "Time from one recorded step to the next, a step."
)
DATA_WAIT: Final = Metric(
    "wattrain_worker_data_wait_seconds_total", "counter", "Time that the training loop waited for data."
)
POWER: Final = Metric(
    "wattrain_worker_power_watts", "gauge",
    "Power of this worker now. source=nvml or rapl is measured, source=model is computed from CPU time.", _POWER_LABELS,
)  # fmt: skip
ENERGY: Final = Metric(
    "wattrain_worker_energy_joules_total", "counter",
    "Energy of this worker since its supervisor started. source=model is computed from CPU time.", _POWER_LABELS,
)  # fmt: skip
ENERGY_LOW: Final = Metric(
    "wattrain_worker_energy_low_joules_total", "counter", "The least that the energy may have been.", _POWER_LABELS
)
ENERGY_HIGH: Final = Metric(
    "wattrain_worker_energy_high_joules_total", "counter", "The most that the energy may have been.", _POWER_LABELS
)
CHECKPOINT_STEP: Final = Metric("wattrain_worker_checkpoint_step", "gauge", "Step of the newest committed checkpoint.")
CHECKPOINT_BLOCKED: Final = Metric(
    "wattrain_worker_checkpoint_blocked_seconds_total",
    "counter",
    "Time that the training loop stood still for checkpoints.",
)
CHECKPOINT_SECONDS: Final = Metric(
    "wattrain_worker_checkpoint_duration_seconds",
    "gauge",
    "Time from the decision to save to the commit of the newest checkpoint.",
)
CHECKPOINT_BYTES: Final = Metric(
    "wattrain_worker_checkpoint_bytes", "gauge", "Size of the newest committed checkpoint."
)
GENERATION: Final = Metric(
    "wattrain_worker_generation", "gauge", "Restarts of the group in place, within this attempt."
)
WORKER_UP: Final = Metric("wattrain_worker_ranks_running", "gauge", "Ranks of this worker that are running.")

WORKER_METRICS: Final = (
    LOSS, STEP, EPOCH, LEARNING_RATE, GRADIENT_NORM, VALIDATION_LOSS, VALIDATION_ACCURACY, SAMPLES, STEP_SECONDS,
    DATA_WAIT, POWER, ENERGY, ENERGY_LOW, ENERGY_HIGH, CHECKPOINT_STEP, CHECKPOINT_BLOCKED, CHECKPOINT_SECONDS,
    CHECKPOINT_BYTES, GENERATION, WORKER_UP,
)  # fmt: skip

_JOB: Final = ("namespace", "name")
JOB_STATE: Final = Metric(
    "wattrain_trainingjob_state", "gauge",
    "1 for the state that the job is in: Pending, Queued, Preparing, Starting, Running, Restarting, Suspending, "
    "Suspended, Complete or Failed; 0 for the others.", (*_JOB, "state"),
)  # fmt: skip
JOB_PROGRESS: Final = Metric("wattrain_trainingjob_progress_ratio", "gauge", "Steps done / steps to do, 0 to 1.", _JOB)
JOB_LOSS: Final = Metric("wattrain_trainingjob_loss", "gauge", "Training loss of the last recorded step.", _JOB)
JOB_RATE: Final = Metric(
    "wattrain_trainingjob_samples_per_second", "gauge", "Samples trained on per second, all workers together.", _JOB
)
JOB_POWER: Final = Metric("wattrain_trainingjob_power_watts", "gauge", "Power of all workers of the job now.", _JOB)
JOB_ENERGY: Final = Metric(
    "wattrain_trainingjob_energy_joules_total", "counter",
    "Energy of the job: all ranks, all attempts, the preparation. source=model is computed from CPU time.",
    (*_JOB, "component", "source"),
)  # fmt: skip
JOB_MEASURED: Final = Metric(
    "wattrain_trainingjob_measured_energy_ratio",
    "gauge",
    "Share of the job's energy that a counter measured, 0 to 1.",
    _JOB,
)
JOB_WASTED: Final = Metric(
    "wattrain_trainingjob_wasted_energy_joules",
    "gauge",
    "Energy whose result was lost in restarts. Falls where a checkpoint turns out to have been saved after all.",
    _JOB,
)
JOB_CARBON: Final = Metric(
    "wattrain_trainingjob_emissions_co2e_grams_total",
    "counter",
    "CO2 equivalent of the job's energy, location-based.",
    _JOB,
)
JOB_COST: Final = Metric(
    "wattrain_trainingjob_energy_cost_total", "counter", "Cost of the job's energy.", (*_JOB, "currency")
)
JOB_RESTARTS: Final = Metric(
    "wattrain_trainingjob_restarts_total", "counter", "Restarts of the job's workers, in place or not.", _JOB
)
JOB_METRICS: Final = (
    JOB_STATE, JOB_PROGRESS, JOB_LOSS, JOB_RATE, JOB_POWER, JOB_ENERGY, JOB_MEASURED, JOB_WASTED, JOB_CARBON, JOB_COST,
    JOB_RESTARTS,
)  # fmt: skip

RECONCILE_SECONDS: Final = Metric(
    "wattrain_operator_reconcile_duration_seconds", "histogram",
    "Time of one pass over one job: looking, deciding, writing.",
)  # fmt: skip
RECONCILES: Final = Metric(
    "wattrain_operator_reconciles_total", "counter",
    "Passes over jobs. outcome=done is well, retry is tried again after a pause, crash is a defect of the operator.",
    ("outcome",),
)  # fmt: skip
QUEUE_DEPTH: Final = Metric("wattrain_operator_queue_depth", "gauge", "Jobs that wait to be looked at now.")
FAILING_JOBS: Final = Metric(
    "wattrain_operator_failing_jobs", "gauge", "Jobs whose last pass failed, and which are tried again after a pause."
)
API_REQUESTS: Final = Metric(
    "wattrain_operator_api_requests_total", "counter",
    "Requests to the API server besides watches, by verb, resource and HTTP status; code=0: no answer.",
    ("verb", "resource", "code"),
)  # fmt: skip
CACHE_OBJECTS: Final = Metric(
    "wattrain_operator_cache_objects", "gauge", "Objects that the operator knows of.", ("kind",)
)
LIST_AGE: Final = Metric(
    "wattrain_operator_list_age_seconds", "gauge", "Time since all objects of the kind were last read.", ("kind",)
)
WATCH_AGE: Final = Metric(
    "wattrain_operator_watch_age_seconds", "gauge", "Time since a watch told of an object of the kind.", ("kind",)
)
WATCH_MISSED: Final = Metric(
    "wattrain_operator_watch_missed_changes", "gauge",
    "Changes that the last reading found and the watch has not told of: more than 0 for long means a deaf watch.",
    ("kind",),
)  # fmt: skip
LOOP_LAG: Final = Metric(
    "wattrain_operator_event_loop_lag_seconds", "gauge", "How late the operator's event loop was when last measured."
)
LEADER: Final = Metric("wattrain_operator_leader", "gauge", "1 for the operator that works, 0 for one that stands by.")
PROGRESS_REQUESTS: Final = Metric(
    "wattrain_operator_progress_requests_total", "counter",
    "Questions to workers how far they are. outcome=unreachable: no answer in time, unreadable: no sense in it.",
    ("outcome",),
)  # fmt: skip
OPERATOR_METRICS: Final = (
    RECONCILE_SECONDS, RECONCILES, QUEUE_DEPTH, FAILING_JOBS, API_REQUESTS, CACHE_OBJECTS, LIST_AGE, WATCH_AGE,
    WATCH_MISSED, LOOP_LAG, LEADER, PROGRESS_REQUESTS,
)  # fmt: skip
