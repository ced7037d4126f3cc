"""From the rows of `metrics`, and a structure that has their fields, to Prometheus' families and text.

It needs prometheus_client, which both the operator and the worker have. Python >= 3.9: the supervisor carries this
module into foreign images.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from datetime import datetime
from functools import cached_property
from itertools import accumulate
from typing import Any, Final, get_args, get_type_hints

from prometheus_client import Histogram
from prometheus_client.core import Metric as Family
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

from wattrain_api.contract.codec import NOT_FINITE
from wattrain_api.contract.progress import Distribution
from wattrain_api.metrics import Exported, Subject, exported_of

_go_float: Final[Callable[[float], str]] = floatToGoString
_WORDS: Final[dict[tuple[type, str], tuple[str, ...]]] = {}
"""Closed sets of texts that have been met, by structure and field."""


class Identity(dict[str, str]):
    """Labels that many samples share: written once, not once for each of them."""

    @cached_property
    def text(self) -> str:
        """As they stand behind the name of a sample."""
        return _labels(self)


_NOBODY: Final = Identity()


class Families:
    """A family for each row of a subject, with the samples of all of its kind that are added.

    A page has thousands of jobs: what a row says is looked up once, not once for each of them; and the samples of all
    of them would take more memory than the jobs, so that each family is made when its turn has come.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._added: list[tuple[object, Identity]] = []

    def add(self, figures: object, identity: Identity = _NOBODY) -> None:
        """Add a sample for each figure that is known. `figures` is the structure that has the fields of the rows,
        `identity` the values of the subject's own labels."""
        self._added.append((figures, identity))

    def all(self) -> Iterator[Family]:
        """The families, in the order of the rows; one whose figure is not known has no samples."""
        for exported in exported_of(self._subject):
            row = _Row(exported)
            for figures, identity in self._added:
                row.add(figures, identity)
            yield row.family


def families_of(subject: Subject, figures: object, identity: Identity = _NOBODY) -> list[Family]:
    """The families of one of a kind."""
    families = Families(subject)
    families.add(figures, identity)
    return list(families.all())


def text_of(families: Iterable[Family]) -> bytes:
    """`families` in Prometheus' text format, as `generate_latest` has it, in half its time.

    Most samples of a job have its labels and no others.
    """
    return b"".join(map(_text_of_one, families))


def _text_of_one(family: Family) -> bytes:
    name = f"{family.name}_total" if family.type == "counter" else family.name
    text = family.documentation.replace("\\", r"\\").replace("\n", r"\n")
    lines = [f"# HELP {name} {text}\n", f"# TYPE {name} {family.type}\n"]
    for sample in family.samples:
        labels = sample.labels.text if isinstance(sample.labels, Identity) else _labels(sample.labels)
        lines.append(f"{sample.name}{labels} {_go_float(sample.value)}\n")
    return "".join(lines).encode()


def _labels(labels: Mapping[str, str]) -> str:
    pairs = ",".join([f'{name}="{_escaped(labels[name])}"' for name in sorted(labels)])
    return f"{{{pairs}}}" if pairs else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


class _Row:
    """A row, ready to be read from many structures."""

    __slots__ = ("_field", "_known_by", "_labels", "_name", "_not_finite", "_path", "_scale", "family")

    def __init__(self, exported: Exported) -> None:
        metric = exported.metric
        self.family = Family(exported.name.removesuffix("_total"), metric.help, metric.type)
        self._name, self._labels, self._scale = exported.name, metric.labels, metric.scale
        self._path, self._known_by = exported.field.split("."), metric.known_by.split(".") if metric.known_by else []
        self._field = self._path[-1]
        self._not_finite = f"{self._field}_not_finite"

    def add(self, figures: object, identity: Identity) -> None:
        if self._known_by and not any(value for _, value in _found(figures, self._known_by)):
            return
        for owner, value in _found(figures, self._path):
            not_finite = getattr(owner, self._not_finite, None)
            if not_finite is not None:
                value = NOT_FINITE[not_finite]
            if value is not None:
                self.family.samples += self._samples(owner, value, identity)

    def _samples(self, owner: Any, value: Any, identity: Identity) -> Iterable[Sample]:
        name = self._name
        labels: dict[str, str] = identity
        is_info = is_dataclass(value) and not isinstance(value, Distribution)
        if self._labels:
            named = value if is_info else owner
            labels = {**identity, **{label: str(getattr(named, label)) for label in self._labels}}
        if isinstance(value, (int, float)):
            return (Sample(name, labels, float(value) * self._scale),)
        if is_info:
            return (Sample(name, labels, 1.0),)
        if isinstance(value, datetime):
            return (Sample(name, labels, value.timestamp()),)
        if isinstance(value, tuple):
            return (Sample(name, labels, float(bool(value))),)
        if isinstance(value, Distribution):
            return _of_distribution(name, labels, value)
        if isinstance(value, Histogram):
            return _of_histogram(name, value)
        words = _words(type(owner), self._field)
        return [Sample(name, {**labels, self._field: word}, float(word == value)) for word in words]


def _found(node: Any, path: list[str]) -> Iterable[tuple[Any, Any]]:
    """What `path` leads to, each with the structure that has it. AttributeError where a structure has no such field."""
    owner = node
    for index, name in enumerate(path):
        if name.endswith("[]"):
            return [found for item in getattr(node, name[:-2]) for found in _found(item, path[index + 1 :])]
        if node is None:
            return ()
        owner, node = node, getattr(node, name)
    return ((owner, node),)


def _words(owner: type, field: str) -> tuple[str, ...]:
    """All values of a field that is a Literal."""
    known = _WORDS.get((owner, field))
    if known is None:
        known = _WORDS[owner, field] = get_args(get_type_hints(owner)[field])
    return known


def _of_distribution(name: str, labels: dict[str, str], values: Distribution) -> Iterator[Sample]:
    cumulated = list(accumulate(values.counts))
    for index, bound in enumerate([*map(str, values.bounds), "+Inf"]):
        yield Sample(f"{name}_bucket", {**labels, "le": bound}, float(cumulated[index]))
    yield Sample(f"{name}_count", dict(labels), float(cumulated[-1]))
    yield Sample(f"{name}_sum", dict(labels), values.total)


def _of_histogram(name: str, values: Histogram) -> Iterator[Sample]:
    """Without `_created`, which only another format than the text knows."""
    for family in values.collect():
        for sample in family.samples:
            if not sample.name.endswith("_created"):
                yield sample._replace(name=name + sample.name.removeprefix(family.name))
