"""How long a group takes to train again after a pod is gone, and where the time goes."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Any, Self

from harness.job import Job

_LOOK_EVERY_SECONDS = 0.1  # more often would slow down what is measured
_STAGES = ("old pods gone", "created", "scheduled", "containers started", "ready", "first step")
Pod = dict[str, Any]


class Recovery:
    """Use as a context manager around a disruption: notes when the next attempt reached each stage."""

    def __init__(self, job: Job, attempt: int):
        """`attempt` is the one that is disrupted."""
        self._job, self._attempt, self._end = job, attempt, threading.Event()
        self.seconds: dict[str, float] = {}
        """Since the beginning, by stage."""
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._began = time.time()
        self._workers = sum(_is_worker(pod, self._attempt) for pod in self._job.pods())
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end.set()
        self._thread.join()
        first = next((line["time"] for line in self._job.metrics() if line["attempt"] > self._attempt), None)
        if first is not None:
            self.seconds["first step"] = first - self._began

    def told(self) -> str:
        """All stages in a line."""
        return ", ".join(f"{stage} {self.seconds[stage]:.1f} s" for stage in _STAGES if stage in self.seconds)

    def _look(self) -> None:
        while not self._end.wait(_LOOK_EVERY_SECONDS):
            pods = self._job.pods()
            old, new = ([pod for pod in pods if _is_worker(pod, self._attempt + n)] for n in (0, 1))
            reached = {
                "old pods gone": not old,
                "created": len(new) == self._workers,
                "scheduled": self._all(new, lambda pod: pod["spec"].get("nodeName")),
                "containers started": self._all(new, _started),
                "ready": self._all(new, _ready),
            }
            for stage, is_reached in reached.items():
                if is_reached:
                    self.seconds.setdefault(stage, time.time() - self._began)

    def _all(self, pods: list[Pod], holds: Any) -> bool:
        return len(pods) == self._workers and all(holds(pod) for pod in pods)


def _is_worker(pod: Pod, attempt: int) -> bool:
    labels = pod["metadata"]["labels"]
    return bool(labels["wattrain.dev/role"] == "worker" and labels["wattrain.dev/attempt"] == str(attempt))


def _started(pod: Pod) -> bool:
    statuses = pod["status"].get("containerStatuses") or ()
    return bool(statuses) and all("running" in status["state"] for status in statuses)


def _ready(pod: Pod) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions") or ())
