"""The worker: a supervisor that never trains, and the ranks that do."""
