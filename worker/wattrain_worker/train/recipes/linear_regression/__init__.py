"""The recipe `linear-regression`."""
