"""Predict the classes of the rows of a CSV file with a model that `wattrain run` has trained.

python examples/predict.py runs/wine-mlp/model examples/data/wine.csv
"""

import csv
import json
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file


def prepare(features: np.ndarray, prepared: dict) -> np.ndarray:
    """[rows, columns] as the training had them: outliers clipped, gaps filled, scaled; all with what was fitted."""
    if "lower" in prepared["outliers"]:
        lower, upper = (np.array(prepared["outliers"][name], float) for name in ("lower", "upper"))  # null: no bound
        features = np.clip(features, np.nan_to_num(lower, nan=-np.inf), np.nan_to_num(upper, nan=np.inf))
    features = np.where(np.isnan(features), prepared["missing"].get("fill", np.nan), features)
    if np.isnan(features).any():
        sys.exit(f"row {np.isnan(features).any(axis=1).argmax() + 1} lacks a value, and the training filled none in")
    return (features - np.array(prepared["scaler"]["mean"])) / np.array(prepared["scaler"]["scale"])


def scores(recipe: str, weights: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """[rows, classes]: the class with the largest score is the one predicted."""
    if recipe == "logistic-regression":
        return x @ weights["weight"].T - weights["bias"]
    for number, layer in enumerate(sorted({int(name.split(".")[0]) for name in weights})):
        x = (torch.relu(x) if number else x) @ weights[f"{layer}.weight"].T + weights[f"{layer}.bias"]
    return x


directory, file = Path(sys.argv[1]), Path(sys.argv[2])
rows = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
model, prepared = (json.loads((directory / name).read_bytes()) for name in ("model.json", "prepare.json"))
table = np.array([[float(row[column] or "nan") for column in model["columns"]] for row in rows])
x = torch.from_numpy(prepare(table, prepared)).float()
best = scores(model["recipe"], load_file(directory / "model.safetensors"), x).argmax(dim=1)
print(*(found := [str(model["classes"][i]) for i in best]), sep="\n")
if (label := prepared["label"]) in rows[0]:  # of all rows, those that it was trained on included
    print(f"accuracy {np.mean([guess == row[label] for guess, row in zip(found, rows, strict=True)]):.4f}")
