"""One rank of a recipe: `python -m wattrain_worker.train`.

Read `engine.py` first: it tells the training as a story. `stepping.py` (DistributedDataParallel) and
`deterministic.py` are its two ways to get from a batch to gradients, `agreement.py` is how the ranks decide together,
`checkpoint.py` and `restore.py` are what survives a crash.
"""
