"""The series of carbon intensity of a power domain in a run: from a file, or from an address in a thread of its own."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

from wattrain_api.carbon_format import MAX_BYTES, read_series
from wattrain_api.carbon_series import DAY
from wattrain_api.powerdomain import CarbonIntensity
from wattrain_operator.core.observed import NO_SERIES, CarbonView

READ_SECONDS = 300.0
TIMEOUT_SECONDS = 10.0
KEPT = 7 * DAY


class CarbonReader:
    """Reads a series now, and again every five minutes. It is not waited for: `view` is what is known."""

    def __init__(self, carbon: CarbonIntensity) -> None:
        self._carbon, self._lock = carbon, threading.Lock()
        self._view = CarbonView(awaited=carbon.url is not None)
        self._read_at: float | None = None
        self._busy = False

    def view(self) -> CarbonView:
        """What is known of the series now."""
        if not self._carbon.has_series:
            return NO_SERIES
        with self._lock:
            due = self._read_at is None or time.monotonic() - self._read_at >= READ_SECONDS
            if due and not self._busy:
                self._read_at = time.monotonic()
                if self._carbon.file is not None:
                    self._view = self._next()
                else:
                    self._busy = True
                    threading.Thread(target=self._fetch, daemon=True).start()
            return self._view

    def _fetch(self) -> None:
        view = self._next()
        with self._lock:
            self._view, self._busy = view, False

    def _next(self) -> CarbonView:
        before = self._view.series
        try:
            series = read_series(self._content(), self._carbon.zone, self._carbon.basis, self._carbon.source)
        except ValueError as error:
            return CarbonView(before, f"{self._name}: {error}")
        except OSError as error:
            return CarbonView(
                before, f"{self._name} cannot be read: {error.strerror or getattr(error, 'reason', error)}"
            )
        return CarbonView(series.after(before, KEPT))

    @property
    def _name(self) -> str:
        return f"carbon.file {self._carbon.file}" if self._carbon.file is not None else "carbon.url"

    def _content(self) -> bytes:
        if self._carbon.file is not None:
            with Path(self._carbon.file).open("rb") as file:
                return file.read(MAX_BYTES + 1)
        opener = urllib.request.build_opener(_NoRedirections)
        with opener.open(self._carbon.url or "", timeout=TIMEOUT_SECONDS) as answer:
            return bytes(answer.read(MAX_BYTES + 1))


class _NoRedirections(urllib.request.HTTPRedirectHandler):
    """An address leads to no other one."""

    def redirect_request(self, *_: object) -> None:
        """Follow nothing: the answer is an error then."""
