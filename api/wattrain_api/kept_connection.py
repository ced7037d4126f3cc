"""HTTP to one address over one connection, as long as that lasts.

Standard library only, Python >= 3.9: the supervisor carries this module into foreign images.
"""

from __future__ import annotations

import http.client
import socket
from collections.abc import Mapping

_LONGEST_ANSWER_BYTES = 1 << 22


class KeptConnection:
    """For one thread at a time. No proxies, unlike urllib: what is asked is on this machine or in this cluster."""

    def __init__(self, host: str, port: int, timeout_seconds: float) -> None:
        """`timeout_seconds`: how long each wait may be. Nothing is connected before something is asked."""
        self._http = http.client.HTTPConnection(host, port, timeout=timeout_seconds)

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Status and body of the answer, which is cut at 4 MiB. OSError or HTTPException where there is none.

        That the other side has closed a kept connection shows when it is used: then it is asked again over a new one,
        so that what is asked must do no harm twice.
        """
        was_open = self._http.sock is not None
        try:
            return self._ask(method, path, body, headers or {})
        except socket.timeout:  # noqa: UP041 (another class before Python 3.10)
            raise
        except (OSError, http.client.HTTPException):
            if not was_open:
                raise
        return self._ask(method, path, body, headers or {})

    def close(self) -> None:
        """Close it; the next question opens another one."""
        self._http.close()

    def _ask(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
        try:
            self._http.request(method, path, body, dict(headers))
            response = self._http.getresponse()
            found = response.status, response.read(_LONGEST_ANSWER_BYTES)
            if not response.isclosed():  # there is more of it, which no next answer must begin with
                self.close()
            return found
        except BaseException:
            self.close()
            raise
