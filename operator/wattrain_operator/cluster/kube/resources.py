"""The kinds of objects that the operator reads and writes, and their paths on the API server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

Json = dict[str, Any]
"""An object as the API server sends it: typed decoding would cost ten times as much on the hot path."""
Kind = Literal["TrainingJob", "Pod", "PowerDomain"]
KINDS: tuple[Kind, ...] = ("TrainingJob", "Pod", "PowerDomain")
"""The kinds that the cache holds."""


@dataclass(frozen=True)
class Resource:
    """A kind of objects, as the API server's paths name it."""

    group: str
    """Empty: the core group."""
    version: str
    plural: str

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The path of all, of those in a namespace, or of one."""
        parts = ["api" if not self.group else f"apis/{self.group}", self.version]
        if namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        parts += [
            self.plural,
            *(quote(part, safe="") for part in (name,) if part),
            *([subresource] * bool(subresource)),
        ]
        return "/" + "/".join(parts)


TRAINING_JOBS = Resource("wattrain.dev", "v1alpha1", "trainingjobs")
POWER_DOMAINS = Resource("wattrain.dev", "v1alpha1", "powerdomains")
PODS = Resource("", "v1", "pods")
CONFIG_MAPS = Resource("", "v1", "configmaps")
SERVICES = Resource("", "v1", "services")
NETWORK_POLICIES = Resource("networking.k8s.io", "v1", "networkpolicies")
EVENTS = Resource("events.k8s.io", "v1", "events")
LEASES = Resource("coordination.k8s.io", "v1", "leases")
RESOURCES: dict[Kind, Resource] = {"TrainingJob": TRAINING_JOBS, "Pod": PODS, "PowerDomain": POWER_DOMAINS}
