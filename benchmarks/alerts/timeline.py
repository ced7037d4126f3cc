"""When each alert became pending, fired and ended, as Prometheus says it once a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from harness.prometheus import Prometheus

from alerts.causes import EVERY_JOB, Cause
from alerts.playground import Playground

_HEAD = ("alert", "job", "cause", "pending after", "firing after", "remedy", "ended after")


@dataclass
class Row:
    """What became of one cause; all in seconds, since it began or since the remedy."""

    cause: Cause
    began: float
    pending: float | None = None
    firing: float | None = None
    remedied: float | None = None
    ended: float | None = None
    is_caused: bool = True

    def cells(self) -> list[str]:
        """For the table."""
        seconds = ["never" if one is None else f"{one:.0f} s" for one in (self.pending, self.firing, self.ended)]
        cause = self.cause
        return [cause.alert, cause.subject or "-", cause.what, seconds[0], seconds[1], cause.remedy, seconds[2]]


class Timeline:
    """Begins causes, looks at the alerts, and ends each cause when its alert has fired."""

    def __init__(self, server: Prometheus, look: Callable[[], None], deadline: float):
        self._server, self._look, self._deadline = server, look, deadline
        self.rows: list[Row] = []
        self._expected: list[tuple[str, str]] = []
        self._wrong: set[str] = set()

    def go_through(self, on: Playground, causes: list[Cause]) -> None:
        """Begin all, and wait until all have fired and ended, or the time is over."""
        rows: list[Row] = []
        self._expected += [(name, cause.subject) for cause in causes for name in (cause.alert, *cause.also)]
        self._expected += [(name, "") for cause in causes for name in cause.also]
        for cause in causes:
            rows.append(Row(cause, time.monotonic(), is_caused=cause.when_running is None))
            cause.begin(on)
            self._tick(on, rows)
        self.rows += rows
        while any(row.ended is None for row in rows) and time.monotonic() < self._deadline:
            self._tick(on, rows)
            time.sleep(1)

    def wait_until_running(self, on: Playground, jobs: Collection[str]) -> None:
        """Wait until they train, or the time is over."""
        while any(on.state(job) != "Running" for job in jobs) and time.monotonic() < self._deadline:
            self._tick(on, [])
            time.sleep(1)

    def _tick(self, on: Playground, rows: list[Row]) -> None:
        self._look()
        alerts = self._server.get("/api/v1/alerts")["alerts"]
        states = {}
        for one in alerts:
            labels = one["labels"]
            name, job = labels["alertname"], labels.get("trainingjob", "")
            for key in ((name, job), (name, EVERY_JOB)):
                if one["state"] == "firing" or key not in states:
                    states[key] = one["state"]
            if one["state"] == "firing" and not {(name, job), (name, EVERY_JOB)} & {*self._expected}:
                self._wrong.add(f"{name} of {job or 'the operator'}")
        now = time.monotonic()
        for row in rows:
            if row.cause.when_running is not None and not row.is_caused and on.state(row.cause.subject) == "Running":
                row.cause.when_running(on)
                row.is_caused, row.began = True, time.monotonic()
            if row.cause.meanwhile is not None and row.firing is None:
                row.cause.meanwhile(on)
            state = states.get((row.cause.alert, row.cause.subject))
            if state and row.pending is None:
                row.pending = now - row.began
            if state == "firing" and row.firing is None:
                row.firing = now - row.began
                print(f"{row.cause.alert} fires after {row.firing:.0f} s: {row.cause.what}", flush=True)
                row.cause.end(on)
                row.remedied = time.monotonic()
            elif state != "firing" and row.remedied is not None and row.ended is None:
                row.ended = now - row.remedied
                print(f"{row.cause.alert} has ended after {row.ended:.0f} s: {row.cause.remedy}", flush=True)

    def report(self) -> int:
        """Print the table; 1 where something is not as it should be."""
        print("\n| " + " | ".join(_HEAD) + " |\n|" + "---|" * len(_HEAD))
        for row in self.rows:
            print("| " + " | ".join(row.cells()) + " |")
        missing = [row.cause.alert for row in self.rows if row.ended is None]
        print(f"\nFired and should not have: {', '.join(sorted(self._wrong)) or 'none'}")
        print(f"Did not fire, or did not end: {', '.join(missing) or 'none'}")
        return int(bool(self._wrong or missing))
