"""The rows of the metrics: their names, and that the fields which they name exist with the unit that they say."""

import dataclasses
import re
import typing
from collections import Counter
from datetime import UTC, datetime

import pytest

from wattrain_api import metrics
from wattrain_api.contract.codec import fields_of
from wattrain_api.contract.progress import Distribution, Progress
from wattrain_api.metric_families import families_of, text_of
from wattrain_api.metrics import COUNTER, DOMAIN, GAUGE, HISTOGRAM, JOB, OPERATOR, WORKER, Exported, Metric
from wattrain_api.metrics_doc import render
from wattrain_api.status import Progress as JobProgress
from wattrain_api.status import TrainingJobStatus
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.cluster.operator_figures import OperatorFigures
from wattrain_operator.exposition import ExportedDomain, ExportedJob, job_families
from wattrain_worker.supervisor.worker_exposition import metrics_text

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STRUCTURES = {WORKER: Progress, JOB: ExportedJob, DOMAIN: ExportedDomain, OPERATOR: OperatorFigures}
ALL = [
    pytest.param(structure, exported, id=exported.name)
    for subject, structure in STRUCTURES.items()
    for exported in metrics.exported_of(subject)
]
LABELS = {
    "namespace", "trainingjob", "state", "component", "device", "source", "currency", "kind", "verb", "resource",
    "code", "outcome", "recipe", "strategy", "precision", "image", "powerdomain", "attempt", "version", "python",
    "phase", "stage", "cause", "basis", "reason", "threads", "known",
}  # fmt: skip
BASE_UNITS = {"seconds", "joules", "watts", "bytes", "grams", "ratio"}
CONTRACT_UNITS = {"s": "seconds", "J": "joules", "W": "watts", "B": "bytes", "1/s": "samples per second"}


def text_of_job(job, status):
    return text_of(job_families(TrainingJob.model_validate(job), status, NOW)).decode()


def plain(hint):
    """A type without None, tuple and Annotated around it."""
    arguments = [item for item in typing.get_args(hint) if item not in (type(None), Ellipsis)]
    is_wrapped = dataclasses.is_dataclass(hint) is False and typing.get_origin(hint) is not typing.Literal
    return plain(arguments[0]) if arguments and is_wrapped else hint


def owner_of(structure, path):
    """The structure that has the last field of `path`, and the name of that field."""
    *parts, last = path.replace("[]", "").split(".")
    for part in parts:
        structure = plain(typing.get_type_hints(structure, include_extras=True)[part])
    return structure, last


@pytest.mark.parametrize(("structure", "exported"), ALL)
def test_names_follow_the_conventions_of_prometheus(structure, exported: Exported):
    metric = exported.metric
    assert exported.name.endswith("_total") == (metric.type == COUNTER)
    assert metric.type in (GAUGE, COUNTER, HISTOGRAM)
    assert set(exported.labels) <= LABELS
    assert metric.unit not in BASE_UNITS or metric.unit in exported.name
    assert metric.help.endswith(".")
    assert "|" not in metric.help  # it would break the table of the document


def test_no_name_is_exported_twice():
    names = Counter(exported.name for subject in STRUCTURES for exported in metrics.exported_of(subject))
    assert [name for name, count in names.items() if count > 1] == []
    assert all(row.worker or row.job or row.domain or row.operator for row in metrics.METRICS)
    assert set(STRUCTURES) == set(metrics.SUBJECTS)


@pytest.mark.parametrize(("structure", "exported"), ALL)
def test_the_field_of_a_row_exists_and_its_labels_lie_beside_it(structure, exported: Exported):
    owner, field = owner_of(structure, exported.field)
    shown = plain(typing.get_type_hints(owner, include_extras=True)[field])
    names = {known.name for known in dataclasses.fields(owner)}
    assert field in names
    is_info = dataclasses.is_dataclass(shown) and shown is not Distribution
    assert set(exported.metric.labels) <= ({f.name for f in dataclasses.fields(shown)} if is_info else names)
    if exported.metric.known_by:
        known_owner, known_field = owner_of(structure, exported.metric.known_by)
        assert known_field in {known.name for known in dataclasses.fields(known_owner)}


@pytest.mark.parametrize("exported", metrics.exported_of(WORKER), ids=lambda exported: exported.name)
def test_the_unit_of_a_row_is_that_of_the_contract(exported: Exported):
    owner, name = owner_of(Progress, exported.field)
    unit = next(field.kind.unit for field in fields_of(owner) if field.name == name)
    if unit:
        assert exported.metric.unit == CONTRACT_UNITS.get(unit, unit)


def test_a_row_that_is_added_appears_in_both_expositions_and_in_the_document(monkeypatch, job):
    row = Metric("all_steps", GAUGE, "steps", "Steps to do.", worker="total_steps", job="status.progress.total_steps")
    monkeypatch.setattr(metrics, "METRICS", (*metrics.METRICS, row))
    assert "\nwattrain_worker_all_steps 690.0\n" in metrics_text(Progress(total_steps=690)).decode()
    status = TrainingJobStatus(progress=JobProgress(total_steps=690))
    text = text_of_job(job, status)
    assert re.search(
        r'^wattrain_trainingjob_all_steps{namespace="\w*",trainingjob="digits"} 690.0$', text, re.MULTILINE
    )
    assert "| `wattrain_worker_all_steps` | gauge | steps | - | `totalSteps` | Steps to do. |" in render()
    labels = "`namespace`, `trainingjob`"
    line = (
        f"| `wattrain_trainingjob_all_steps` | gauge | steps | {labels} | `status.progress.totalSteps` | Steps to do. |"
    )
    assert line in render()


def test_a_distribution_becomes_cumulative_buckets(monkeypatch):
    row = Metric("waits", HISTOGRAM, "seconds", "Waits.", worker="step_durations")
    monkeypatch.setattr(metrics, "METRICS", (row,))
    text = text_of(families_of(WORKER, Progress(step_durations=Distribution((0.5, 1.0), (3, 0, 2), 9.5)))).decode()
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert values == {
        'wattrain_worker_waits_bucket{le="0.5"}': "3.0",
        'wattrain_worker_waits_bucket{le="1.0"}': "3.0",
        'wattrain_worker_waits_bucket{le="+Inf"}': "5.0",
        "wattrain_worker_waits_count": "5.0",
        "wattrain_worker_waits_sum": "9.5",
    }


def test_a_field_that_does_not_exist_is_an_error_and_not_an_absent_metric(monkeypatch):
    monkeypatch.setattr(metrics, "METRICS", (Metric("loss", GAUGE, "", "Loss.", worker="los"),))
    with pytest.raises(AttributeError, match="los"):
        families_of(WORKER, Progress(loss=1.0))


def test_a_loss_that_is_no_number_any_more_is_exported_as_prometheus_writes_it(job):
    status = TrainingJobStatus(progress=JobProgress(loss_not_finite="NaN"))
    text = text_of_job(job, status)
    assert re.search(r"^wattrain_trainingjob_loss{.*} NaN$", text, re.MULTILINE)
    worker = metrics_text(Progress(loss=float("-inf"), gradient_norm=float("inf"))).decode()
    assert "\nwattrain_worker_loss -Inf\n" in worker
    assert "\nwattrain_worker_gradient_norm +Inf\n" in worker
