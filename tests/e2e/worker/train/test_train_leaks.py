"""Where the features say nothing of the label, no model does better than chance on the test rows, nor worse: no label
has found its way into another split, and none has dealt rows to splits. The other way round a leak is seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_worker.data.prepare import prepare
from wattrain_worker.data.prepared_data import Prepared, load_prepared
from wattrain_worker.train.recipes import find_recipe, recipe_folders
from wattrain_worker.train.recipes.recipe_protocol import TableShape

ROWS = 2400
SPLIT = {"train": 0.5, "validation": 0.1, "test": 0.4}
METHODS: dict[str, dict[str, Any]] = {
    "hash": {}, "stratified": {}, "group": {"column": "group"}, "time": {"column": "moment"},
}  # fmt: skip
STEPS = 150
FOUND = [find_recipe(name) for name in recipe_folders()]
CLASSIFIERS = [
    name
    for name, recipe in zip(recipe_folders(), FOUND, strict=True)
    if recipe.parameters.SAMPLES == "table" and recipe.task == "classification"
]
DEVIATIONS = 5


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Small models are slowed down by threads, very much so beside other tests."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def prepared(folder: Path, table: dict[str, Any], recipe: str, method: str, **clean: Any) -> Prepared:
    """The splits of `table` by `method`."""
    random = np.random.default_rng(3)
    keys = {"group": random.integers(0, 300, ROWS), "moment": random.permutation(ROWS) / 8}
    folder.mkdir(exist_ok=True)
    pl.DataFrame(table | keys).write_csv(folder / "table.csv")
    data = {
        "source": {"uri": str(folder / "table.csv")}, "label": "kind", "features": [n for n in table if n != "kind"],
        "clean": clean, "split": {"method": method, **METHODS[method], **SPLIT},
    }  # fmt: skip
    spec = {"recipe": {"name": recipe}, "training": {"epochs": 1}, "data": data}
    prepare(TrainingJobSpec.model_validate(spec), folder / "data")
    return load_prepared(folder / "data")


def accuracy(data: Prepared, recipe_name: str) -> float:
    """On the test rows, after STEPS steps on all training rows at once: enough to learn many of them by heart."""
    recipe = find_recipe(recipe_name)
    torch.manual_seed(0)
    model = recipe.build_model(TableShape(len(data.columns), len(data.classes)), recipe.parameters())
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    features, labels = torch.tensor(data.train.features), torch.tensor(data.train.labels)
    for _ in range(STEPS):
        optimizer.zero_grad()
        (recipe.loss_sum(model(features), labels) / len(labels)).backward()
        optimizer.step()
    with torch.inference_mode():
        outputs = model.eval()(torch.tensor(data.test.features))
    sums = recipe.metric_sums(outputs, torch.tensor(data.test.labels)).tolist()
    return float(recipe.metrics_of(sums, len(data.test.labels), 1.0)["accuracy"])


def chance_of(data: Prepared) -> tuple[float, float]:
    """Accuracy of guessing one of two classes that are as frequent, and how far it may lie from there."""
    return 0.5, DEVIATIONS * (0.25 / len(data.test.labels)) ** 0.5


def shuffled_labels(seed: int) -> list[str]:
    return [("x", "y")[i % 2] for i in np.random.default_rng(seed).permutation(ROWS)]


def distinct_rows() -> dict[str, Any]:
    random = np.random.default_rng(1)
    columns = {name: random.normal(size=ROWS).tolist() for name in "abc"}
    columns["c"] = [None if i % 11 == 0 else value for i, value in enumerate(columns["c"])]
    return {**columns, "kind": shuffled_labels(2)}


def few_distinct_rows() -> dict[str, Any]:
    return {"a": sorted(np.random.default_rng(1).integers(0, 8, ROWS).tolist()), "kind": shuffled_labels(2)}


def rows_twice(labels: list[str]) -> dict[str, Any]:
    half = np.random.default_rng(1).normal(size=(ROWS // 2, 12))
    columns = {f"c{column}": [*half[:, column], *half[:, column]] for column in range(12)}
    return columns | {"kind": [*labels[: ROWS // 2], *labels[: ROWS // 2]]}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("recipe", CLASSIFIERS)
@pytest.mark.parametrize("table", [distinct_rows, few_distinct_rows])
def test_with_shuffled_labels_the_test_accuracy_is_chance(tmp_path: Path, table: Any, recipe: str, method: str) -> None:
    clean = {"missing": "mean", "outliers": {"method": "zscore", "threshold": 2, "action": "clip"}}
    data = prepared(tmp_path, table(), recipe, method, **clean)
    chance, tolerance = chance_of(data)
    assert accuracy(data, recipe) == pytest.approx(chance, abs=tolerance)


def test_copies_of_one_sample_leak_where_they_are_kept_and_not_where_they_are_dropped(tmp_path: Path) -> None:
    table = rows_twice(shuffled_labels(2))
    kept = prepared(tmp_path / "kept", table, "mlp", "hash")
    chance, tolerance = chance_of(kept)
    assert accuracy(kept, "mlp") > chance + tolerance
    assert "repeat the features and the label of an earlier one" in kept.document["warnings"][0]
    dropped = prepared(tmp_path / "dropped", table, "mlp", "hash", dropDuplicates=True)
    chance, tolerance = chance_of(dropped)
    assert accuracy(dropped, "mlp") == pytest.approx(chance, abs=tolerance)


@pytest.mark.parametrize("method", ["hash", "stratified", "group", "time"])
def test_where_the_features_say_the_label_the_test_sees_it(tmp_path: Path, method: str) -> None:
    table = few_distinct_rows()
    data = prepared(tmp_path, table | {"kind": ["xy"[cell % 2] for cell in table["a"]]}, "mlp", method)
    assert accuracy(data, "mlp") > 0.95
