"""Labels that are numbers: which task is chosen, how they are prepared, and what they may not be combined with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wattrain_worker.errors import BadData, BadSpec


def _table(bench: Any, labels: list[Any], name: str = "table.csv") -> Path:
    path: Path = bench.write("a,b,y\n" + "".join(f"{i},{i * 7 % 11},{label}\n" for i, label in enumerate(labels)), name)
    return path


@pytest.mark.parametrize(
    ("labels", "data", "task", "why"),
    [
        ([i / 4 for i in range(100)], {}, "regression", "its values are numbers with fractions"),
        (list(range(100)), {}, "regression", "it has more than 50 different whole numbers"),
        ([i % 50 for i in range(200)], {}, "classification", "it has 50 different whole numbers"),
        ([i % 51 for i in range(200)], {}, "regression", "it has more than 50 different whole numbers"),
        (["no", "yes"] * 50, {}, "classification", "its values are no numbers"),
        (["1.5", "x"] * 50, {}, "classification", "its values are no numbers"),
        (["true", "false"] * 50, {}, "classification", "its values are true and false"),
        ([f"{i}.0" for i in range(100)], {}, "regression", "it has more than 50 different whole numbers"),
        ([f"{i % 5}.0" for i in range(100)], {}, "classification", "it has 5 different whole numbers"),
        ([f"{i:03}" for i in range(100)], {}, "classification", "its values are texts such as 007 or 1E2"),
        (["NA", *(i / 4 for i in range(99))], {}, "regression", "its values are numbers with fractions"),
        ([i % 9 for i in range(100)], {"task": "regression"}, "regression", "spec.data.task says so"),
        (list(range(100)), {"task": "classification"}, "classification", "spec.data.task says so"),
        ([i / 4 for i in range(100)], {"schema": {"y": {"type": "string"}}}, "classification",
         "spec.data.schema says that its type is string"),
        ([i % 9 for i in range(100)], {"recipe": {"name": "linear-regression"}}, "regression",
         "the recipe linear-regression does nothing else"),
        (list(range(100)), {"recipe": {"name": "logistic-regression"}}, "classification",
         "the recipe logistic-regression does nothing else"),
        (list(range(100)), {"recipe": {"name": "mlp", "params": {"classes": 200}}}, "classification",
         "spec.recipe.params.classes is given"),
    ],
)  # fmt: skip
def test_the_task_follows_from_the_label_unless_spec_or_recipe_say_otherwise(
    bench: Any, labels: list[Any], data: dict[str, Any], task: str, why: str
) -> None:
    document = bench.prepare(_table(bench, labels), label="y", **data).document
    assert (document["task"], document["taskChosen"]) == (task, why)
    assert bool(document["classes"]) == (task == "classification") == ("labelHistogram" in document)


@pytest.mark.parametrize("normalize", ["standard", "minmax", "none"])
def test_numbers_are_normalized_as_the_features_are_and_their_scale_is_told(bench: Any, normalize: str) -> None:
    labels = [round(1000 + 300 * np.sin(i), 3) for i in range(300)]
    prepared = bench.prepared(_table(bench, labels), label="y", normalize=normalize)
    mean, scale = prepared.label_scaling
    assert prepared.train.labels.dtype == np.float32
    again = [prepared.train.labels, prepared.validation.labels, prepared.test.labels]
    assert sorted((np.concatenate(again).astype(float) * scale + mean).round(3)) == pytest.approx(sorted(labels))
    low, high, average = (float(figure(prepared.train.labels)) for figure in (np.min, np.max, np.mean))
    if normalize == "standard":
        assert (average, float(prepared.train.labels.std())) == pytest.approx((0, 1), abs=1e-5)
    else:
        assert (low, high) == pytest.approx((0, 1) if normalize == "minmax" else (min(labels), max(labels)), rel=0.1)


def test_the_scale_of_the_labels_knows_the_training_split_alone(bench: Any) -> None:
    labels = [float(i % 17) + 0.5 for i in range(300)]
    before = bench.prepared(_table(bench, labels), label="y", normalize="none")
    tested = {int(row) for shard in (before.validation, before.test) for row in shard.features[:, 0]}
    assert len(tested) > 30
    bench.prepare(_table(bench, labels), "before", label="y")
    far = [1e6 if row in tested else label for row, label in enumerate(labels)]
    bench.prepare(_table(bench, far, "far.csv"), "after", label="y")
    assert bench.document("after")["labelScaler"] == bench.document("before")["labelScaler"]
    assert bench.shards("after")["train.safetensors"] == bench.shards("before")["train.safetensors"]
    assert bench.shards("after")["test.safetensors"] != bench.shards("before")["test.safetensors"]


def test_a_number_does_not_deal_its_row(bench: Any) -> None:
    one, other = (
        bench.prepared(_table(bench, labels, name), name[:1], label="y", normalize="none")
        for labels, name in (([i + 0.5 for i in range(200)], "a.csv"), ([7.5 - i for i in range(200)], "b.csv"))
    )
    np.testing.assert_array_equal(one.test.features, other.test.features)


def test_rows_of_equal_features_and_numbers_are_repeats_and_of_other_numbers_not(bench: Any) -> None:
    rows = "1,1,2.5\n1,1,2.50\n1,1,3.5\n" + "".join(f"{i},{i},{i / 8}\n" for i in range(2, 90))
    prepared = bench.prepared(bench.write("a,b,y\n" + rows), label="y", clean={"dropDuplicates": True})
    assert prepared.document["counts"]["duplicates"] == 1


def test_rows_without_a_number_to_predict_are_dropped(bench: Any) -> None:
    labels = ["" if i % 10 == 0 else i / 8 for i in range(200)]
    counts = bench.prepare(_table(bench, labels), label="y", clean={"missing": "mean"}).document["counts"]
    assert counts["missingDropped"] == 20
    assert counts["training"] + counts["validation"] + counts["test"] == 180


@pytest.mark.parametrize(
    ("data", "kind", "expected"),
    [
        ({"split": {"method": "stratified"}}, BadSpec, "spec.data.split.method: stratified needs classes"),
        ({"clean": {"labelIssues": "report"}}, BadSpec, "spec.data.clean.labelIssues: report needs classes"),
        ({"task": "regression", "recipe": {"name": "logistic-regression"}}, BadSpec,
         "spec.data.task: regression, but the recipe logistic-regression does classification alone"),
        ({"task": "classification", "recipe": {"name": "linear-regression"}}, BadSpec,
         "spec.data.task: classification, but the recipe linear-regression does regression alone"),
        ({"task": "regression", "recipe": {"name": "mlp", "params": {"classes": 4}}}, BadSpec,
         "spec.recipe.params.classes: 4, but this is a regression"),
        ({"task": "regression", "schema": {"y": {"type": "string"}}}, BadSpec,
         "spec.data.schema.y.type: string, but spec.data.task is regression"),
    ],
)  # fmt: skip
def test_what_needs_classes_is_refused_in_a_regression(
    bench: Any, data: dict[str, Any], kind: type[Exception], expected: str
) -> None:
    error = bench.refusal(_table(bench, [i / 8 for i in range(100)]), label="y", **data)
    assert type(error) is kind
    assert str(error).startswith(expected)


def test_one_number_alone_is_nothing_to_learn(bench: Any) -> None:
    error = bench.refusal(_table(bench, [2.5] * 100), label="y")
    assert type(error) is BadData
    assert 'column "y" is 2.5 in each of 100 rows' in str(error)


def test_numbers_that_float32_cannot_tell_apart_are_refused(bench: Any) -> None:
    labels = [1e9 + i / 64 for i in range(100)]
    error = bench.refusal(_table(bench, labels), label="y", normalize="none")
    assert "are the same number in float32, in which models compute; set spec.data.normalize to standard" in str(error)
    assert bench.prepare(_table(bench, labels), label="y", features=["b"]).document["warnings"] == []
