"""Run directories as the source of the page: their own records, no Prometheus."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from wattrain_operator.dashboard import recorded_query
from wattrain_operator.dashboard.http_server import Answer
from wattrain_operator.dashboard.recorded_query import RecordedSeries
from wattrain_operator.dashboard.source_protocol import About, failure, success
from wattrain_operator.local.recorded_run import RecordedRun
from wattrain_operator.local.refused import Refused

SCRAPE_SECONDS = 1.0
_MOST_POINTS = 11_000  # as Prometheus


class RunSource:
    """Answers from the records of runs, while they are written and afterwards."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Refused where one holds no run."""
        self._lock = threading.Lock()
        self._runs: list[RecordedRun] = []
        for path in paths:
            try:
                self._runs.append(RecordedRun(path))
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
