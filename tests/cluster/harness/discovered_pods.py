"""In place of Prometheus' discovery in Kubernetes, which Debian's package lacks: what it would find, as files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from harness.api import Api, Object

SHIPPED = Path(__file__).parents[3] / "docs" / "prometheus" / "prometheus.yml"


class DiscoveredPods:
    """The configuration that ships for clusters, with a file in place of each discovery, in `folder`.

    Targets have the labels that the discovery of Prometheus 3.4 gave such pods when it was tried.
    """

    def __init__(self, folder: Path):
        self._folder, self._discoveries = folder, dict[Path, Object]()
        self.beside: dict[str, str] = {}
        """Addresses of operators that are no pods, with the namespace of their Lease."""

    def configuration(self, rules: list[Path] | None = None, *, interval_seconds: int = 1) -> Path:
        """The file for Prometheus, which scrapes and evaluates that often; `rules` instead of those that ship."""
        config = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
        interval = f"{interval_seconds}s"
        config["global"] = {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval}
        shipped = [SHIPPED.parent / pattern for pattern in config["rule_files"]]
        config["rule_files"] = [str(path) for path in (shipped if rules is None else rules)]
        for scrape in config["scrape_configs"]:
            (discovery,) = scrape.pop("kubernetes_sd_configs")
            found = self._folder / f"{scrape['job_name']}.json"
            self._discoveries[found] = discovery
            scrape["file_sd_configs"] = [{"files": [str(found)], "refresh_interval": "1s"}]
        file = self._folder / "prometheus.yml"
        file.write_text(yaml.safe_dump(config), encoding="utf-8")
        return file

    def look(self, api: Api) -> None:
        """Write down the pods that there are now."""
        for file, discovery in self._discoveries.items():
            new = file.with_suffix(".new")
            targets = [*_targets(api, discovery), *(self._beside() if file.stem == "wattrain-operator" else ())]
            new.write_text(json.dumps(targets), encoding="utf-8")
            new.replace(file)  # Prometheus reads the old one or the new one, never half of one

    def _beside(self) -> Iterator[dict[str, Any]]:
        for address, namespace in self.beside.items():
            told = {
                "namespace": namespace,
                "pod_name": "beside",
                "pod_phase": "Running",
                "pod_container_port_name": "metrics",
            }
            yield {"targets": [address], "labels": {f"__meta_kubernetes_{key}": value for key, value in told.items()}}


def _targets(api: Api, discovery: Object) -> Iterator[dict[str, Any]]:
    """One target for each port of a container."""
    assert discovery["role"] == "pod"
    (selector,) = [one["label"] for one in discovery["selectors"]]
    for pod in api.get(f"/api/v1/pods?labelSelector={selector}")["items"]:
        if not pod["status"].get("podIP"):
            continue
        labels = {
            "__meta_kubernetes_namespace": pod["metadata"]["namespace"],
            "__meta_kubernetes_pod_name": pod["metadata"]["name"],
            "__meta_kubernetes_pod_phase": pod["status"]["phase"],
        }
        for key, value in pod["metadata"]["labels"].items():
            labels[f"__meta_kubernetes_pod_label_{re.sub(r'[^a-zA-Z0-9_]', '_', key)}"] = value
        for container in pod["spec"]["containers"]:
            for port in container.get("ports", ()):
                named = {"__meta_kubernetes_pod_container_port_name": port["name"]}
                yield {"targets": [f"{pod['status']['podIP']}:{port['containerPort']}"], "labels": labels | named}
