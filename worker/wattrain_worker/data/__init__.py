"""Preparation of data: reads a table, checks it, splits it, fits on the training split alone, writes shards.

`python -m wattrain_worker.data` prepares (see `prepare.py` for the order of the steps); `prepared.load_prepared` reads
what it left.
"""
