"""Traces that are made for `wattrain simulate`."""
