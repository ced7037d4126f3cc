"""What the backends share about workers. Between core and the backends: it knows none of them, and does no I/O."""
