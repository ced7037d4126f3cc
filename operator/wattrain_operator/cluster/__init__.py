"""The Kubernetes backend: observes with kopf and LISTs, applies with raw JSON, and leaves deciding to the core."""
