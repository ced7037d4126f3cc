"""Pictures: which there are and of what class, how they are decoded, and what shards of them hold."""
