"""The recipe `gpt`."""
