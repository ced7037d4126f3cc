"""Every metric that Wattrain exports, a row each: name, type, unit, a help text, and the field that it shows.

What is exported by workers, by `wattrain run` and by the operator follows from these rows (`metric_families`), and so
does docs/metrics.md. A new metric is a row whose field exists: of `contract.progress.Progress` for workers, of the
operator's `exposition.ExportedJob` for jobs (`status.` is a job's own status) and `ExportedDomain` for power domains,
of its `cluster.operator_figures.OperatorFigures` for itself.

Standard library only, Python >= 3.9: the supervisor carries this module into foreign images. Base units; values of
labels come from closed sets, but for names; no uid and no free text of a user is a label.
"""

from __future__ import annotations

from typing import Final, NamedTuple

GAUGE: Final = "gauge"
COUNTER: Final = "counter"
HISTOGRAM: Final = "histogram"


class Metric(NamedTuple):
    """A row: one figure, of workers, of jobs, of power domains or of the operator.

    A field is a path such as `progress.loss`; `power[].watts` gives a sample for each item of a list. A figure that is
    None is not exported: unknown is not 0. A text from a closed set gives a sample for each of its words, 1 for the one
    that holds, where a label has the name of its field. A list is 1 where it has items, else 0. A structure is 1, with
    labels from its own fields. A time is in seconds since 1970. What a structure calls not finite in `loss_not_finite`
    beside `loss` is exported as NaN, +Inf or -Inf.
    """

    name: str
    """Without `wattrain_worker_` and the like. Counters end in `_total`."""
    type: str
    unit: str
    """Base unit, or what is counted; empty for plain numbers."""
    help: str
    """For someone who reads a graph."""
    labels: tuple[str, ...] = ()
    """Fields beside the one that is shown, or of the structure that is shown."""
    worker: str = ""
    """Field of a worker's Progress; empty: workers do not export it."""
    job: str = ""
    """Field of a job; empty: it is not exported for jobs."""
    domain: str = ""
    """Field of a power domain; empty: it is not exported for domains."""
    operator: str = ""
    """Field of the operator's own figures; empty: it is not one of these."""
    scale: float = 1.0
    """What the field is multiplied by to be in the unit."""
    known_by: str = ""
    """Field that is empty as long as this one is not known, where its own value does not tell."""


_POWER: Final = ("component", "device", "source")
_METER: Final = ("component", "source")
_POINT: Final = ("threads", "known")

METRICS: tuple[Metric, ...] = (
    Metric(
        "loss", GAUGE, "", "Training loss of the last recorded step, mean over the global batch.",
        worker="loss", job="status.progress.loss",
    ),
    Metric(
        "step", GAUGE, "steps",
        "Optimizer steps since the training began, repeated ones counted once: falls where a restart goes back to a "
        "checkpoint.",
        worker="step", job="status.progress.step",
    ),
    Metric(
        "prepared_samples", GAUGE, "samples",
        "Rows, pictures or documents that the preparation of the data is through with, while it goes on. stage=reading "
        "is of the source, stage=writing of what is kept of it.",
        ("stage",), worker="prepared.samples", job="status.prepared.samples",
    ),
    Metric(
        "prepare_samples_per_second", GAUGE, "samples per second",
        "The same a second, mean since the stage began.",
        ("stage",), worker="prepared.samples_per_second", job="status.prepared.samples_per_second",
    ),
    Metric(
        "prepared_ratio", GAUGE, "ratio",
        "Share of them that the stage is through with, 0 to 1. Absent: it is not known how many there are.",
        ("stage",), job="status.prepared.percent", scale=0.01,
    ),
    Metric(
        "unreadable_samples", GAUGE, "samples",
        "Pictures that the preparation left out as unreadable, of which data.image.maxCorrupt allows a share. Absent: "
        "not known, or no pictures.",
        job="status.unreadable_samples",
    ),
    Metric(
        "steps_total", COUNTER, "steps",
        "Optimizer steps that were made, repeated ones counted again. Where a script went on after a restart is not "
        "known: what it repeats before it tells its first step is not counted.",
        worker="steps_done", job="status.steps_done",
    ),
    Metric(
        "steps_paused", GAUGE, "",
        "1 while a running job evaluates, waits for a checkpoint to be saved or exports: no step is made meanwhile.",
        job="steps_paused",
    ),
    Metric(
        "planned_steps", GAUGE, "steps", "Optimizer steps that the training is to make in all.",
        job="status.progress.total_steps", known_by="status.progress.total_steps",
    ),
    Metric(
        "epoch", GAUGE, "", "Passes over the training split that have been completed.",
        worker="epoch", job="status.progress.epoch",
    ),
    Metric(
        "learning_rate", GAUGE, "", "Learning rate of the last recorded step.",
        worker="learning_rate", job="status.progress.learning_rate",
    ),
    Metric(
        "non_finite_steps", GAUGE, "steps",
        "Optimizer steps that left no trace, because loss or gradient was no finite number: they were left out, or the "
        "training went back to a checkpoint before them.",
        worker="non_finite_steps", job="status.progress.non_finite_steps",
    ),
    Metric(
        "flops_per_second", GAUGE, "",
        "Floating-point operations a second that the training makes: matrix products, convolutions and attention, "
        "forwards and backwards.",
        job="status.progress.flops_per_second",
    ),
    Metric(
        "flops_utilization_ratio", GAUGE, "ratio",
        "Share that flops_per_second is of the most that the processors do in this precision, by the GPU's data sheet "
        "or as measured on a CPU; absent where that is not known.",
        job="status.progress.flops_utilization",
    ),
    Metric(
        "overflow_steps", GAUGE, "steps",
        "Optimizer steps that were left out because the gradient overflowed in fp16; each lowers the factor of the "
        "loss, and some are usual.",
        worker="overflow_steps", job="status.progress.overflow_steps",
    ),
    Metric("gradient_norm", GAUGE, "", "Norm of the gradient before clipping.", worker="gradient_norm"),
    Metric(
        "validation_loss", GAUGE, "", "Loss on the validation split.",
        worker="validation.loss", job="status.progress.validation.loss",
    ),
    Metric(
        "validation_accuracy_ratio", GAUGE, "ratio",
        "Share of the validation split that is classified correctly, 0 to 1.",
        worker="validation.accuracy", job="status.progress.validation.accuracy",
    ),
    Metric(
        "validation_balanced_accuracy_ratio", GAUGE, "ratio",
        "Mean over the classes of the share of each that is classified correctly on the validation split, 0 to 1.",
        worker="validation.balanced_accuracy", job="status.progress.validation.balanced_accuracy",
    ),
    Metric(
        "validation_f1_ratio", GAUGE, "ratio", "Mean of the F1 of each class on the validation split, 0 to 1.",
        worker="validation.f1", job="status.progress.validation.f1",
    ),
    Metric(
        "validation_roc_auc_ratio", GAUGE, "ratio",
        "Area under the ROC curve on the validation split, of more than two classes the mean of each against the "
        "others.",
        worker="validation.roc_auc", job="status.progress.validation.roc_auc",
    ),
    Metric(
        "validation_mse", GAUGE, "",
        "Mean squared error of a predicted number on the validation split, in the label's unit squared.",
        worker="validation.mse", job="status.progress.validation.mse",
    ),
    Metric(
        "validation_mae", GAUGE, "",
        "Mean absolute error of a predicted number on the validation split, in the label's unit.",
        worker="validation.mae", job="status.progress.validation.mae",
    ),
    Metric(
        "validation_r2_ratio", GAUGE, "ratio",
        "Share of the label's variance that is explained on the validation split: 1 at best, below 0 worse than "
        "its mean.",
        worker="validation.r2", job="status.progress.validation.r2",
    ),
    Metric(
        "validation_bits_per_byte", GAUGE, "bits",
        "What the validation split's tokens cost by the model's probabilities, a byte of its text.",
        worker="validation.bits_per_byte", job="status.progress.validation.bits_per_byte",
    ),
    Metric(
        "validation_perplexity", GAUGE, "", "e to the mean loss of a token of the validation split's text.",
        worker="validation.perplexity", job="status.progress.validation.perplexity",
    ),
    Metric(
        "validation_masked_accuracy_ratio", GAUGE, "ratio",
        "Share of the hidden tokens of the validation split that are found, 0 to 1.",
        worker="validation.masked_accuracy", job="status.progress.validation.masked_accuracy",
    ),
    Metric(
        "validation_next_sentence_accuracy_ratio", GAUGE, "ratio",
        "Share of the validation split's pairs of sentences of which it is found whether the second follows the first.",
        worker="validation.next_sentence_accuracy", job="status.progress.validation.next_sentence_accuracy",
    ),
    Metric(
        "validation_recall_at_10_ratio", GAUGE, "ratio",
        "Share of the users whose left-out item is among the ten that are recommended first, 0 to 1.",
        worker="validation.recall_at_10", job="status.progress.validation.recall_at_10",
    ),
    Metric(
        "validation_ndcg_at_10_ratio", GAUGE, "ratio",
        "The same, where an item counts 1 / log2(2 + rank), with 0 for the first rank.",
        worker="validation.ndcg_at_10", job="status.progress.validation.ndcg_at_10",
    ),
    Metric(
        "samples_total", COUNTER, "samples", "Samples that this worker has trained on, repeated ones counted again.",
        worker="samples",
    ),
    Metric(
        "step_duration_seconds", HISTOGRAM, "seconds", "Time from one recorded step to the next, a step.",
        worker="step_durations",
    ),
    Metric(
        "data_wait_seconds_total", COUNTER, "seconds", "Time that the training loop waited for data.",
        worker="data_wait_seconds",
    ),
    Metric(
        "paused_seconds_total", COUNTER, "seconds",
        "Time that ranks paused between steps to draw less power, summed over the worker's ranks.",
        worker="paused_seconds",
    ),
    Metric(
        "power_watts", GAUGE, "watts",
        "Power of this worker now. source=nvml or rapl is measured, source=model is computed from CPU time.",
        _POWER, worker="power[].watts",
    ),
    Metric(
        "energy_joules_total", COUNTER, "joules",
        "Energy of this worker since its supervisor started. source=model is computed from CPU time.",
        _POWER, worker="power[].joules",
    ),
    Metric(
        "energy_low_joules_total", COUNTER, "joules", "The least that the energy may have been.",
        _POWER, worker="power[].low_joules",
    ),
    Metric(
        "energy_high_joules_total", COUNTER, "joules", "The most that the energy may have been.",
        _POWER, worker="power[].high_joules",
    ),
    Metric(
        "energy_incomplete", GAUGE, "",
        "1 where something drew power that is not counted, so that more was used than the joules say; 0 where all is.",
        worker="uncounted", job="status.energy.incomplete",
    ),
    Metric(
        "checkpoint_step", GAUGE, "steps", "Step of the newest committed checkpoint.",
        worker="checkpoint.step", job="status.checkpoint.step",
    ),
    Metric(
        "checkpoint_timestamp_seconds", GAUGE, "seconds",
        "When the newest committed checkpoint was heard of, in seconds since 1970.", job="status.checkpoint.time",
    ),
    Metric(
        "checkpoint_blocked_seconds_total", COUNTER, "seconds",
        "Time that the training loop stood still for checkpoints.", worker="checkpoint_blocked_seconds",
    ),
    Metric(
        "checkpoint_duration_seconds", GAUGE, "seconds",
        "Time from the decision to save to the commit of the newest checkpoint.", worker="checkpoint.seconds",
    ),
    Metric(
        "checkpoint_bytes", GAUGE, "bytes", "Size of the newest committed checkpoint.", worker="checkpoint.bytes"
    ),
    Metric(
        "generation", GAUGE, "", "Restarts of the group in place, within this attempt.", worker="generation"
    ),
    Metric("ranks_running", GAUGE, "", "Ranks of this worker that are running.", worker="ranks_running"),
    Metric(
        "state", GAUGE, "",
        "1 for the state that the job is in: Pending, Queued, Preparing, Starting, Running, Restarting, Suspending, "
        "Suspended, Complete or Failed; 0 for the others.", ("state",), job="status.state",
    ),
    Metric(
        "info", GAUGE, "",
        "Always 1, with what the job is: recipe (or `script`), strategy, precision (empty for a script, which chooses "
        "its own), image (empty: the operator's default), power domain and attempt.",
        ("recipe", "strategy", "precision", "image", "powerdomain", "attempt"), job="info",
    ),
    Metric(
        "phase_seconds_total", COUNTER, "seconds",
        "How long the job was in each state, until its end. The present state is counted up to half a minute late.",
        ("phase",), job="phases[].seconds",
    ),
    Metric(
        "phase_energy_joules_total", COUNTER, "joules",
        "Energy of the job by the state that it was used in. What is heard late and was used before the present state "
        "counts for the state just before it.",
        ("phase",), job="phases[].joules", known_by="status.energy.meters",
    ),
    Metric(
        "cause_seconds", GAUGE, "seconds",
        "What the job's time went to, by the clock of worker 0: prepare, start, restore, training, data_wait, "
        "slowest_rank, paused (to draw less power), evaluation, checkpoint, export, computed_again (steps that were "
        "made before), hang; queue is waiting for the power domain, idle a place that is held while nothing runs.",
        ("cause",), job="causes[].seconds",
    ),
    Metric(
        "cause_energy_joules", GAUGE, "joules",
        "Energy of the job by what it went to, divided by the seconds that the group reports: an attribution. The sum "
        "is the energy of the job. Training falls where it turns out to have been a hang.",
        ("cause",), job="causes[].joules", known_by="status.energy.meters",
    ),
    Metric(
        "attempt", GAUGE, "", "Number of the current group of workers, from 1; 0 before the first.",
        job="status.attempt",
    ),
    Metric(
        "start_timestamp_seconds", GAUGE, "seconds", "When the job first became active, in seconds since 1970.",
        job="status.start_time",
    ),
    Metric(
        "completion_timestamp_seconds", GAUGE, "seconds",
        "When the job ended, complete or failed, in seconds since 1970.", job="status.completion_time",
    ),
    Metric(
        "queue_position", GAUGE, "", "Position in the queue of the power domain, 1 is the next. Absent: it is in none.",
        job="status.queue.position", known_by="status.queue.position",
    ),
    Metric(
        "waiting_since_timestamp_seconds", GAUGE, "seconds",
        "Since when the job has not been admitted, in seconds since 1970, with the reason of its condition Admitted: "
        "Queued, PowerCapTooSmall, WaitingForCleanHours or what is wrong with its power domain. Absent: it does not "
        "wait.",
        ("reason",), job="waiting.since",
    ),
    Metric(
        "expected_start_timestamp_seconds", GAUGE, "seconds",
        "When a job that waits may start, in seconds since 1970. Absent: it does not wait, or nobody knows.",
        job="expected_start",
    ),
    Metric(
        "workers_desired", GAUGE, "workers", "Workers that the current attempt is to have.",
        job="status.workers.desired",
    ),
    Metric(
        "workers_ready", GAUGE, "workers", "Workers of the current attempt whose supervisor answers.",
        job="status.workers.ready",
    ),
    Metric(
        "eta_seconds", GAUGE, "seconds", "Time until the last step, at the pace of the last steps.",
        job="status.progress.eta_seconds",
    ),
    Metric(
        "progress_ratio", GAUGE, "ratio", "Steps done / steps to do, 0 to 1.", job="status.progress.percent", scale=0.01
    ),
    Metric(
        "samples_per_second", GAUGE, "samples per second", "Samples trained on per second, all workers together.",
        job="samples_per_second",
    ),
    Metric(
        "power_watts", GAUGE, "watts", "Power of all workers of the job now.",
        job="status.energy.watts", known_by="status.energy.meters",
    ),
    Metric(
        "energy_joules_total", COUNTER, "joules",
        "Energy of the job: all ranks, all attempts, the preparation. source=model is computed from CPU time.",
        _METER, job="status.energy.meters[].joules",
    ),
    Metric(
        "energy_low_joules_total", COUNTER, "joules", "The least that the energy of the job may have been.",
        _METER, job="status.energy.meters[].low_joules",
    ),
    Metric(
        "energy_high_joules_total", COUNTER, "joules", "The most that the energy of the job may have been.",
        _METER, job="status.energy.meters[].high_joules",
    ),
    Metric(
        "facility_energy_joules_total", COUNTER, "joules",
        "Energy of the job with cooling and losses, by the PUE of its power domain.",
        job="status.energy.facility_joules", known_by="status.energy.meters",
    ),
    Metric(
        "joules_per_sample", GAUGE, "joules", "Energy of the current attempt for each sample that it has trained on.",
        job="status.energy.joules_per_sample",
    ),
    Metric(
        "power_cap_watts", GAUGE, "watts",
        "Power that the job is held to, of all workers together. Absent: it is held to none.",
        job="status.power_cap.target_watts",
    ),
    Metric(
        "power_cap_effective_watts", GAUGE, "watts",
        "Mean power of a job under a cap while it trained last. Absent: it is held to none, or that is not known yet.",
        job="status.power_cap.effective_watts",
    ),
    Metric(
        "duty_ratio", GAUGE, "ratio",
        "Share of the time in which the ranks of a job that is held to a cap compute. Absent: it is held to none.",
        job="status.power_cap.duty_ratio",
    ),
    Metric(
        "threads", GAUGE, "threads",
        "Threads that each rank of a job with an objective is to compute with now. Absent: it has none.",
        job="status.best_point.threads",
    ),
    Metric(
        "best_point_threads", GAUGE, "threads",
        "Threads of a rank that were chosen by the job's objective. Absent: it has none, or none is chosen yet.",
        job="status.best_point.chosen_threads",
    ),
    Metric(
        "point_joules_per_sample", GAUGE, "joules",
        "Energy of a sample of training, as it was measured with so many threads a rank. known: by a counter or not.",
        _POINT, job="points[].joules_per_sample",
    ),
    Metric(
        "point_samples_per_second", GAUGE, "samples per second",
        "Samples trained on per second, as it was measured with so many threads a rank.",
        _POINT, job="points[].samples_per_second",
    ),
    Metric(
        "measured_energy_ratio", GAUGE, "ratio",
        "Share of the job's energy that a counter measured, 0 to 1. Absent where something was not counted.",
        job="status.energy.measured_ratio", known_by="status.energy.meters",
    ),
    Metric(
        "wasted_energy_joules", GAUGE, "joules",
        "Energy whose result was lost in restarts. Falls where a checkpoint turns out to have been saved after all.",
        job="status.energy.wasted_joules", known_by="status.energy.waste_is_known",
    ),
    Metric(
        "emissions_co2e_grams_total", COUNTER, "grams", "CO2 equivalent of the job's energy, location-based.",
        job="status.energy.carbon_grams",
    ),
    Metric(
        "energy_cost_total", COUNTER, "currency", "Cost of the job's energy.", ("currency",),
        job="status.energy.costs[].cost",
    ),
    Metric(
        "saved_co2e_grams", GAUGE, "grams",
        "What waiting for clean hours has saved beside a start at once, by the series of the power domain; below 0 it "
        "has emitted more. Absent: the job does not wait for clean hours, or nothing has been compared yet.",
        ("basis",), job="saved.grams",
    ),
    Metric(
        "budget_used_ratio", GAUGE, "ratio",
        "Share of spec.energy.budget that is spent, of its limit that is used most. Absent: the job has no budget.",
        job="status.budget.used_ratio",
    ),
    Metric(
        "budget_forecast_ratio", GAUGE, "ratio",
        "The same share at the job's end, at its present power and prices. Absent: not known.",
        job="status.budget.forecast_ratio",
    ),
    Metric(
        "restarts_total", COUNTER, "", "Restarts of the job's workers, in place or not.", job="status.restart_count"
    ),
    Metric(
        "max_running_jobs", GAUGE, "", "How many jobs of the domain may run at once. Absent: there is no limit.",
        domain="max_running_jobs",
    ),
    Metric(
        "granted_jobs", GAUGE, "", "Jobs of the domain that hold a place: they run, or are about to.",
        domain="granted_jobs",
    ),
    Metric("queued_jobs", GAUGE, "", "Jobs of the domain that wait for a place.", domain="queued_jobs"),
    Metric(
        "cap_watts", GAUGE, "watts", "spec.capWatts of the domain. Absent: it has no cap.", domain="cap_watts",
    ),
    Metric(
        "usable_watts", GAUGE, "watts",
        "What the domain's jobs may draw together: its cap less headroom and base. Absent: it has no cap.",
        domain="usable_watts",
    ),
    Metric(
        "reserved_watts", GAUGE, "watts",
        "Power that is reserved for jobs that run, or are about to. Absent: the domain has no cap.",
        domain="power.reserved_watts",
    ),
    Metric(
        "free_watts", GAUGE, "watts", "Power that jobs which wait may still be granted. Absent: the domain has no cap.",
        domain="power.free_watts",
    ),
    Metric(
        "exceeded_watts", GAUGE, "watts",
        "Power that jobs draw beyond what they may draw together; nobody is admitted meanwhile. Absent: the domain has "
        "no cap.",
        domain="power.exceeded_watts",
    ),
    Metric(
        "power_watts", GAUGE, "watts",
        "Power of the domain's jobs now, as far as it is known. Absent: jobs run, and that of none is known.",
        domain="power_watts",
    ),
    Metric(
        "carbon_intensity_grams_per_kwh", GAUGE, "grams per kilowatt-hour",
        "CO2 equivalent of the grid's energy, by which the jobs' emissions are counted. Not in grams a joule: grids "
        "state it so, and 458 can be read, 0.000127 cannot.",
        domain="grams_per_kwh",
    ),
    Metric(
        "energy_price_per_kwh", GAUGE, "currency per kilowatt-hour",
        "Price of a kilowatt-hour now. Absent: the domain has no tariff.", ("currency",), domain="price.per_kwh",
    ),
    Metric(
        "shed_target_watts", GAUGE, "watts",
        "Power that the domain's jobs are to draw at most while it sheds power. Absent: it sheds none.",
        domain="shedding.target_watts",
    ),
    Metric(
        "pue_ratio", GAUGE, "ratio", "Energy of the facility / energy of the machines: 1 or more.", domain="pue",
    ),
    Metric(
        "accepted", GAUGE, "",
        "1 where the operator acts by the domain, 0 where it cannot be read or asks for what this version does not do.",
        domain="accepted",
    ),
    Metric(
        "reconcile_duration_seconds", HISTOGRAM, "seconds",
        "Time of one pass over one job: looking, deciding, writing.", operator="reconcile_seconds",
    ),
    Metric(
        "reconciles_total", COUNTER, "",
        "Passes over jobs. outcome=done is well, retry is tried again after a pause, crash is a defect of the "
        "operator.", ("outcome",), operator="reconciles[].count",
    ),
    Metric("queue_depth", GAUGE, "", "Jobs that wait to be looked at now.", operator="queue_depth"),
    Metric(
        "failing_jobs", GAUGE, "", "Jobs whose last pass failed, and which are tried again after a pause.",
        operator="failing_jobs",
    ),
    Metric(
        "api_requests_total", COUNTER, "",
        "Requests to the API server besides watches, by verb, resource and HTTP status; code=0: no answer.",
        ("verb", "resource", "code"), operator="api_requests[].count",
    ),
    Metric("cache_objects", GAUGE, "", "Objects that the operator knows of.", ("kind",), operator="kinds[].objects"),
    Metric(
        "list_age_seconds", GAUGE, "seconds", "Time since all objects of the kind were last read, or since this "
        "operator leads where it has not read them yet.",
        ("kind",), operator="kinds[].list_age_seconds",
    ),
    Metric(
        "watch_age_seconds", GAUGE, "seconds", "Time since a watch told of an object of the kind.",
        ("kind",), operator="kinds[].watch_age_seconds",
    ),
    Metric(
        "watch_missed_changes", GAUGE, "",
        "Changes that the last reading found and the watch has not told of: more than 0 for long means a deaf watch.",
        ("kind",), operator="kinds[].missed_changes",
    ),
    Metric(
        "event_loop_lag_seconds", GAUGE, "seconds", "How late the operator's event loop was when last measured.",
        operator="event_loop_lag_seconds",
    ),
    Metric(
        "build_info", GAUGE, "", "Always 1, with the version of Wattrain and of Python.", ("version", "python"),
        operator="build",
    ),
    Metric("leader", GAUGE, "", "1 for the operator that works, 0 for one that stands by.", operator="is_leader"),
    Metric(
        "progress_requests_total", COUNTER, "",
        "Questions to workers how far they are. outcome=unreachable: no answer in time, unreadable: no sense in it.",
        ("outcome",), operator="progress_requests[].count",
    ),
)  # fmt: skip


class Exported(NamedTuple):
    """A metric as it is exported of one subject."""

    name: str
    """Whole name."""
    metric: Metric
    field: str
    labels: tuple[str, ...]
    """All of its labels, those that name the subject first."""


class Subject(NamedTuple):
    """What a figure is of."""

    prefix: str
    identity: tuple[str, ...]
    """Labels that say which one; whoever exports gives their values."""


WORKER: Final = Subject("wattrain_worker_", ())
JOB: Final = Subject("wattrain_trainingjob_", ("namespace", "trainingjob"))
DOMAIN: Final = Subject("wattrain_powerdomain_", ("powerdomain",))
OPERATOR: Final = Subject("wattrain_operator_", ())
SUBJECTS: Final = (WORKER, JOB, DOMAIN, OPERATOR)


def exported_of(subject: Subject) -> list[Exported]:
    """The metrics of `subject`, in the order of the rows."""
    found = []
    for metric in METRICS:
        field = {WORKER: metric.worker, JOB: metric.job, DOMAIN: metric.domain, OPERATOR: metric.operator}[subject]
        if field:
            labels = (*subject.identity, *metric.labels)
            found.append(Exported(subject.prefix + metric.name, metric, field, labels))
    return found
