"""One /metrics for all jobs of a run: what supervisors export, labelled with job and worker, and the jobs' figures."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from prometheus_client.core import Metric as Family
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.parser import text_string_to_metric_families

from wattrain_api import metrics, names
from wattrain_api.carbon_series import CarbonSeries
from wattrain_api.metric_families import Families, text_of
from wattrain_api.powerdomain import PowerDomain
from wattrain_api.status import TrainingJobStatus
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.core.domains import Domain
from wattrain_operator.dashboard.http_server import Answer, HttpServer, Request
from wattrain_operator.exposition import exported_domain, exported_job, identity_of, identity_of_domain
from wattrain_operator.local.refused import Refused

SETTLED_SECONDS: Final = 2.0
"""After so long, what was decided of a job is written."""


@dataclass(frozen=True)
class JobFigures:
    """What a job exports now."""

    job: TrainingJob
    status: TrainingJobStatus
    domain: PowerDomain
    pages: Mapping[str, bytes]
    """/metrics of each supervisor, by worker index."""
    series: CarbonSeries | None = None
    """The carbon intensity of its domain over time."""


class MetricsServer:
    """Serves on 127.0.0.1 from construction on: 503 until it has something to show."""

    def __init__(self, port: int = 0) -> None:
        """`port` 0: a free one. Refused where it is in use."""
        self._page: Callable[[], bytes] | None = None
        self._server = listening(self._answer, "--metrics-port", port)
        self.port = self._server.port
        self.url = f"http://127.0.0.1:{self.port}{names.PATH_METRICS}"

    def show(self, page: Callable[[], bytes]) -> None:
        """From now on answer with what `page` gives."""
        self._page = page

    def close(self) -> None:
        """Free the port."""
        self._server.close()

    def _answer(self, request: Request) -> Answer:
        if request.path != names.PATH_METRICS:
            return Answer(404, "text/plain", b"not found")
        if self._page is None:
            return Answer(503, "text/plain", b"nothing has started yet")
        return Answer(200, CONTENT_TYPE_LATEST, self._page())


def listening(answer: Callable[[Request], Answer], option: str, port: int) -> HttpServer:
    """A server on 127.0.0.1. Refused where `port` cannot be listened on; `option` is what the user has chosen it by."""
    try:
        return HttpServer(answer, port)
    except (OSError, OverflowError) as error:
        used = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        why = "is in use" if used else f"cannot be listened on ({error})"
        raise Refused(f"{option} {port}: {why}; choose another, or leave it out for a free one") from None


def page(jobs: Sequence[JobFigures]) -> bytes:
    """The text of the exposition."""
    return text_of(families(jobs))


def families(jobs: Sequence[JobFigures]) -> list[Family]:
    """Each family once, with the samples of all jobs and of their power domains."""
    now = datetime.now(UTC)
    as_of = now - timedelta(seconds=SETTLED_SECONDS)
    workers: dict[str, Family] = {}
    of_jobs, domains = Families(metrics.JOB), Families(metrics.DOMAIN)
    for figures in jobs:
        for family in _worker_families(figures):
            into = workers.setdefault(family.name, Family(family.name, family.documentation, family.type))
            into.samples += family.samples
        of_jobs.add(exported_job(figures.job, figures.status, as_of), identity_of(figures.job))
    for name, figures in {figures.domain.metadata.name: figures for figures in jobs}.items():
        domain = figures.domain
        members = [(f.job, f.status) for f in jobs if f.domain.metadata.name == name]
        status = domain.status
        known = Domain(
            name, domain.spec, reservations=status.reservations, power=status.power, shedding=status.shedding
        )
        domains.add(exported_domain(known, members, now, figures.series), identity_of_domain(name))
    return [*workers.values(), *of_jobs.all(), *domains.all()]


def _worker_families(figures: JobFigures) -> Iterator[Family]:
    """What each supervisor exports, its samples labelled with job and worker."""
    for worker, text in figures.pages.items():
        identity = {**identity_of(figures.job), "worker": worker}
        for family in text_string_to_metric_families(text.decode("utf-8", "replace")):
            family.samples = [s._replace(labels={**s.labels, **identity}) for s in family.samples]
            yield family
