"""A real Prometheus with a fixed hour of five jobs."""

from harness.past_server import past

__all__ = ["past"]
