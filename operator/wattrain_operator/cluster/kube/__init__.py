"""What talks to Kubernetes, and decides nothing: requests, the cache, what feeds it, the Lease, events."""

from wattrain_operator.cluster.kube.asynchronous_only import import_kopf

import_kopf()  # before any module of this package imports it
