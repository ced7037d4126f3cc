"""For programs: one JSON object a line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, TextIO

from wattrain_api.status import TrainingJobStatus
from wattrain_operator.core.observed import Event
from wattrain_operator.local.look import Look, Opening, Result


class JsonView:
    """Writes `start`, then `status` whenever it changed and `event`, at last `result`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown: TrainingJobStatus | None = None

    def begin(self, opening: Opening) -> None:
        """`{"type": "start", "job", "dir", "metricsUrl", "resumed", "notes"}`."""
        self._write(
            "start", job=opening.job.metadata.name, dir=str(opening.directory), metricsUrl=opening.metrics_url,
            resumed=opening.resumed, notes=list(opening.notes),
        )  # fmt: skip

    def show(self, look: Look) -> None:
        """`{"type": "status", "status"}` in the shape of status.json."""
        if look.status != self._shown:
            self._shown = look.status
            self._write("status", status=look.status.to_json_object())

    def tell(self, event: Event) -> None:
        """`{"type": "event", "severity", "reason", "message"}`."""
        self._write("event", severity=event.type, reason=event.reason, message=event.message)

    def end(self, result: Result) -> None:
        """`{"type": "result", "exitCode", "state", "sentences", "receipt", "status"}`."""
        self._write(
            "result", exitCode=result.exit_code, state=result.status.state, sentences=list(result.sentences),
            receipt=None if result.receipt is None else str(result.receipt), status=result.status.to_json_object(),
        )  # fmt: skip

    def close(self) -> None:
        """Nothing to give back."""

    def _write(self, type_: str, **fields: Any) -> None:
        line = {"type": type_, "time": datetime.now(UTC).isoformat(timespec="milliseconds"), **fields}
        self._stream.write(json.dumps(line) + "\n")
        self._stream.flush()
