"""Interactions: which user turned to which item, from a table to shards."""
