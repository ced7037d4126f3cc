"""`wattrain dashboard`: a page with the figures of jobs, from a Prometheus or from the directories of runs."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path
from typing import Annotated

import typer

from wattrain_operator.cli.refusal import say_no
from wattrain_operator.dashboard.prometheus_source import PrometheusSource
from wattrain_operator.local.refused import EXIT_BAD_INPUT, Refused
from wattrain_operator.local.run_page import PageServer, serve_runs


def show_dashboard(
    directories: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[RUN_DIRECTORY]...", help="Directories of runs, as in runs/digits-mlp."),
    ] = None,
    prometheus: Annotated[
        str, typer.Option(metavar="URL", help="Instead of directories: a Prometheus, as in http://127.0.0.1:9090.")
    ] = "",
    scrape_interval: Annotated[
        float, typer.Option(min=0.1, max=3600, help="Seconds between two scrapes of that Prometheus.")
    ] = 15.0,
    token_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="With a bearer token for that Prometheus, which is sent there and nowhere else. A user and a password "
            "may stand in its address instead, where who lists the processes of this machine sees them.",
        ),
    ] = None,
    allow_plain_http: Annotated[
        bool, typer.Option("--allow-plain-http", help="Send token or password to another machine without TLS.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0: a free one.")] = 0,
) -> None:
    """Serve a page that draws Wattrain's dashboards, without a Grafana, until Ctrl-C.

    From a Prometheus it draws all of them. From the directory of a run it draws, while the run goes on and afterwards,
    what the run has recorded itself; the page names the panels that need a Prometheus.
    Exit code: 0 stopped, 2 bad input.
    """
    try:
        if bool(directories) == bool(prometheus):
            raise Refused("give either directories of runs, or --prometheus with an address")
        if token_file is not None and not prometheus:
            raise Refused("--token-file is for a Prometheus: give its address with --prometheus")
        server = (
            PageServer(PrometheusSource(prometheus, scrape_interval, token_file, plain_http=allow_plain_http), port)
            if prometheus
            else serve_runs(directories or [], port)
        )
    except (Refused, ValueError) as error:
        lines = list(error.lines) if isinstance(error, Refused) else [str(error)]
        say_no(lines, EXIT_BAD_INPUT, as_json=False)
        raise typer.Exit(EXIT_BAD_INPUT) from None
    with contextlib.closing(server), contextlib.suppress(KeyboardInterrupt):
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        typer.echo(f"{server.url} until Ctrl-C")
        signal.pause()
