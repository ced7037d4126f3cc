"""One run directory as its own records have it: its job, its status, its events, and its figures as series."""

from __future__ import annotations

import json
import re
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path

from wattrain_api import reasons
from wattrain_api.status import TrainingJobStatus
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.core.conditions import is_finished, is_true
from wattrain_operator.dashboard.recorded_query import RecordedSeries
from wattrain_operator.dashboard.source_protocol import JobStory, TimedEvent
from wattrain_operator.local.recorded_figures import RecordedFigures
from wattrain_operator.local.rundir import is_in_use

_MOST_EVENTS = 500


class RecordedRun:
    """It is read without its lock, for it may be in use."""

    def __init__(self, path: Path) -> None:
        """OSError, ValueError or ValidationError where `path` holds no run."""
        self.path = path
        self._figures = RecordedFigures(path / "metrics.jsonl")
        self._read()
        self.job = TrainingJob.model_validate(_json(path / "job.json"), extra="ignore")
        self._made: tuple[object, dict[str, list[RecordedSeries]]] = (None, {})

    @property
    def identity(self) -> tuple[str, str]:
        """Namespace and name of its job."""
        return self.job.metadata.namespace, self.job.metadata.name

    def call_by_directory(self) -> None:
        """Name its job by its directory, to tell it from another run of the job. Names stand in regular expressions."""
        name = re.sub(r"[^\w./-]", "_", str(self.path))
        self.job = self.job.model_copy(update={"metadata": self.job.metadata.model_copy(update={"name": name})})

    def _read(self) -> None:
        file = self.path / "status.json"
        try:
            self.status = TrainingJobStatus.from_json_object(_json(file))
        except FileNotFoundError:  # of a run that begins just now
            self.status, file = TrainingJobStatus(), self.path / "job.json"
        self._written = datetime.fromtimestamp(file.stat().st_mtime, UTC)
        self._figures.read_on()

    def series(self) -> dict[str, list[RecordedSeries]]:
        """Made anew where something was recorded since: the page asks dozens of questions at once."""
        state = [_state(self.path / name) for name in ("status.json", "metrics.jsonl")]
        if self._made[0] != state:
            self._read()
            self._made = state, self._figures.series(self.job, self.status, self.known_at)
        return self._made[1]

    @property
    def known_at(self) -> datetime:
        """Of when its status is."""
        return self.end or self._written

    @property
    def end(self) -> datetime | None:
        """When it ended, was stopped, or was last heard of; None: it still runs, as far as is known."""
        if self.status.completion_time is not None:  # in whole seconds
            return max([self.status.completion_time, *map(_not_before, self._figures.times)])
        return self._written if self._has_said_its_end else self.silent_since

    @property
    def _has_said_its_end(self) -> bool:
        ended = self.status.completion_time is not None or is_finished(self.status)
        waits = any(hold.by_itself for hold in self.status.internal.holds)
        return ended or (is_true(self.status, reasons.SUSPENDED) and not waits)

    @property
    def silent_since(self) -> datetime | None:
        """When the last was heard of it, where nobody runs it any more and its status does not say so."""
        if self._has_said_its_end or is_in_use(self.path) is not False:
            return None
        return max([self._written, *map(_not_before, self._figures.times)])

    @property
    def start(self) -> float:
        """When it began, or was first written of, in seconds since 1970."""
        began = self.status.start_time or self._written
        return min([began.timestamp(), *self._figures.times])

    def story(self) -> JobStory:
        """What is known of it beside its figures."""
        silent_since = self.silent_since
        return JobStory(
            namespace=self.job.metadata.namespace,
            name=self.job.metadata.name,
            state=self.status.state,
            message=self.status.message,
            events=self._events(),
            has_receipt=(self.path / "receipt.html").exists(),
            silent_since=None if silent_since is None else silent_since.timestamp(),
            resumes=f"wattrain run {shlex.quote(str(self.path / 'job.json'))} --dir {shlex.quote(str(self.path))}",
        )

    def _events(self) -> tuple[TimedEvent, ...]:
        try:
            lines = (self.path / "events.jsonl").read_text(encoding="utf-8").splitlines()[-_MOST_EVENTS:]
        except OSError:
            return ()
        found = (json.loads(line) for line in lines if line.endswith("}"))  # not half a line
        return tuple(TimedEvent(e["time"], e["type"], e["reason"], e["message"]) for e in found)


def _not_before(seconds: float) -> datetime:
    """The time of a line, which has more digits than a microsecond: rounded down, the line would lie after the end."""
    time = datetime.fromtimestamp(seconds, UTC)
    return time if time.timestamp() >= seconds else time + timedelta(microseconds=1)


def _state(file: Path) -> tuple[int, int]:
    """When it was written, and its size; zeros where it is missing."""
    try:
        found = file.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


def _json(file: Path) -> object:
    return json.loads(file.read_bytes())
