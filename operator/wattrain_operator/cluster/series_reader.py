"""The series of carbon intensity of power domains: read from ConfigMaps and addresses, and again every five minutes."""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp

from wattrain_api.carbon_format import MAX_BYTES, read_series
from wattrain_api.carbon_series import DAY
from wattrain_api.powerdomain import CarbonIntensity, ConfigMapSeries
from wattrain_operator.cluster.kube.apierrors import ApiError, ForbiddenError, NotFoundError
from wattrain_operator.cluster.kube.client import Client
from wattrain_operator.cluster.kube.resources import CONFIG_MAPS
from wattrain_operator.core.domains import Domain
from wattrain_operator.core.observed import NO_SERIES, CarbonView

READ_SECONDS = 300.0
RETRY_SECONDS = 60.0
TIMEOUT_SECONDS = 10.0
KEPT = 7 * DAY
_PAUSE_SECONDS = 0.5
logger = logging.getLogger(__name__)


@dataclass
class _State:
    carbon: CarbonIntensity
    view: CarbonView
    due_at: float


class SeriesReader:
    """Knows the series of the domains that somebody has asked for."""

    def __init__(self, client: Client, changed: Callable[[str], None], clock: Callable[[], float]) -> None:
        """`changed` is told the name of a domain of whose series something else is known; `clock` is monotonic."""
        self._client, self._changed, self._clock = client, changed, clock
        self._states: dict[str, _State] = {}

    def view(self, domain: Domain) -> CarbonView:
        """What is known of the series of `domain` now."""
        if domain.spec is None or not domain.spec.carbon.has_series:
            self._states.pop(domain.name, None)
            return NO_SERIES
        state = self._states.get(domain.name)
        if state is None or state.carbon != domain.spec.carbon:
            state = self._states[domain.name] = _State(domain.spec.carbon, CarbonView(awaited=True), self._clock())
        return state.view

    async def run(self) -> None:
        """Read what is due, until cancelled."""
        while True:
            for name, state in [*self._states.items()]:
                if state.due_at <= self._clock():
                    await self._read(name, state)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _read(self, name: str, state: _State) -> None:
        before = state.view
        try:
            content = await self._content(state.carbon)
            series = read_series(content, state.carbon.zone, state.carbon.basis, state.carbon.source)
            state.view = CarbonView(series.after(before.series, KEPT))
        except (ValueError, ApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
            state.view = CarbonView(before.series, _problem(state.carbon, error))
            logger.warning("power domain %s: %s", name, state.view.problem)
        except Exception:  # jobs are admitted by the same task group, and go on without a series
            state.view = CarbonView(before.series, "the series cannot be read for a defect; the operator's log has it")
            logger.exception("power domain %s: a defect in reading its series", name)
        state.due_at = self._clock() + (RETRY_SECONDS if state.view.problem else READ_SECONDS)
        if state.view != before:
            self._changed(name)

    async def _content(self, carbon: CarbonIntensity) -> bytes:
        if carbon.config_map is not None:
            return await self._in_config_map(carbon.config_map)
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=True) as session,
            session.get(carbon.url or "", allow_redirects=False) as answer,
        ):
            if answer.status != 200:
                raise ValueError(f"the answer is HTTP {answer.status}, not 200")
            content = b""
            async for chunk in answer.content.iter_chunked(65536):
                content += chunk
                if len(content) > MAX_BYTES:
                    break
            return content

    async def _in_config_map(self, named: ConfigMapSeries) -> bytes:
        body = await self._client.get(CONFIG_MAPS, named.namespace, named.name)
        if named.key in (body.get("binaryData") or {}):
            try:
                return base64.b64decode(body["binaryData"][named.key], validate=True)
            except binascii.Error as error:
                raise ValueError(f"key {named.key} is no base64: {error}") from None
        if named.key not in (body.get("data") or {}):
            raise ValueError(f"it has no key {named.key}; write carbon.configMap.key")
        return str(body["data"][named.key]).encode()


def _problem(carbon: CarbonIntensity, error: Exception) -> str:
    """Without the address of a series: it may hold a key."""
    named = carbon.config_map
    if named is None:
        return f"carbon.url: {error if isinstance(error, ValueError) else type(error).__name__}"
    what = f"ConfigMap {named.namespace}/{named.name}"
    if isinstance(error, NotFoundError):
        return f"there is no {what}; create it"
    if isinstance(error, ForbiddenError):
        return (
            f"{what} may not be read; name it in carbon.configMaps of the chart, which makes a Role for it, or make "
            "one as docs/carbon.md does"
        )
    return f"{what}: {error}"
