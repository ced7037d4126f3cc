"""`wattrain_trainingjob_*` of a job, for the page of `wattrain run` and for the operator's alike."""

from __future__ import annotations

from prometheus_client.core import Metric as Family

from wattrain_api import metrics
from wattrain_api.metric_families import families_of
from wattrain_api.status import TrainingJobStatus
from wattrain_api.trainingjob import TrainingJob


def job_families(job: TrainingJob, status: TrainingJobStatus) -> list[Family]:
    """The families of a job as `status` has them."""
    return families_of(metrics.JOB, status, {"namespace": job.metadata.namespace, "name": job.metadata.name})
