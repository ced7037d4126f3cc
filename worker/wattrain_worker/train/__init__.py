"""One rank of a recipe: `python -m wattrain_worker.train`.

Read `engine.py` first: it is the training from the newest checkpoint to the exported model. What it asks others:
`recipes/` for the model, its loss and its metrics; `strategies/` for how the ranks share the work; `agreement.py` for
what all ranks decide together; `checkpoint.py` and `restore.py` for what survives a crash.
"""
