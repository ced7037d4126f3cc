"""The page in a pod: `python -m wattrain_operator.dashboard --prometheus URL`, until SIGTERM."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

from wattrain_operator.dashboard.http_server import HttpServer
from wattrain_operator.dashboard.page_site import PageSite
from wattrain_operator.dashboard.prometheus_source import PrometheusSource
from wattrain_operator.dashboard.shipped import shipped_dashboards

EXIT_BAD_INPUT = 2


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to stop. Exit code: 0 stopped, 2 bad input."""
    parser = argparse.ArgumentParser(prog="wattrain_operator.dashboard", description="Serve Wattrain's dashboards.")
    parser.add_argument("--prometheus", required=True, metavar="URL", help="where the figures are")
    parser.add_argument("--scrape-interval", type=float, default=15.0, metavar="SECONDS", help="of that Prometheus")
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="with a bearer token for that Prometheus")
    parser.add_argument("--allow-plain-http", action="store_true", help="send it the token without TLS")
    parser.add_argument("--port", type=int, default=8080, help="to listen on, at all addresses; 0: a free one")
    parser.add_argument("--host-name", action="append", default=[], metavar="NAME", help="it is asked for by")
    given = parser.parse_args(arguments)
    try:
        source = PrometheusSource(
            given.prometheus, given.scrape_interval, given.token_file, plain_http=given.allow_plain_http
        )
    except ValueError as error:
        sys.stderr.write(f"error: {error}\n")
        return EXIT_BAD_INPUT
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    server = HttpServer(PageSite(source, shipped_dashboards(), given.host_name).answer, given.port, host="0.0.0.0")
    sys.stderr.write(f"serving on port {server.port}\n")
    stop.wait()
    server.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
