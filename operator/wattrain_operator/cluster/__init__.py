"""The Kubernetes backend: observes by watches and LISTs, applies with raw JSON, and leaves deciding to the core."""
