"""When what happened to the jobs of a namespace, as a client that watches is told. Costs little: pods by metadata."""

from __future__ import annotations

import http.client
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from burst.server import Server

Json = dict[str, Any]
JOBS = "/apis/wattrain.dev/v1alpha1/namespaces/{}/trainingjobs"
PODS = "/api/v1/namespaces/{}/pods"
LABEL_JOB, LABEL_ATTEMPT = "wattrain.dev/job", "wattrain.dev/attempt"


class Observer:
    """Watches one namespace from its making on until it is closed."""

    def __init__(self, server: Server, namespace: str) -> None:
        self.changed = threading.Condition()
        self.created: dict[tuple[str, int], list[float]] = defaultdict(list)
        """By job and attempt: when each of its pods was told of."""
        self.states: dict[tuple[str, str], float] = {}
        """By job and state: when the job was first told to be in it; by job and `Running <attempt>` too."""
        self._pods: set[str] = set()
        self._server, self._failure, self._closed = server, "", False
        for path, take, metadata_only in (
            (PODS.format(namespace), self._take_pod, True),
            (JOBS.format(namespace), self._take_job, False),
        ):
            version = server.ask("GET", f"{path}?limit=1")["metadata"]["resourceVersion"]
            arguments = (path, version, take, metadata_only)
            threading.Thread(target=self._follow, args=arguments, daemon=True).start()

    def wait_for(self, holds: Callable[[], bool], what: str, seconds: float) -> None:
        """Return when `holds()` of what has been told. TimeoutError after `seconds`, or where a watch cannot go on."""
        with self.changed:
            if not self.changed.wait_for(lambda: self._failure or holds(), seconds) or self._failure:
                raise TimeoutError(self._failure or f"after {seconds:.0f} s still not: {what}")

    def close(self) -> None:
        """Take no notice any more. The threads end with their connections."""
        self._closed = True

    def count(self) -> int:
        """Pods that have been told of."""
        return len(self._pods)

    def _follow(self, path: str, version: str, take: Callable[[Json, float], None], metadata_only: bool) -> None:
        try:
            while not self._closed:
                for event in self._server.watch(f"{path}?resourceVersion={version}", metadata_only=metadata_only):
                    if event["type"] == "ERROR":
                        raise OSError(event["object"].get("message"))
                    version = event["object"]["metadata"]["resourceVersion"]
                    with self.changed:
                        if event["type"] != "DELETED":
                            take(event["object"], time.monotonic())
                        self.changed.notify_all()
        except (OSError, http.client.HTTPException, ValueError) as error:
            with self.changed:
                self._failure = f"the watch of {path} ended: {error!r}"
                self.changed.notify_all()

    def _take_pod(self, pod: Json, now: float) -> None:
        metadata = pod["metadata"]
        labels = metadata.get("labels") or {}
        if metadata["uid"] not in self._pods and LABEL_JOB in labels:
            self._pods.add(metadata["uid"])
            self.created[labels[LABEL_JOB], int(labels[LABEL_ATTEMPT])].append(now)

    def _take_job(self, job: Json, now: float) -> None:
        status, name = job.get("status") or {}, job["metadata"]["name"]
        if status.get("state"):
            self.states.setdefault((name, status["state"]), now)
            self.states.setdefault((name, f"{status['state']} {status.get('attempt')}"), now)
