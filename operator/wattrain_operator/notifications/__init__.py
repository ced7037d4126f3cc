"""What a receiver of notifications is sent when a job has ended, and how: shared by all backends that send any."""
