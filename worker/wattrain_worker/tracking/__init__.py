"""Tracking: the figures of metrics.jsonl, in TensorBoard's event files or on an MLflow server, as they come.

Each tracker is a process beside the ranks, `python -m wattrain_worker.tracking NAME`, which the supervisor of worker 0
starts. Only there are the libraries of these programs imported. Standard library else, Python >= 3.9: the supervisor
carries this package into foreign images.
"""
