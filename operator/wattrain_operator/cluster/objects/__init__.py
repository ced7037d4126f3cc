"""Objects of the API server as raw JSON: what a job becomes, and what is read back from its pods. Pure functions."""

from wattrain_operator.cluster.objects.children import child_of, directive_of, gone_child_of
from wattrain_operator.cluster.objects.identity import UnbuildableError
from wattrain_operator.cluster.objects.network import network_policy_of, service_of
from wattrain_operator.cluster.objects.pods import PodSettings, pod_of
from wattrain_operator.cluster.objects.storage import address_of, shares_storage

__all__ = [
    "PodSettings", "UnbuildableError", "address_of", "child_of", "directive_of", "gone_child_of", "network_policy_of",
    "pod_of", "service_of", "shares_storage",
]  # fmt: skip
