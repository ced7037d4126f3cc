"""Real Helm."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the one in Python takes a second for the definitions
CHART = Path(__file__).parents[3] / "charts" / "wattrain"
Values = dict[str, Any]
MONITORING = "monitoring.coreos.com/v1"
"""The Prometheus operator's group: the chart uses its kinds where a cluster knows them."""
MONITORING_KINDS = ("PodMonitor", "PrometheusRule")


class Helm:
    """Helm's program, with a home of its own. Templates and installs our chart unless told otherwise."""

    def __init__(self, program: str | Path, home: Path):
        self._program = str(program)
        self._environment = {"PATH": os.environ["PATH"], "HOME": str(home)}

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        command = [self._program, *map(str, arguments)]
        return subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=120, check=False)

    def render(self, values: Values | None = None, *, knows: Sequence[str] = (), **where: str) -> list[dict[str, Any]]:
        """The objects of the chart with `values`; `release` and `namespace` may be given. `knows`: kinds of the
        Prometheus operator that the cluster has."""
        known = [f"--api-versions={MONITORING}/{kind}" for kind in knows]
        result = self._with(values or {}, "template", *known, **where)
        assert result.returncode == 0, result.stderr
        return objects_of(result.stdout)

    def refusal(self, values: Values) -> str:
        """What Helm says to `values` that it must not take."""
        result = self._with(values, "template")
        assert result.returncode != 0, f"taken: {values}"
        return result.stderr

    def notes(self, values: Values) -> str:
        """What Helm prints after an installation."""
        result = self._with(values, "install", "--dry-run=client")
        assert result.returncode == 0, result.stderr
        return result.stdout.split("NOTES:\n", 1)[1]

    def _with(
        self, values: Values, *command: str, release: str = "wattrain", namespace: str = "wattrain-system"
    ) -> subprocess.CompletedProcess[str]:
        folder = Path(self._environment["HOME"], "values")
        folder.mkdir(exist_ok=True)
        file = folder / f"{len(list(folder.iterdir()))}.yaml"
        file.write_text(yaml.safe_dump(values), encoding="utf-8")
        return self.run(*command, release, CHART, "--namespace", namespace, "--values", file)


def objects_of(text: str) -> list[dict[str, Any]]:
    """The Kubernetes objects in a stream of YAML; no two may have the same kind and name."""
    found = [document for document in yaml.load_all(text, Loader=_LOADER) if document]
    keys = [(o["kind"], o["metadata"].get("namespace", ""), o["metadata"]["name"]) for o in found]
    assert [key for key, count in Counter(keys).items() if count > 1] == []
    return found
