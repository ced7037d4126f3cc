"""One /metrics for all jobs of a run: what supervisors export, labelled with job and worker, and the jobs' figures."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from prometheus_client.core import Metric as Family
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.parser import text_string_to_metric_families

from wattrain_api import names
from wattrain_api.metric_families import merge, text_of
from wattrain_api.powerdomain import PowerDomain
from wattrain_api.status import TrainingJobStatus
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.core.fleet import Domain
from wattrain_operator.exposition import domain_families, identity_of, job_families
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


class MetricsServer:
    """Serves on 127.0.0.1 from construction on: 503 until it has something to show."""

    def __init__(self, port: int = 0) -> None:
        """`port` 0: a free one. Refused where it is in use."""
        self._page: Callable[[], bytes] | None = None
        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        except (OSError, OverflowError) as error:
            used = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
            why = "is in use" if used else f"cannot be listened on ({error})"
            raise Refused(f"--metrics-port {port}: {why}; choose another, or leave it out for a free one") from None
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}{names.PATH_METRICS}"
        # Looks for the end every 0.05 s; the default of 0.5 s would be the wait of whoever is refused.
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="metrics", daemon=True)
        self._thread.start()

    def show(self, page: Callable[[], bytes]) -> None:
        """From now on answer with what `page` gives."""
        self._page = page

    def close(self) -> None:
        """Free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path.partition("?")[0] != names.PATH_METRICS:
                    self.send_error(404)
                elif outer._page is None:
                    self.send_error(503)
                else:
                    self._answer(outer._page())

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name that http.server has)
                """Say nothing: the terminal belongs to the view."""

            def _answer(self, body: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Type", CONTENT_TYPE_LATEST)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        return Handler


def page(jobs: Sequence[JobFigures]) -> bytes:
    """The text of the exposition: each family once, with the samples of all jobs and of their power domains."""
    now = datetime.now(UTC)
    as_of = now - timedelta(seconds=SETTLED_SECONDS)
    merged: dict[str, Family] = {}
    for figures in jobs:
        merge(merged, [*_worker_families(figures), *job_families(figures.job, figures.status, as_of)])
    for domain in {figures.domain.metadata.name: figures.domain for figures in jobs}.values():
        members = [(f.job, f.status) for f in jobs if f.domain.metadata.name == domain.metadata.name]
        merge(merged, domain_families(Domain(domain.metadata.name, domain.spec), members, now))
    return text_of(merged.values())


def _worker_families(figures: JobFigures) -> Iterator[Family]:
    """What each supervisor exports, its samples labelled with job and worker."""
    for worker, text in figures.pages.items():
        identity = {**identity_of(figures.job), "worker": worker}
        for family in text_string_to_metric_families(text.decode("utf-8", "replace")):
            family.samples = [s._replace(labels={**s.labels, **identity}) for s in family.samples]
            yield family
