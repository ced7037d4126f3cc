"""The lines of `wattrain run --output json` as they come: shown to somebody, and what is left of them at the end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from wattrain_api.status import TrainingJobStatus
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.core.observed import Event
from wattrain_operator.local.view_model import Opening, Result, View, ViewModel


class RunLines:
    """Takes the lines of one job."""

    def __init__(self, job: TrainingJob, view: View | None) -> None:
        """`view`: who is shown what they say; None: nobody."""
        self._job, self._view = job, view
        self.result: Result | None = None
        """How the job ended; None: it has not, or could not start."""
        self.refusal: tuple[str, ...] = ()
        """Why the command did not run it."""

    def take(self, line: str) -> None:
        """One line. What is no object of the command's is not for us."""
        try:
            found = json.loads(line)
        except ValueError:
            return
        if isinstance(found, dict):
            self._take(str(found.get("type")), found)

    def _take(self, kind: str, found: dict[str, Any]) -> None:
        name, view = self._job.metadata.name, self._view
        if kind == "error":
            self.refusal = tuple(found["lines"])
        elif kind == "result":
            receipt = None if found["receipt"] is None else Path(found["receipt"])
            status = TrainingJobStatus.from_json_object(found["status"])
            self.result = Result(status, found["exitCode"], tuple(found["sentences"]), receipt)
            if view is not None:
                view.end(name, self.result)
        elif view is None:
            return
        elif kind == "start":
            place, notes = Path(found["dir"]), tuple(found["notes"])
            view.begin([Opening(self._job, place, found["metricsUrl"], found["resumed"], notes)])
        elif kind == "status":
            view.show(name, ViewModel(TrainingJobStatus.from_json_object(found["status"])))
        elif kind == "event":
            view.event(name, Event(found["severity"], found["reason"], found["message"]))
