"""Predicting with a trained model: `python -m wattrain_worker.predict`, which `wattrain predict` starts."""
