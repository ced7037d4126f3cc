"""The operator's process, from the first line of its log to its exit code."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from prometheus_client.core import Metric as Family

from wattrain_operator.cluster import operator_figures
from wattrain_operator.cluster.health import Health, Servers
from wattrain_operator.cluster.kube.client import Client
from wattrain_operator.cluster.kube.compat import limit_tls_buffers
from wattrain_operator.cluster.kube.leader import Leader, LeadershipLostError
from wattrain_operator.cluster.kube.login import NoClusterError, load_configuration
from wattrain_operator.cluster.settings import InvalidSettingsError, OperatorSettings
from wattrain_operator.cluster.shell import Shell
from wattrain_operator.telemetry.otlp_settings import BadOtlpError, OtlpSettings, otlp_settings

if TYPE_CHECKING:
    from wattrain_operator.telemetry.trace_export import TraceExport

EXIT_OK, EXIT_FAILED, EXIT_BAD_INPUT = 0, 1, 2
HOST = "0.0.0.0"  # probes and Prometheus come from outside the pod
logger = logging.getLogger("wattrain_operator")


def main(environment: Mapping[str, str] = os.environ) -> int:
    """Run the operator until SIGTERM or SIGINT. Exit code: 0 stopped, 1 failed or not leading any more, 2 bad input."""
    _configure_logging()
    limit_tls_buffers()
    try:
        return asyncio.run(_serve(OperatorSettings.from_environment(environment), otlp_settings(environment)))
    except InvalidSettingsError as error:
        return _refuse(error.problems)
    except BadOtlpError as error:
        return _refuse([str(error)])
    except NoClusterError as error:
        return _refuse([str(error)])
    except KeyboardInterrupt:
        return EXIT_OK


async def _serve(settings: OperatorSettings, otlp: OtlpSettings | None) -> int:
    configuration = await load_configuration()
    client = Client(configuration, lambda: leader.leads, watches=max(1, len(settings.namespaces)))
    identity = f"{socket.gethostname()}_{secrets.token_hex(4)}"
    leader = Leader(client, settings.namespace, settings.lease_name, identity, time.monotonic)
    traces = _trace_export() if otlp is not None and otlp.traces else None
    shell = Shell(client, settings, identity, lambda: leader.leads, None if traces is None else traces.written)
    health = Health(settings.resync_seconds)

    async def metrics_page() -> bytes:
        return await operator_figures.page(shell, leads=leader.leads, loop_lag_seconds=health.loop_lag_seconds)

    async def families() -> Iterable[Family]:
        return await operator_figures.families(shell, leads=leader.leads, loop_lag_seconds=health.loop_lag_seconds)

    servers = Servers(health, metrics_page)
    stop = asyncio.Event()
    _heed_signals(stop)
    measuring = asyncio.create_task(health.measure(), name="loop lag")
    exporting = asyncio.create_task(_export_metrics(otlp, families, settings.namespace, identity), name="OTLP")
    try:
        await servers.start(HOST, settings.health_port, settings.metrics_port)
        logger.info("probes on port %d, metrics on port %d", *servers.ports)
        if not await _acquire(leader, stop):
            await leader.release()
            return EXIT_OK
        health.begin(shell)
        return await _lead(leader, shell, servers, stop)
    except OSError as error:
        return _refuse([f"ports {settings.health_port} and {settings.metrics_port} cannot be listened on: {error}"])
    finally:
        measuring.cancel()
        await _cancel(exporting)
        await servers.stop()
        await shell.close()
        await client.close()
        if traces is not None:
            await asyncio.to_thread(traces.close)


def _trace_export() -> TraceExport:
    from wattrain_operator.telemetry.trace_export import TraceExport  # three megabytes, where it is wanted

    return TraceExport()


async def _export_metrics(
    otlp: OtlpSettings | None, families: Callable[[], Awaitable[Iterable[Family]]], namespace: str, identity: str
) -> None:
    """Send the figures every so often, for ever; nothing where no collector is named."""
    if otlp is None or not otlp.metrics:
        return
    from wattrain_operator.telemetry.metric_export import MetricExport  # where it is wanted

    export = MetricExport({"k8s.namespace.name": namespace, "service.instance.id": identity})
    try:
        while True:
            await asyncio.sleep(otlp.metric_interval_seconds)
            if not await asyncio.to_thread(export.send, await families()):
                logger.warning("metrics could not be sent to %s: see whether its collector runs", otlp.host)
    finally:
        export.close()


async def _lead(leader: Leader, shell: Shell, servers: Servers, stop: asyncio.Event) -> int:
    """Work until told to stop. What writes ends first, then the Lease is given away, then the watches end."""
    # kopf puts its own signal handlers in place, which would end the watches first
    watching = asyncio.create_task(shell.watch(lambda: _heed_signals(stop)), name="watches")
    keeping = asyncio.create_task(leader.keep(), name="lease")
    working = asyncio.create_task(shell.run(), name="passes")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    done, _ = await asyncio.wait({watching, keeping, working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    lost = [task for task in done if task is not stopping]
    for task in lost:
        error = task.exception() if not task.cancelled() else None
        logger.error("%s ended: %r", task.get_name(), error or "unexpectedly")
    if any(isinstance(task.exception(), LeadershipLostError) for task in lost if not task.cancelled()):
        logging.shutdown()
        os._exit(EXIT_FAILED)  # another may lead already: not even a tidy end may write anything more
    await _cancel(working)
    await shell.finish()
    await _cancel(keeping)
    await leader.release()
    await servers.stop()
    stopping.cancel()
    await _cancel(watching)  # asked to stop, kopf would first wait five seconds for tasks that are not its own
    return EXIT_FAILED if lost else EXIT_OK


async def _acquire(leader: Leader, stop: asyncio.Event) -> bool:
    """Wait until this process leads. False: it was told to stop before."""
    acquiring, stopping = asyncio.create_task(leader.acquire()), asyncio.create_task(stop.wait())
    await asyncio.wait({acquiring, stopping}, return_when=asyncio.FIRST_COMPLETED)
    leads = acquiring.done() and not stop.is_set()
    if acquiring.done():
        acquiring.result()  # a defect, if it raised
    await _cancel(acquiring)
    stopping.cancel()
    return leads


def _heed_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)


async def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await task


def _configure_logging() -> None:
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )
    logging.getLogger("kopf").setLevel(logging.WARNING)


def _refuse(problems: list[str]) -> int:
    for problem in problems:
        sys.stderr.write(f"error: {problem}\n")
    return EXIT_BAD_INPUT
