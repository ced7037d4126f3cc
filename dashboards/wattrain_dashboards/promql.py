"""Parts of PromQL that the dashboards share: selectors, and what may be said of a job's series.

A job's series come from whichever operator leads. After a change of leader the same job has a second series with
another `instance`, and a target that two configurations scrape has another `job`. So every expression aggregates to the
labels that name what it is of, by `max` first: a sum would count twice.
"""

from __future__ import annotations

from typing import Final, NamedTuple, get_args

from wattrain_api.status import State

STATES: Final[tuple[State, ...]] = get_args(State)
IDENTITY: Final = ("cluster", "namespace", "trainingjob")
"""Labels that name a job. `cluster` is there only where several Prometheus servers share one data source."""
RATE: Final = "$__rate_interval"
_OF_JOBS: Final = 'cluster=~"$cluster",namespace=~"$namespace",trainingjob=~"$job"'
_OF_NAMESPACES: Final = 'cluster=~"$cluster",namespace=~"$namespace"'


class Query(NamedTuple):
    """What is asked, and what its series are called: a text with `{{label}}`."""

    expr: str
    legend: str = ""


class Scope(NamedTuple):
    """The jobs that a dashboard is about."""

    matchers: str

    def job(self, name: str, *more: str) -> str:
        """Selector of `wattrain_trainingjob_<name>`, with further matchers."""
        return f"wattrain_trainingjob_{name}{{{','.join((self.matchers, *more))}}}"

    def worker(self, name: str, *more: str) -> str:
        """Selector of `wattrain_worker_<name>`, with further matchers."""
        return f"wattrain_worker_{name}{{{','.join((self.matchers, *more))}}}"

    def of_worker(self, name: str, *more: str, by: tuple[str, ...] = ()) -> str:
        """One series a worker of the gauge `name`, or one for each value of the labels `by`."""
        return f"max {_by('worker', *by)} ({self.worker(name, *more)})"

    def rate_of_worker(self, name: str, by: tuple[str, ...] = ()) -> str:
        """The same of how fast a counter grows, a second."""
        return f"max {_by('worker', *by)} (rate({self.worker(name)}[{RATE}]))"

    def of_job(self, name: str, *more: str, by: tuple[str, ...] = ()) -> str:
        """One series a job of the gauge or counter `name`, or one for each value of the labels `by`."""
        return f"max {_by(*by)} ({self.job(name, *more)})"

    def rate_of_job(self, name: str, *more: str, by: tuple[str, ...] = ()) -> str:
        """The same of how fast a counter grows, a second. Where one operator takes over from another, both count."""
        return f"max {_by(*by)} (sum {_by(*by, 'job')} (rate({self.job(name, *more)}[{RATE}])))"

    def changes_of_job(self, name: str) -> str:
        """How often a figure changed in two minutes: with a step of one minute, no change falls between two windows."""
        return f"max {_by()} (changes({self.job(name)}[2m]))"

    def total(self, name: str, *more: str) -> str:
        """One series a job: the sum over components and sources of a counter of energy."""
        return f"sum {_by()} ({self.of_job(name, *more, by=('component', 'source'))})"

    def total_rate(self, name: str) -> str:
        """The same of how fast it grows, a second."""
        return f"sum {_by()} ({self.rate_of_job(name, by=('component', 'source'))})"

    def in_range(self, name: str, by: tuple[str, ...] = ()) -> str:
        """One series a job: by how much a counter grew in the time that is shown.

        `increase()` leaves out what a series begins with, which is most of a job that is shorter than two scrapes, and
        extrapolates. A job's counters are kept in its status and never start anew, so a difference is exact. A job that
        was deleted and made again under its name counts from then on.
        """
        labels, selector = _by(*by), self.job(name)
        last = f"max {labels} (last_over_time({selector}[$__range]))"
        return f"clamp_min({last} - (max {labels} ({selector} offset $__range) or {last} * 0), 0)"

    def in_state(self, state: State) -> str:
        """One series a job: 1 where it is in `state`, else 0."""
        return self.of_job("state", _state_is(state))

    def state_code(self) -> str:
        """One series a job: the number of its state in STATES."""
        terms = [f"{code} * {self.job('state', _state_is(state))}" for code, state in enumerate(STATES)]
        return f"max {_by()} (sum {_by('instance')} ({' or '.join(terms)}))"

    def is_running(self) -> str:
        """What limits an expression of one series a job to jobs that run, by `and`."""
        return f"and on ({', '.join(IDENTITY)}) {self.in_state('Running')} == 1"


def of_domain(name: str) -> str:
    """One series a power domain of the gauge `name`."""
    selector = f'wattrain_powerdomain_{name}{{cluster=~"$cluster",powerdomain=~"$powerdomain"}}'
    return f"max by (cluster, powerdomain) ({selector})"


ONE_JOB: Final = Scope(_OF_JOBS)
"""By the variables cluster, namespace and job."""
ALL_JOBS: Final = Scope(_OF_NAMESPACES)
"""By the variables cluster and namespace."""


def _state_is(state: State) -> str:
    return f'state="{state}"'


def _by(*labels: str) -> str:
    return f"by ({', '.join((*IDENTITY, *labels))})"
