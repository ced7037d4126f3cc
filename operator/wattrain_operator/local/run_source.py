"""Run directories as the source of the page: their own records, no Prometheus."""

from __future__ import annotations

import json
import math
import re
import shlex
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import ValidationError

from wattrain_api import reasons
from wattrain_api.status import TrainingJobStatus
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.core.conditions import is_finished, is_true
from wattrain_operator.dashboard import recorded_query
from wattrain_operator.dashboard.http_server import Answer
from wattrain_operator.dashboard.recorded_query import RecordedSeries
from wattrain_operator.dashboard.source_protocol import About, JobStory, TimedEvent, failure, success
from wattrain_operator.local.recorded_figures import RecordedFigures
from wattrain_operator.local.refused import Refused
from wattrain_operator.local.rundir import is_in_use

SCRAPE_SECONDS = 1.0
_MOST_EVENTS = 500
_MOST_POINTS = 11_000  # as Prometheus


class _Run:
    """One run directory, read without its lock: it may be in use."""

    def __init__(self, path: Path) -> None:
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
        return ended or is_true(self.status, reasons.SUSPENDED)

    @property
    def silent_since(self) -> datetime | None:
        """When the last was heard of it, where nobody runs it any more and its status does not say so."""
        if self._has_said_its_end or is_in_use(self.path) is not False:
            return None
        return max([self._written, *map(_not_before, self._figures.times)])

    @property
    def start(self) -> float:
        began = self.status.start_time or self._written
        return min([began.timestamp(), *self._figures.times])

    def story(self) -> JobStory:
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


class RunSource:
    """Answers from the records of runs, while they are written and afterwards."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Refused where one holds no run."""
        self._lock = threading.Lock()
        self._runs: list[_Run] = []
        for path in paths:
            try:
                self._runs.append(_Run(path))
            except (OSError, ValueError, ValidationError):
                raise Refused(f"{path}: holds no run; give the directory that `wattrain run` names") from None
        jobs = Counter(run.identity for run in self._runs)
        for run in self._runs:
            if jobs[run.identity] > 1:
                run.call_by_directory()

    def about(self) -> About:
        """The runs, and from when to when they are."""
        with self._lock:
            for run in self._runs:
                run.series()
            ends = [run.end for run in self._runs]
            over = [end.timestamp() for end in ends if end is not None]
            return About(
                kind="runs",
                what=", ".join(str(run.path) for run in self._runs),
                scrape_seconds=SCRAPE_SECONDS,
                start=min(run.start for run in self._runs),
                end=max(over) if len(over) == len(ends) else None,
                jobs=tuple(run.story() for run in self._runs),
            )

    def receipt(self, namespace: str, name: str) -> bytes | None:
        """The receipt of a job, once it is finished."""
        for run in self._runs:
            if run.identity == (namespace, name):
                try:
                    return (run.path / "receipt.html").read_bytes()
                except OSError:
                    return None
        return None

    def ask(self, path: str, parameters: Mapping[str, Sequence[str]]) -> Answer:
        """As Prometheus would answer, where the records can; else that a Prometheus is needed, which is no failure: the
        page then leaves the panel out."""
        try:
            with self._lock:
                if path == "query":
                    return self._query(_text(parameters, "query"), [_number(parameters, "time")], instant=True)
                if path == "query_range":
                    return self._query(_text(parameters, "query"), _moments(parameters), instant=False)
                if path.startswith("label/") and path.endswith("/values"):
                    return self._label_values(path.split("/")[1], parameters.get("match[]", ()))
        except recorded_query.NeedsPrometheusError as error:
            return failure(200, "needs_prometheus", f"{error}; this needs a Prometheus")
        except (ValueError, OSError, ValidationError) as error:
            return failure(400, "bad_data", str(error))
        return failure(404, "not_found", f"{path}: not answered from the records of a run")

    def _present(self, moment: float) -> float:
        """`moment`, or the newest status that is a little later: who asks for the present of a run that goes on means
        what is known of it."""
        newest = max((run.known_at.timestamp() for run in self._runs if run.end is None), default=moment)
        return newest if 0 < newest - moment < recorded_query.HOLDS_SECONDS else moment

    def _query(self, text: str, moments: Sequence[float], *, instant: bool) -> Answer:
        if instant:
            moments = [self._present(moment) for moment in moments]
        series_of = self._series_of(at=moments[0] if instant else None)
        curves = recorded_query.evaluate(recorded_query.read_query(text), moments, series_of)
        result: list[dict[str, object]] = []
        for curve in curves:
            at = [[m, _as_text(v)] for m, v in zip(moments, curve.values, strict=True) if v is not None]
            result.append(
                {"metric": curve.labels, "value": at[0]} if instant else {"metric": curve.labels, "values": at}
            )
        return success({"resultType": "vector" if instant else "matrix", "result": result})

    def _label_values(self, label: str, selectors: Sequence[str]) -> Answer:
        series_of = self._series_of(at=time.time())
        values: set[str] = set()
        for selector in selectors:
            query = recorded_query.read_query(selector)
            latest = [max(s.points[-1][0] for s in series_of(query.name))] if series_of(query.name) else []
            values |= {c.labels[label] for c in recorded_query.evaluate(query, latest, series_of) if label in c.labels}
        return success(sorted(values))

    def _series_of(self, at: float | None) -> Callable[[str], list[RecordedSeries]]:
        """The series of all runs by the name of a metric: as of the moment `at`, or over time where that is None. What
        is known of the present alone is no line over time."""
        of_runs = [(run.series(), run.end) for run in self._runs]

        def series_of(name: str) -> list[RecordedSeries]:
            found = [(each, end) for series, end in of_runs for each in series.get(name, ())]
            if at is None:
                return [each for each, _ in found if len(each.points) > 1]
            return [_as_left(each, end, at) for each, end in found]

        return series_of


def _as_left(series: RecordedSeries, end: datetime | None, at: float) -> RecordedSeries:
    """A series of a run that was over `at` that moment, as the run left it: another run of the page may have ended much
    later. What was not known at its end is not known later."""
    last, value = series.points[-1]
    if end is None or end.timestamp() >= at or end.timestamp() - last >= recorded_query.HOLDS_SECONDS:
        return series
    return replace(series, points=[*series.points, (at, value)])


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


def _text(parameters: Mapping[str, Sequence[str]], name: str) -> str:
    return next(iter(parameters.get(name, ())), "")


def _number(parameters: Mapping[str, Sequence[str]], name: str) -> float:
    number = float(_text(parameters, name))
    if not math.isfinite(number):
        raise ValueError(f"{name}={number}: is no moment; write seconds since 1970")
    return number


def _moments(parameters: Mapping[str, Sequence[str]]) -> list[float]:
    start, end, step = (_number(parameters, name) for name in ("start", "end", "step"))
    if step <= 0 or (end - start) / step > _MOST_POINTS:
        raise ValueError(f"step={step}: gives too many points; write a longer one, or a shorter time")
    return [start + index * step for index in range(math.floor((end - start) / step + 1e-9) + 1)]


def _as_text(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return repr(value) if math.isfinite(value) else ("+Inf" if value > 0 else "-Inf")
