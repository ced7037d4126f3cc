"""For programs: one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TextIO

from wattrain_api.status import TrainingJobStatus
from wattrain_operator.core.observed import Event
from wattrain_operator.local.view_model import Opening, Result, ViewModel


class JsonView:
    """Writes of each job `start`, then `status` whenever it changed and `event`, at last `result`. Every line has the
    name of its job as `job`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown: dict[str, TrainingJobStatus] = {}

    def begin(self, openings: Sequence[Opening]) -> None:
        """`{"type": "start", "job", "dir", "metricsUrl", "resumed", "notes"}`, and `pageUrl` where a page is served;
        on a cluster `namespace` in place of `dir` and the addresses."""
        for opening in openings:
            place = {"dir": str(opening.directory), "metricsUrl": opening.metrics_url}
            if opening.page_url:
                place["pageUrl"] = opening.page_url
            if opening.directory is None:
                place = {"namespace": opening.job.metadata.namespace}
            self._write("start", opening.job.metadata.name, **place, resumed=opening.resumed, notes=list(opening.notes))

    def show(self, job: str, seen: ViewModel) -> None:
        """`{"type": "status", "job", "status"}` in the shape of status.json."""
        if seen.status != self._shown.get(job):
            self._shown[job] = seen.status
            self._write("status", job, status=seen.status.to_json_object())

    def event(self, job: str, event: Event) -> None:
        """`{"type": "event", "job", "severity", "reason", "message"}`."""
        self._write("event", job, severity=event.type, reason=event.reason, message=event.message)

    def end(self, job: str, result: Result) -> None:
        """`{"type": "result", "job", "exitCode", "state", "sentences", "receipt", "status"}`."""
        self._write(
            "result", job, exitCode=result.exit_code, state=result.status.state, sentences=list(result.sentences),
            receipt=None if result.receipt is None else str(result.receipt), status=result.status.to_json_object(),
        )  # fmt: skip

    def close(self) -> None:
        """Nothing to give back."""

    def _write(self, type_: str, job: str, **fields: Any) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._stream.write(json.dumps({"type": type_, "time": now, "job": job, **fields}) + "\n")
        self._stream.flush()
