"""What talks to Kubernetes, and decides nothing: requests, the cache, what feeds it, the Lease, events."""
