"""A Prometheus as the source: a few of its requests are let through, and nothing else."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import SplitResult, urlencode, urlsplit

from wattrain_operator.dashboard.authorization import authorization_for
from wattrain_operator.dashboard.http_server import Answer
from wattrain_operator.dashboard.source_protocol import API, JSON_TYPE, About, failure

TIMEOUT_SECONDS = 30.0
MOST_BYTES = 64 << 20
_PATHS = re.compile(r"query|query_range|labels|series|label/[A-Za-z_][A-Za-z0-9_]*/values")
_PARAMETERS = frozenset({"query", "time", "start", "end", "step", "match[]", "limit"})


_NOT_LET_IN = (
    "Prometheus lets nobody in with what it was sent ({code}): start this page with --token-file and a file that holds "
    "the token of somebody who may read it, or with user and password in the address"
)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """An address that was not given is never asked."""


class PrometheusSource:
    """Asks one Prometheus, by GET."""

    def __init__(
        self, address: str, scrape_seconds: float, token_file: Path | None = None, *, plain_http: bool = False
    ) -> None:
        """`token_file` and `plain_http` are those of `authorization_for`. ValueError where `address` is none that
        Prometheus could have, or may not be sent what lets in there; its text never holds a password."""
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not _port_is_one(parts) or parts.query or parts.fragment:
            shown = address if "@" not in address else "what was given"
            raise ValueError(
                f"--prometheus {shown}: is no address of a Prometheus; write one as in http://127.0.0.1:9090"
            )
        self._authorization = authorization_for(address, token_file, plain_http=plain_http)
        self.shown = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")
        """Its address, without user and password."""
        self._scrape_seconds = scrape_seconds
        # No proxy of the environment either: the address is where the figures are.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())

    def about(self) -> About:
        """Its address, and that there is no more to know."""
        return About(
            kind="prometheus", what=f"Prometheus at {urlsplit(self.shown).netloc}", scrape_seconds=self._scrape_seconds
        )

    def ask(self, path: str, parameters: Mapping[str, Sequence[str]]) -> Answer:
        """What Prometheus answers; 403 to what is not let through, 502 where it does not answer or lets nobody in."""
        if not _PATHS.fullmatch(path):
            return failure(403, "forbidden", f"{API}{path}: is not let through to Prometheus")
        passed = [(name, value) for name, values in parameters.items() if name in _PARAMETERS for value in values]
        try:
            request = self._request(f"{self.shown}{API}{path}?{urlencode(passed)}")
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
                return _checked(answer.status, answer.headers.get_content_type(), answer.read(MOST_BYTES + 1))
        except urllib.error.HTTPError as error:  # a query that Prometheus refuses, with its reason as JSON
            with error:
                if error.code in (401, 403):
                    return failure(502, "unauthorized", _NOT_LET_IN.format(code=error.code))
                if error.code < 400:
                    return failure(502, "unavailable", f"no Prometheus answers there, but a redirect ({error.code})")
                return _checked(error.code, error.headers.get_content_type(), error.read(MOST_BYTES + 1))
        except (OSError, ValueError) as error:
            return failure(502, "unavailable", f"Prometheus does not answer ({getattr(error, 'reason', error)})")

    def _request(self, url: str) -> urllib.request.Request:
        request = urllib.request.Request(url)
        authorization = self._authorization()
        if authorization is not None:
            request.add_unredirected_header("Authorization", authorization)
        return request

    def receipt(self, namespace: str, name: str) -> None:
        """Prometheus has none."""


def _port_is_one(parts: SplitResult) -> bool:
    """Whether there is a host, and a port that can be one, or none."""
    try:
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _checked(status: int, content_type: str, body: bytes) -> Answer:
    if content_type != JSON_TYPE:
        return failure(502, "unavailable", f"no Prometheus answers there, but something with {content_type} ({status})")
    if len(body) > MOST_BYTES:
        return failure(502, "too_large", f"the answer is larger than {MOST_BYTES >> 20} MiB; choose a shorter time")
    return Answer(status, JSON_TYPE, body)
