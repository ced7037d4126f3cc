"""Dashboard *Training job*: all about one job."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import common

from wattrain_dashboards import frame, other_exporters, training_job_energy
from wattrain_dashboards.frame import Placed, Section
from wattrain_dashboards.panels import (
    DATA_SOURCE,
    figure,
    hidden,
    lines,
    links,
    not_a_number,
    note,
    rows,
    state_mapping,
    states,
)  # fmt: skip
from wattrain_dashboards.promql import ONE_JOB, Query

UID: Final = "wattrain-training-job"
_LOGS: Final = "${logs:raw}?${namespace:queryparam}&${job:queryparam}&from=${__from}&to=${__to}"
_SAME: Final = ("namespace", "trainingjob")
"""Labels that are the same for all that is shown."""
_SHARES: Final = (
    ("accuracy", "accuracy"),
    ("balanced_accuracy", "balanced accuracy"),
    ("f1", "F1"),
    ("roc_auc", "ROC AUC"),
    ("r2", "R2"),
    ("masked_accuracy", "masked accuracy"),
    ("next_sentence_accuracy", "next-sentence accuracy"),
    ("recall_at_10", "recall at 10"),
    ("ndcg_at_10", "NDCG at 10"),
)
"""Metrics of the validation split whose best is 1, by the parts of their names."""
_ABOUT_ENERGY: Final = """\
**Measured** energy is what a counter counted: `nvml` of a GPU, `rapl` of a processor. **Modelled** energy is computed
from CPU time and memory; its lines are dashed and its legends say *modelled*. Both have bounds: the least and the most
that may have been used. docs/energy.md has the formulas.

A click on the state leads to its logs: to the address that is written into the field **Logs** above, with
`var-namespace`, `var-job`, `from` and `to` added, as another Grafana dashboard takes them. It is empty until you write
one.
"""


def build_dashboard() -> dashboard.Dashboard:
    """The dashboard."""
    made = frame.dashboard_of(UID, "Wattrain / Training job", "State, learning, speed, energy and workers of one job.")
    for variable in (frame.cluster_variable(), frame.namespace_variable(), frame.job_variable()):
        made = made.with_variable(variable)
    made = made.with_variable(dashboard.TextBoxVariable("logs").label("Logs").default_value(""))
    for annotation in _annotations():
        made = made.annotation(annotation)
    sections = [_now(), _learning(), _speed(), *training_job_energy.sections(), _workers(), other_exporters.gpus(),
                other_exporters.containers(), _about()]  # fmt: skip
    return frame.with_sections(made, sections)


def _annotations() -> Iterator[dashboard.AnnotationQuery]:
    """Marks in all graphs. Each expression is above 0 where there is something to mark."""
    for name, colour, expr in (
        ("Restart", "orange", f"{ONE_JOB.changes_of_job('restarts_total')} > 0"),
        ("Checkpoint", "blue", f"{ONE_JOB.changes_of_job('checkpoint_step')} > 0"),
        ("Suspended", "purple", f"{ONE_JOB.in_state('Suspended')} == 1"),
    ):
        query = dashboard.AnnotationQuery().name(name).enable(True).icon_color(colour).datasource(DATA_SOURCE)
        yield query.expr(expr).step("60s").title_format(name).text_format("{{trainingjob}}")


def _now() -> Section:
    state = figure("State", "none", "What the job does now, as `kubectl get trainingjobs` says it.",
                   Query(ONE_JOB.state_code()))  # fmt: skip
    logs = links({"title": "All logs", "url": _LOGS, "targetBlank": True})
    return Section("Now", [
        Placed(state.mappings([state_mapping()]).override_by_regexp("/.*/", [logs]), 4, 4),
        Placed(
            figure("Progress", "percentunit", "Steps done / steps to do.", Query(ONE_JOB.of_job("progress_ratio"))),
            3, 4,
        ),
        Placed(
            figure("Steps", "none", "Optimizer steps done and planned, repeated ones counted once, and whole passes "
                   "over the training split.", Query(ONE_JOB.of_job("step"), "done"),
                   Query(ONE_JOB.of_job("planned_steps"), "planned"), Query(ONE_JOB.of_job("epoch"), "epochs")),
            5, 4,
        ),
        Placed(
            figure("Loss", "none", "Training loss of the last recorded step, mean over the global batch.",
                   Query(ONE_JOB.of_job("loss"))).decimals(4).mappings([not_a_number()]),
            3, 4,
        ),
        Placed(
            figure("Samples a second", "short", "Samples trained on per second, all workers together.",
                   Query(ONE_JOB.of_job("samples_per_second"))),
            3, 4,
        ),
        Placed(
            figure("Time left", "s", "Estimated from the steps that are left. Empty where it is not known.",
                   Query(ONE_JOB.of_job("eta_seconds"))).no_value("-"),
            3, 4,
        ),
        Placed(
            figure("Restarts", "none", "Restarts of the workers, in place or not.",
                   Query(ONE_JOB.of_job("restarts_total")), steps=((None, "green"), (1, "orange"), (5, "red"))),
            3, 4,
        ),
        *training_job_energy.figures_now(),
    ])  # fmt: skip


def _learning() -> Section:
    return Section("Learning", [
        Placed(
            lines("Loss", "none", "Loss of training, by recorded step, and of the validation split.",
                  Query(ONE_JOB.of_job("loss"), "training"), Query(ONE_JOB.of_job("validation_loss"), "validation")),
            12, 9,
        ),
        Placed(
            lines("Validation metrics", "none", "Of classes: the share that is classified correctly, its mean over the "
                  "classes, F1 and the area under the ROC curve. Of a number: R2. Of texts: hidden "
                  "tokens and following sentences that are found. Of interactions: left-out items that are "
                  "recommended. 1 is the best of each.",
                  *(Query(ONE_JOB.of_job(f"validation_{name}_ratio"), shown) for name, shown in _SHARES)).max(1),
            12, 9,
        ),
        Placed(
            lines("Validation error of a number", "none", "Mean absolute error in the label's unit, and mean squared "
                  "error in its square. Empty where classes are predicted.",
                  Query(ONE_JOB.of_job("validation_mae"), "mean absolute error"),
                  Query(ONE_JOB.of_job("validation_mse"), "mean squared error")).min(0),
            8, 9,
        ),
        Placed(
            lines("Validation bits per byte", "none", "What the tokens of a text cost by the model's probabilities, a "
                  "byte of the text. Empty where no text is modelled.",
                  Query(ONE_JOB.of_job("validation_bits_per_byte"), "bits per byte")).min(0),
            8, 9,
        ),
        Placed(
            lines("Steps without effect", "none", "Steps that left no trace because loss or gradient was no finite "
                  "number, and steps that were left out because the gradient overflowed in fp16. Empty where neither "
                  "is counted.",
                  Query(ONE_JOB.of_job("non_finite_steps"), "not finite"),
                  Query(ONE_JOB.of_job("overflow_steps"), "overflow")).min(0).decimals(0),
            8, 9,
        ),
        Placed(
            lines("Preparation of the data", "none", "Rows, pictures or documents that the preparation is through "
                  "with, by stage. Empty once it is done.",
                  Query(ONE_JOB.of_job("prepared_samples", by=("stage",)), "{{stage}}")).min(0).decimals(0),
            8, 9,
        ),
        Placed(
            lines("Learning rate", "none", "Learning rate of the last recorded step.",
                  Query(ONE_JOB.of_job("learning_rate"), "learning rate")),
            8, 9,
        ),
        Placed(
            lines("Norm of the gradient", "none", "Before clipping. There is one only where the job clips gradients.",
                  Query(f"max({ONE_JOB.worker('gradient_norm')})", "norm")).min(0),
            8, 9,
        ),
    ])  # fmt: skip


def _speed() -> Section:
    buckets = f"sum by (le) ({ONE_JOB.rate_of_worker('step_duration_seconds_bucket', by=('le',))})"
    # A worker counts the waits of all its ranks, which go in step; a checkpoint is counted by the rank that writes it.
    waits = ONE_JOB.rate_of_worker("data_wait_seconds_total")
    ranks = f"{ONE_JOB.of_worker('ranks_running')} > 0"
    saves = f"max({ONE_JOB.rate_of_worker('checkpoint_blocked_seconds_total')})"
    return Section("Speed", [
        Placed(
            lines("Throughput", "short", "Samples trained on per second, all workers together.",
                  Query(ONE_JOB.of_job("samples_per_second"), "samples a second")).min(0),
            8, 9,
        ),
        Placed(
            lines("Utilization of the processors", "percentunit", "Operations that the training makes, as a share of "
                  "the most that its processors do in this precision (model FLOPs utilization). Empty where that is "
                  "not known.",
                  Query(ONE_JOB.of_job("flops_utilization_ratio"), "utilization")).min(0),
            8, 9,
        ),
        Placed(
            lines("Steps a second", "short", "Optimizer steps a second; 0 while nothing moves.",
                  Query(ONE_JOB.rate_of_job("steps_total"), "steps a second")).min(0),
            8, 9,
        ),
        Placed(
            lines("Time of a step", "s", "Time from one recorded step to the next, a step: half of the steps take no "
                  "longer than the median, one in a hundred takes longer than the 99th percentile.",
                  Query(f"histogram_quantile(0.5, {buckets})", "median"),
                  Query(f"histogram_quantile(0.9, {buckets})", "90th percentile"),
                  Query(f"histogram_quantile(0.99, {buckets})", "99th percentile")).min(0),
            12, 9,
        ),
        Placed(
            lines("Where a step waits", "percentunit", "Share of the time in which the training loop waits, mean over "
                  "the ranks; the rest is computing and exchanging gradients.",
                  Query(f"avg({waits} / ({ranks}))", "waits for data"), Query(saves, "saves a checkpoint")).min(0),
            12, 9,
        ),
    ])  # fmt: skip


def _workers() -> Section:
    age = f"time() - {ONE_JOB.of_job('checkpoint_timestamp_seconds')} {ONE_JOB.is_running()}"
    measured, modelled = (
        f"sum by (worker) ({ONE_JOB.of_worker('power_watts', which, by=('component', 'device', 'source'))})"
        for which in ('source!="model"', 'source="model"')
    )
    return Section("State, workers and checkpoints", [
        Placed(states("State over time", "State of the job.", Query(ONE_JOB.state_code(), "{{trainingjob}}")), 12, 5),
        Placed(
            lines("Workers", "none", "Workers of the current attempt.",
                  Query(ONE_JOB.of_job("workers_desired"), "desired"), Query(ONE_JOB.of_job("workers_ready"), "ready"))
            .min(0).decimals(0).line_interpolation(common.LineInterpolation.STEP_AFTER),
            12, 5,
        ),
        Placed(
            lines("Power by worker", "watt", "Power of each worker now, all components together.",
                  Query(measured, "worker {{worker}}, measured"), Query(modelled, "worker {{worker}}, modelled"))
            .min(0),
            6, 8,
        ),
        Placed(
            lines("Samples a second by worker", "short", "A worker that is slower than the others holds them all up.",
                  Query(ONE_JOB.rate_of_worker("samples_total"), "worker {{worker}}")).min(0),
            6, 8,
        ),
        Placed(
            lines("Age of the newest checkpoint", "s", "What a failure now would repeat. Only while the job runs.",
                  Query(age, "age")).min(0),
            6, 8,
        ),
        Placed(
            lines("Time to save a checkpoint", "s", "From the decision to save to the commit of the newest checkpoint.",
                  Query(f"max({ONE_JOB.worker('checkpoint_duration_seconds')})", "slowest worker")).min(0),
            6, 8,
        ),
    ])  # fmt: skip


def _about() -> Section:
    about = rows(
        "About the job", "dateTimeAsLocal", "What is trained, and how.", ["start", "end"],
        Query(f"{ONE_JOB.of_job('start_timestamp_seconds')} * 1000"),
        Query(f"{ONE_JOB.of_job('completion_timestamp_seconds')} * 1000"), hide=_SAME,
    )  # fmt: skip
    parts = ("recipe", "strategy", "precision", "image", "powerdomain", "attempt")
    info = rows("Recipe", "none", "What is trained, with which image and attempt.", ["info"],
                Query(ONE_JOB.of_job("info", by=parts)), hide=_SAME).override_by_name("info", [hidden()])  # fmt: skip
    return Section("About", [
        Placed(info, 12, 6), Placed(about, 6, 6),
        Placed(note("Measured and modelled", "What the words mean.", _ABOUT_ENERGY), 6, 6),
    ])  # fmt: skip
