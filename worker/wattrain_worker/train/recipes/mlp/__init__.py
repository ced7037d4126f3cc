"""The recipe `mlp`."""
