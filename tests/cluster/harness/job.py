"""A TrainingJob on a cluster as its user sees it: through kubectl, and through the files on its claim."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from harness.api import JOBS
from harness.cluster import Cluster
from harness.daemon import wait_for

Object = dict[str, Any]
Row = dict[str, str]
_LOOK_EVERY_SECONDS = 0.3


class Job:
    """The job `name` in `namespace`. `folder`: what is behind its claim, where that can be seen."""

    def __init__(self, cluster: Cluster, namespace: str, name: str, folder: Path | None = None):
        self.cluster, self.namespace, self.name = cluster, namespace, name
        self.path = f"{JOBS.format(namespace)}/{name}"
        self.folder = None if folder is None else folder / name

    def kubectl(self, *words: str, text: str = "", fails: bool = False) -> str:
        """What kubectl says in the job's namespace; AssertionError where it fails, or does not where it should."""
        done = self.cluster.kubectl(f"--namespace={self.namespace}", *words, text=text)
        assert (done.returncode != 0) == fails, f"kubectl {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stderr if fails else done.stdout

    def status(self) -> Object:
        """Its status; empty where the operator has not seen it yet."""
        with self.cluster.api() as api:
            found: Object = api.get(self.path).get("status", {})
        return found

    def pods(self) -> list[Object]:
        """Its pods."""
        return self.owned("pods")

    def owned(self, resource: str, group: str = "api/v1") -> list[Object]:
        """What there is of a kind that carries the job's label."""
        with self.cluster.api() as api:
            path = f"/{group}/namespaces/{self.namespace}/{resource}?labelSelector=wattrain.dev/job={self.name}"
            found: list[Object] = api.get(path)["items"]
        return found

    def waits(self, holds: Callable[[Object], object], what: str, *, seconds: float = 240) -> Object:
        """Wait until `holds(status)`, and return that status. A job that fails is not waited for."""
        seen: Object = {}

        def looks() -> object:
            nonlocal seen
            seen = self.status()
            assert seen.get("state") != "Failed" or holds(seen), seen.get("message")
            return holds(seen)

        wait_for(looks, seconds=seconds, what=f"{self.name}: {what}")
        return seen

    def completes(self, *, seconds: float = 400) -> Object:
        """Wait as a user does, and return the last status."""
        deadline = time.monotonic() + seconds
        words = ("wait", "--for=condition=Complete", f"trainingjob/{self.name}", "--timeout=20s")
        while self.cluster.kubectl(f"--namespace={self.namespace}", *words).returncode:
            status = self.status()
            assert status.get("state") != "Failed", status["message"]
            assert time.monotonic() < deadline, f"not complete after {seconds:g} s: {status}"
        return self.status()

    def row(self) -> Row:
        """Its line of `kubectl get trainingjobs`, by column."""
        header, line = self.kubectl("get", "tj", self.name).splitlines()
        starts = [(word.start(), word[0]) for word in re.finditer(r"\S+(?: \S+)*", header)]
        ends = [start for start, _ in starts[1:]] + [None]
        return {name: line[start:end].strip() for (start, name), end in zip(starts, ends, strict=True)}

    def metrics(self) -> list[Object]:
        """The recorded steps in metrics.jsonl so far. Only where the claim's folder can be seen."""
        assert self.folder is not None
        file = self.folder / "records" / "metrics.jsonl"
        if not file.exists():
            return []
        text = file.read_text(encoding="utf-8")
        lines = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
        return [line for line in lines if "phase" not in line]  # without the last line of each supervisor


class Watched:
    """Use as a context manager: inside, another thread looks at what `kubectl get` says of a job, again and again."""

    def __init__(self, job: Job):
        self._job, self._end = job, threading.Event()
        self.rows: list[Row] = []
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end.set()
        self._thread.join()

    @property
    def states(self) -> list[str]:
        """The states that it was in, each as often as it was entered."""
        states = [row["STATE"] for row in self.rows]
        return [state for index, state in enumerate(states) if index == 0 or states[index - 1] != state]

    def _look(self) -> None:
        while not self._end.wait(_LOOK_EVERY_SECONDS):
            self.rows.append(self._job.row())
