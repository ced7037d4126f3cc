"""What a TrainingJob is, and every name that the two sides of Wattrain share.

This package knows neither the operator nor the worker. Its constants (`names`, `reasons`, `metrics`) need the
standard library alone and run on Python 3.9, because the supervisor travels with them into images that have
nothing of ours; the models (`trainingjob`, `powerdomain`, `status`) need pydantic. So this file imports nothing.
"""
