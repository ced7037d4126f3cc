"""Grafana dashboards of what Wattrain exports, written with Grafana's own builders."""
