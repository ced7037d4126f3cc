"""The recipe `bert-classifier`."""
