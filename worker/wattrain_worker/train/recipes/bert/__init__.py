"""The recipe `bert`."""
