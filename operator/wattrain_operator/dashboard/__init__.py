"""A page that draws the shipped Grafana dashboards from a Prometheus, or from the recorded figures of runs."""
