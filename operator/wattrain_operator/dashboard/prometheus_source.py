"""A Prometheus as the source: a few of its requests are let through, and nothing else."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from urllib.parse import urlencode, urlsplit

from wattrain_operator.dashboard.http_server import Answer
from wattrain_operator.dashboard.source_protocol import API, JSON_TYPE, About, failure

TIMEOUT_SECONDS = 30.0
MOST_BYTES = 64 << 20
_PATHS = re.compile(r"query|query_range|labels|series|label/[A-Za-z_][A-Za-z0-9_]*/values")
_PARAMETERS = frozenset({"query", "time", "start", "end", "step", "match[]", "limit"})


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """An address that was not given is never asked."""


class PrometheusSource:
    """Asks one Prometheus, by GET."""

    def __init__(self, address: str, scrape_seconds: float) -> None:
        """ValueError where `address` is none that Prometheus could have."""
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"{address}: is no address of a Prometheus; write one as in http://127.0.0.1:9090")
        self._address, self._scrape_seconds = address.rstrip("/"), scrape_seconds
        # No proxy of the environment either: the address is where the figures are.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())

    def about(self) -> About:
        """Its address, and that there is no more to know."""
        host = urlsplit(self._address).netloc.rpartition("@")[2]  # without a password
        return About(kind="prometheus", what=f"Prometheus at {host}", scrape_seconds=self._scrape_seconds)

    def ask(self, path: str, parameters: Mapping[str, Sequence[str]]) -> Answer:
        """What Prometheus answers; 403 to what is not let through, 502 where it does not answer."""
        if not _PATHS.fullmatch(path):
            return failure(403, "forbidden", f"{API}{path}: is not let through to Prometheus")
        passed = [(name, value) for name, values in parameters.items() if name in _PARAMETERS for value in values]
        try:
            with self._opener.open(
                f"{self._address}{API}{path}?{urlencode(passed)}", timeout=TIMEOUT_SECONDS
            ) as answer:
                return _checked(answer.status, answer.headers.get_content_type(), answer.read(MOST_BYTES + 1))
        except urllib.error.HTTPError as error:  # a query that Prometheus refuses, with its reason as JSON
            with error:
                return _checked(error.code, error.headers.get_content_type(), error.read(MOST_BYTES + 1))
        except (OSError, ValueError) as error:
            return failure(502, "unavailable", f"Prometheus does not answer ({getattr(error, 'reason', error)})")

    def receipt(self, namespace: str, name: str) -> None:
        """Prometheus has none."""


def _checked(status: int, content_type: str, body: bytes) -> Answer:
    if content_type != JSON_TYPE:
        return failure(502, "unavailable", f"no Prometheus answers there, but something with {content_type} ({status})")
    if len(body) > MOST_BYTES:
        return failure(502, "too_large", f"the answer is larger than {MOST_BYTES >> 20} MiB; choose a shorter time")
    return Answer(status, JSON_TYPE, body)
