"""The tracker `mlflow`: a run on an MLflow server."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from wattrain_api.contract.recorded_step import RecordedStep
from wattrain_worker.tracking.follower import TrackingError
from wattrain_worker.tracking.tracked_end import COMPLETE, FAILED, TrackedEnd
from wattrain_worker.tracking.tracked_figures import TrackedFigure, figures_of, figures_of_evaluation
from wattrain_worker.tracking.tracked_job import TrackedJob

_SETTINGS: Final = {
    # Tries and pauses are the follower's, so that the end of a job waits for no long one.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "4",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
"""Unless the job sets them otherwise."""
UID_TAG: Final = "wattrain.dev/uid"
STEP_TAG: Final = "wattrain.dev/step"
"""Up to which step the server has all figures: a server takes no point back, and so each step is sent once."""
OUTCOME_TAG: Final = "wattrain.dev/outcome"
_MOST_PARAMETERS: Final = 100
_NO_ENTRY: Final = re.compile(r"\berror code 40[13]\b")
"""What the client says of a server, or of what stands before it, that gives no reason in JSON."""
_LONGEST_REASON: Final = 200


class MlflowRun:
    """The run of a job, found again by the job's uid."""

    def __init__(self, job: TrackedJob, client: Any) -> None:
        """`client` is an MlflowClient."""
        self._job, self._client = job, client
        self._host = urlsplit(job.options["trackingURI"]).netloc
        self._run_id: str | None = None
        self._last_step = -1
        self._end_time: float | None = None

    def send(self, lines: Sequence[RecordedStep]) -> None:
        """As Tracker says."""
        try:
            run_id = self._run_id or self._open()
            new, last = [], self._last_step
            for line in lines:
                if line.phase is not None or line.step > last:
                    new += [(figure, line.time) for figure in figures_of(line)]
                    last = max(last, line.step)
            self._log(run_id, new, {STEP_TAG: str(last)})
            self._last_step = last
        except Exception as error:  # of the library, of what it uses, of what the server says
            raise self._refused(error) from error

    def finish(self, end: TrackedEnd) -> None:
        """As Tracker says. A job that was stopped goes on: its run stays open."""
        try:
            run_id = self._run_id or self._open()
            self._end_time = self._end_time or time.time()
            test = () if end.test is None else figures_of_evaluation("test", end.test)
            figures = [(figure, self._end_time) for figure in test]
            self._log(run_id, figures, {OUTCOME_TAG: end.outcome})
            status = {COMPLETE: "FINISHED", FAILED: "FAILED"}.get(end.outcome)
            if status is not None:
                self._client.set_terminated(run_id, status)
        except Exception as error:
            raise self._refused(error) from error

    def _open(self) -> str:
        experiment = self._job.options["experiment"]
        found = self._client.get_experiment_by_name(experiment)
        experiment_id = self._client.create_experiment(experiment) if found is None else found.experiment_id
        uid = self._job.uid.replace("'", "")
        runs = self._client.search_runs([experiment_id], f"tags.`{UID_TAG}` = '{uid}'", max_results=1)
        if runs:
            run = runs[0]
            self._last_step = int(run.data.tags.get(STEP_TAG, "-1"))
            self._client.update_run(run.info.run_id, status="RUNNING")
        else:
            tags = {UID_TAG: uid, "wattrain.dev/job": self._job.name, "wattrain.dev/namespace": self._job.namespace}
            run = self._client.create_run(experiment_id, run_name=self._job.name, tags=tags)
        run_id = str(run.info.run_id)
        self._log_parameters(run_id)
        self._run_id = run_id
        return run_id

    def _log_parameters(self, run_id: str) -> None:
        """A server that has them already takes the same ones again."""
        from mlflow.entities import Param

        parameters = [Param(name, value) for name, value in self._job.parameters.items()]
        self._client.log_batch(run_id, params=parameters[:_MOST_PARAMETERS])

    def _log(self, run_id: str, figures: Sequence[tuple[TrackedFigure, float | None]], tags: dict[str, str]) -> None:
        """One request. Times are those of the lines, so that a server that took it before takes it for the same."""
        from mlflow.entities import Metric, RunTag

        metrics = [Metric(f.name, f.value, int(1000 * (at or time.time())), f.step) for f, at in figures]
        self._client.log_batch(run_id, metrics=metrics, tags=[RunTag(name, value) for name, value in tags.items()])

    def _refused(self, error: Exception) -> TrackingError:
        said = " ".join(str(error).split())
        code = getattr(error, "get_http_status_code", lambda: 0)()
        is_no_entry = code in (401, 403) or _NO_ENTRY.search(said) is not None
        said = said[:_LONGEST_REASON]
        if is_no_entry:
            remedy = (
                "give MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, by workers.env"
            )
            return TrackingError(f"the server at {self._host} refuses to take figures ({said}): {remedy}")
        remedy = "see that it runs, and that the workers reach trackingURI; what it lacks is sent when it answers"
        return TrackingError(f"the server at {self._host} does not take figures ({said}): {remedy}")


def open_tracker(job: TrackedJob) -> MlflowRun:
    """The tracker of `job`."""
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    return MlflowRun(job, MlflowClient(tracking_uri=job.options["trackingURI"]))
