"""Whether the operator is well: what Kubernetes cannot see from outside."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from wattrain_operator.cluster.kube.resources import KINDS
from wattrain_operator.cluster.shell import Shell

LONGEST_LAG_SECONDS = 5.0
DEAF_RESYNCS = 3
MISSED_LISTS = 3
_MEASURE_SECONDS = 1.0


class Health:
    """Measures the event loop, and judges the shell. Before there is a shell, the process stands by, and is well."""

    def __init__(self, resync_seconds: float) -> None:
        self._longest_list_age_seconds = MISSED_LISTS * resync_seconds
        self.loop_lag_seconds = 0.0
        self.shell: Shell | None = None

    async def measure(self) -> None:
        """Measure the lag of the event loop, for ever."""
        while True:
            before = time.monotonic()
            await asyncio.sleep(_MEASURE_SECONDS)
            self.loop_lag_seconds = time.monotonic() - before - _MEASURE_SECONDS

    def begin(self, shell: Shell) -> None:
        """This process leads now."""
        self.shell = shell

    def problems(self) -> list[str]:
        """What only a restart can mend; empty: the operator is well."""
        found = []
        if self.loop_lag_seconds > LONGEST_LAG_SECONDS:
            found.append(f"the event loop was {self.loop_lag_seconds:.1f} s late")
        if self.shell is None:
            return found
        for kind in KINDS:
            age = self.shell.list_age_seconds(kind)
            if age is not None and age > self._longest_list_age_seconds:
                found.append(f"{kind} was last listed {age:.0f} s ago")
            if self.shell.deaf_resyncs[kind] >= DEAF_RESYNCS:
                found.append(f"the watch of {kind} missed changes in {self.shell.deaf_resyncs[kind]} periods in a row")
        return found

    def is_ready(self) -> bool:
        """Whether it stands by, or has seen the whole cluster once."""
        return self.shell is None or set(self.shell.listed_at) == set(KINDS)


class Servers:
    """The HTTP servers for probes and for Prometheus. Free of the API server, so that a probe says what is."""

    def __init__(self, health: Health, metrics_page: Callable[[], Awaitable[bytes]]) -> None:
        self._health, self._metrics_page = health, metrics_page
        self._runners: list[web.AppRunner] = []
        self.ports: list[int] = []
        """Of probes and of metrics, in this order."""

    async def start(self, host: str, health_port: int, metrics_port: int) -> None:
        """Listen. OSError where a port is in use."""
        probes = web.Application()
        probes.add_routes([web.get("/healthz", self._healthz), web.get("/readyz", self._readyz)])
        figures = web.Application()
        figures.add_routes([web.get("/metrics", self._metrics)])
        for application, port in ((probes, health_port), (figures, metrics_port)):
            runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=0.5)
            await runner.setup()
            self._runners.append(runner)
            await web.TCPSite(runner, host, port).start()
            self.ports.append(runner.addresses[0][1])

    async def stop(self) -> None:
        """Listen no more."""
        for runner in self._runners:
            await runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        problems = self._health.problems()
        return web.Response(status=503 if problems else 200, text="\n".join(problems) or "ok")

    async def _readyz(self, _: web.Request) -> web.Response:
        ready = self._health.is_ready()
        return web.Response(status=200 if ready else 503, text="ok" if ready else "has not seen all objects yet")

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=await self._metrics_page(), headers={"Content-Type": CONTENT_TYPE_LATEST})
