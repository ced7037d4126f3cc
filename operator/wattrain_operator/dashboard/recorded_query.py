"""The few queries that recorded series answer without a Prometheus. Pure.

Read are a selector, `rate()` or `increase()` of one, sums, means, least and greatest over these, and such a query
times a number. Everything else needs a Prometheus, and says so: this is no engine for PromQL, nor is it to become one.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

HOLDS_SECONDS = 60.0
"""So long a recorded value counts as the present one, unless a newer one comes."""
Point = tuple[float, float]
Labels = dict[str, str]
_TOKEN = re.compile(r'\s*(?:([A-Za-z_:][\w:]*)|("(?:[^"\\]|\\.)*")|(=~|!~|!=|[^\s\w]|\d+(?:ms|[smhdwy])?))')
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}
_OVER: Mapping[str, Callable[[Sequence[float]], float]] = {
    "sum": sum, "max": max, "min": min, "avg": lambda values: sum(values) / len(values),
}  # fmt: skip


class NeedsPrometheusError(Exception):
    """The query asks for more than recorded series can answer; the message says what."""


@dataclass(frozen=True)
class RecordedSeries:
    """Values of one metric with these labels, in the order of time."""

    labels: Mapping[str, str]
    points: Sequence[Point]
    """(seconds since 1970, value)"""
    summed_over: frozenset[str] = frozenset()
    """Labels that the metric has, and over whose values only the sum was recorded."""


@dataclass(frozen=True)
class Curve:
    """A result: values at the moments that were asked for; None where there is none."""

    labels: Labels
    values: Sequence[float | None]


@dataclass(frozen=True)
class Query:
    """A query that was understood."""

    name: str
    matchers: tuple[tuple[str, str, str], ...]
    """Label, operator, value."""
    function: str = ""
    """`rate`, `increase` or empty."""
    seconds: float = 0.0
    """What these look back."""
    aggregations: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Name and labels that are kept, the innermost first."""
    factor: float = 1.0
    """What the result is multiplied by."""


def read_query(text: str) -> Query:
    """The query in `text`. NeedsPrometheusError where it is another one."""
    reader = _Reader(text)
    query = reader.expression()
    factor = reader.factor()
    reader.expect("")
    return replace(query, factor=factor)


def evaluate(
    query: Query, moments: Sequence[float], series_of: Callable[[str], Iterable[RecordedSeries]]
) -> list[Curve]:
    """What `query` gives at `moments`, where `series_of` has the series by the name of a metric."""
    found = list(series_of(query.name))
    asked = {label for label, _, _ in query.matchers}.union(*(labels for _, labels in query.aggregations[:1]))
    for series in found:
        if apart := asked & series.summed_over:
            raise NeedsPrometheusError(f"a run records {query.name} summed up over {' and '.join(sorted(apart))}")
    found = [series for series in found if _matches(series.labels, query.matchers)]
    curves = [Curve(dict(series.labels), [_value(series.points, at, query) for at in moments]) for series in found]
    curves = [curve for curve in curves if any(value is not None for value in curve.values)]
    for name, labels in query.aggregations:
        curves = _aggregated(curves, _OVER[name], labels)
    times = query.factor
    return [Curve(c.labels, [None if value is None else value * times for value in c.values]) for c in curves]


class _Reader:
    """Reads one query from left to right."""

    def __init__(self, text: str) -> None:
        self._tokens: list[str] = []
        at = 0
        while at < len(text.rstrip()):
            found = _TOKEN.match(text, at)
            if found is None:
                raise NeedsPrometheusError("a run answers simple queries alone")
            self._tokens.append(found[0].strip())
            at = found.end()
        self._at = 0

    def expression(self) -> Query:
        word = self._word()
        if word in _OVER:
            labels = self._by()
            self.expect("(")
            inner = self.expression()
            self.expect(")")
            labels = labels if labels is not None else self._by() or ()
            return Query(
                inner.name, inner.matchers, inner.function, inner.seconds, (*inner.aggregations, (word, labels))
            )
        if word in ("rate", "increase"):
            self.expect("(")
            inner = self._selector(self._word())
            self.expect("[")
            seconds = self._duration()
            self.expect("]")
            self.expect(")")
            return Query(inner.name, inner.matchers, word, seconds)
        return self._selector(word)

    def factor(self) -> float:
        if self._peek() != "*":
            return 1.0
        self._at += 1
        factor = self._next()
        if not factor.isdigit():
            raise NeedsPrometheusError("a run answers simple queries alone")
        return float(factor)

    def expect(self, token: str) -> None:
        if self._next() != token:
            raise NeedsPrometheusError("a run answers simple queries alone")

    def _selector(self, name: str) -> Query:
        matchers = []
        if self._peek() == "{":
            self._at += 1
            while self._peek() != "}":
                label, operator, value = self._word(), self._next(), self._next()
                if operator not in ("=", "!=", "=~", "!~") or not value.startswith('"'):
                    raise NeedsPrometheusError("a run answers simple queries alone")
                matchers.append((label, operator, value[1:-1].replace('\\"', '"').replace("\\\\", "\\")))
                if self._peek() == ",":
                    self._at += 1
            self._at += 1
        return Query(name, tuple(matchers))

    def _by(self) -> tuple[str, ...] | None:
        if self._peek() != "by":
            return None
        self._at += 1
        self.expect("(")
        labels = []
        while self._peek() != ")":
            labels.append(self._word())
            if self._peek() == ",":
                self._at += 1
        self._at += 1
        return tuple(labels)

    def _duration(self) -> float:
        found = re.fullmatch(r"(\d+)(ms|[smhdwy])", self._next())
        if found is None:
            raise NeedsPrometheusError("a run answers simple queries alone")
        return int(found[1]) * _SECONDS[found[2]]

    def _word(self) -> str:
        word = self._next()
        if not re.fullmatch(r"[A-Za-z_:][\w:]*", word):
            raise NeedsPrometheusError("a run answers simple queries alone")
        return word

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        self._at += 1
        return token


def _matches(labels: Mapping[str, str], matchers: Iterable[tuple[str, str, str]]) -> bool:
    for label, operator, wanted in matchers:
        value = labels.get(label, "")
        fits = re.fullmatch(wanted, value) is not None if operator.endswith("~") else value == wanted
        if fits == operator.startswith("!"):
            return False
    return True


def _value(points: Sequence[Point], moment: float, query: Query) -> float | None:
    last = bisect_right(points, moment, key=lambda point: point[0])
    if not query.function:
        at_hand = last > 0 and moment - points[last - 1][0] <= HOLDS_SECONDS
        return points[last - 1][1] if at_hand else None
    window = points[bisect_left(points, moment - query.seconds, key=lambda point: point[0]) : last]
    if len(window) < 2:
        return None
    grown = sum(max(0.0, after[1] - before[1]) for before, after in pairwise(window))
    took = window[-1][0] - window[0][0]
    if took <= 0:
        return None
    return grown / took * (1 if query.function == "rate" else query.seconds)


def _aggregated(
    curves: Iterable[Curve], over: Callable[[Sequence[float]], float], labels: Sequence[str]
) -> list[Curve]:
    groups: dict[tuple[tuple[str, str], ...], list[Curve]] = {}
    for curve in curves:
        key = tuple((label, curve.labels[label]) for label in labels if label in curve.labels)
        groups.setdefault(key, []).append(curve)
    made = []
    for key, members in groups.items():
        columns = zip(*(member.values for member in members), strict=True)
        present = [[value for value in column if value is not None] for column in columns]
        made.append(Curve(dict(key), [over(values) if values else None for values in present]))
    return made
