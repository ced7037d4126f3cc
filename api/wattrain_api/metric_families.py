"""From the rows of `metrics`, and a structure that has their fields, to Prometheus' families and text.

It needs prometheus_client, which both the operator and the worker have. Python >= 3.9: the supervisor carries this
module into foreign images.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from datetime import datetime
from itertools import accumulate
from typing import Any, Final, get_args, get_type_hints

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from wattrain_api.contract.codec import NOT_FINITE
from wattrain_api.contract.progress import Distribution
from wattrain_api.metrics import Exported, Subject, exported_of

_WORDS: Final[dict[tuple[type, str], tuple[str, ...]]] = {}
"""Closed sets of texts that have been met, by structure and field."""


def families_of(subject: Subject, figures: object, identity: Mapping[str, str] | None = None) -> list[Family]:
    """A family for each row of `subject`; one whose figure is not known has no samples.

    `figures` is the structure that has the fields of the rows, `identity` the values of the subject's own labels.
    """
    found = []
    for exported in exported_of(subject):
        metric = exported.metric
        family = Family(exported.name.removesuffix("_total"), metric.help, metric.type)
        family.samples = list(_samples(exported, figures, identity or {}))
        found.append(family)
    return found


def merge(into: dict[str, Family], families: Iterable[Family]) -> None:
    """Add the samples of `families`, of one subject, to those of the same name."""
    for family in families:
        known = into.setdefault(family.name, family)
        if known is not family:
            known.samples += family.samples


def text_of(families: Iterable[Family]) -> bytes:
    """`families` in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Ready(families))
    return generate_latest(registry)


def _samples(exported: Exported, figures: object, identity: Mapping[str, str]) -> Iterator[Sample]:
    metric = exported.metric
    if metric.known_by and not any(value for _, value in _found(figures, metric.known_by)):
        return
    field = exported.field.rpartition(".")[2]
    for owner, value in _found(figures, exported.field):
        not_finite = getattr(owner, f"{field}_not_finite", None)
        if not_finite is not None:
            value = NOT_FINITE[not_finite]
        if value is None:
            continue
        is_info = is_dataclass(value) and not isinstance(value, Distribution)
        named = value if is_info else owner
        labels = {**identity, **{label: str(getattr(named, label)) for label in metric.labels}}
        if isinstance(value, Distribution):
            yield from _of_distribution(exported.name, labels, value)
        elif is_info:
            yield Sample(exported.name, labels, 1.0)
        elif isinstance(value, datetime):
            yield Sample(exported.name, labels, value.timestamp())
        elif isinstance(value, Histogram):
            for family in value.collect():
                for sample in family.samples:
                    yield sample._replace(name=exported.name + sample.name.removeprefix(family.name))
        elif isinstance(value, tuple):
            yield Sample(exported.name, labels, float(bool(value)))
        elif field in metric.labels:
            for word in _words(type(owner), field):
                yield Sample(exported.name, {**labels, field: word}, float(word == value))
        else:
            yield Sample(exported.name, labels, float(value) * metric.scale)


def _found(node: Any, path: str) -> Iterator[tuple[Any, Any]]:
    """What `path` leads to, each with the structure that has it. AttributeError where a structure has no such field."""
    first, _, rest = path.partition(".")
    if first.endswith("[]"):
        for item in getattr(node, first[:-2]):
            yield from _found(item, rest)
        return
    value = getattr(node, first)
    if not rest:
        yield node, value
    elif value is not None:
        yield from _found(value, rest)


def _words(owner: type, field: str) -> tuple[str, ...]:
    """All values of a field that is a Literal."""
    known = _WORDS.get((owner, field))
    if known is None:
        known = _WORDS[owner, field] = get_args(get_type_hints(owner)[field])
    return known


def _of_distribution(name: str, labels: Mapping[str, str], values: Distribution) -> Iterator[Sample]:
    cumulated = list(accumulate(values.counts))
    for index, bound in enumerate([*map(str, values.bounds), "+Inf"]):
        yield Sample(f"{name}_bucket", {**labels, "le": bound}, float(cumulated[index]))
    yield Sample(f"{name}_count", dict(labels), float(cumulated[-1]))
    yield Sample(f"{name}_sum", dict(labels), values.total)


class _Ready(Collector):
    def __init__(self, families: Iterable[Family]) -> None:
        self._families = families

    def collect(self) -> Iterable[Family]:
        return self._families
