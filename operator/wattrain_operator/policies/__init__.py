"""Policies of a power domain compared on a trace of jobs, in virtual time."""
