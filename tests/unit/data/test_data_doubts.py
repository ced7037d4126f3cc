"""What can be trained on, and may not be what the user means, is warned of with the field to change."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl
import pytest

from wattrain_worker.data import __main__ as command
from wattrain_worker.data.doubts import doubtful_classes, doubtful_columns


def _columns(**columns: list[float]) -> list[str]:
    features = np.array(list(columns.values()), float).T
    return list(doubtful_columns(tuple(columns), list(features.T), "line"))


@pytest.mark.parametrize(
    "name",
    ["id", "ID", "idx", "index", "user_id", "customer-id", "userId", "UUID", "Unnamed: 0", "row", "rownum",
     "row_number", "level_0", "__index_level_0__"],
)  # fmt: skip
def test_a_feature_named_like_an_identifier_is_warned_of_with_how_to_leave_it_out(name: str) -> None:
    (warning,) = _columns(**{name: [3.5, 1.0], "age": [1.0, 2.5], "size": [2.0, 1.5]})
    assert warning.startswith(f'"{name}" is a feature, and named like an identifier')
    assert warning.endswith("to leave it out, list the others in spec.data.features: [age, size]")


@pytest.mark.parametrize("name", ["width", "idea", "paid", "video", "rows_read", "grid", "acid", "humidity", "indexed"])
def test_names_that_only_look_alike_are_not_warned_of(name: str) -> None:
    assert _columns(**{name: [3.5, 1.0]}) == []


@pytest.mark.parametrize("values", [range(1, 41), range(40, 0, -1), [2**i for i in range(40)]])
def test_integers_that_count_the_rows_are_warned_of(values: Any) -> None:
    (warning,) = _columns(a=list(values), b=[0.5] * 40)
    assert '"a" is a feature, and an integer that rises or falls from line to line' in warning


@pytest.mark.parametrize(
    "values", [[i / 2 for i in range(40)], [*range(39), 5], [*range(39), float("nan")], [0.0, 1.0, 2.0]]
)
def test_other_numbers_are_not(values: list[float]) -> None:
    assert _columns(a=values) == []


def test_features_that_the_job_names_are_meant(bench: Any) -> None:
    path = bench.write("id,a,kind\n" + "".join(f"{i},{i * 7 % 60 / 8},{'xy'[i * 5 % 7 % 2]}\n" for i in range(60)))
    (warning,) = bench.prepared(path, label="kind").document["warnings"]
    assert '"id" is a feature' in warning
    named = bench.prepared(path, into="named", label="kind", features=["id", "a"])
    assert named.document["warnings"] == []


@pytest.mark.parametrize(("copies", "warned"), [(7, True), (6, False)])
def test_more_than_a_tenth_of_repeats_is_warned_of_with_what_the_test_shares(
    bench: Any, copies: int, warned: bool
) -> None:
    rows = [f"{i / 8},{'xy'[i * 5 % 7 % 2]}\n" for i in range(60)]
    path = bench.write("a,kind\n" + "".join([*rows, *rows[:copies]]))
    split = {"split": {"train": 0.5, "validation": 0.2, "test": 0.3}}
    prepared = bench.prepared(path, label="kind", normalize="none", **split)
    counts = prepared.document["counts"]
    shared = set(prepared.train.features[:, 0].tolist()) & set(prepared.test.features[:, 0].tolist())
    assert counts["testAlsoInTraining"] == len(shared) > 0
    if warned:
        (warning,) = prepared.document["warnings"]
        assert f"7 of 67 rows repeat the features and the label of an earlier one, and {len(shared)} of" in warning
        assert "set spec.data.clean.dropDuplicates to true" in warning
    else:
        assert prepared.document["warnings"] == []
    asked = bench.prepared(path, into="asked", label="kind", clean={"dropDuplicates": True}, **split).document
    assert (asked["warnings"], asked["counts"]["testAlsoInTraining"]) == ([], 0)


@pytest.mark.parametrize(
    ("histogram", "expected"),
    [
        ({"train": [40, 0], "validation": [5, 1], "test": [5, 3]}, 'no training row has the class "y"'),
        ({"train": [40, 9], "validation": [5, 0], "test": [5, 3]}, 'all 5 validation rows have the class "x"'),
        ({"train": [40, 9], "validation": [5, 1], "test": [0, 7]}, 'all 7 test rows have the class "y"'),
        ({"train": [1, 1], "validation": [0, 0], "test": [1, 0]}, "has 2 classes in 3 rows"),
        ({"train": [40, 9], "validation": [5, 1], "test": [4, 7]}, None),
        ({"train": [40, 9], "validation": [0, 0], "test": [0, 0]}, None),
    ],
)
def test_classes_that_cannot_be_learned_or_told_are_warned_of(
    histogram: dict[str, list[int]], expected: str | None
) -> None:
    found = list(doubtful_classes("kind", ("x", "y"), histogram, "hash"))
    assert len(found) == (expected is not None)
    assert all(expected in told for told in found if expected)


def test_prepare_json_has_the_share_of_each_class_in_each_split(bench: Any, flowers_csv: Any) -> None:
    prepared = bench.prepared(flowers_csv, label="kind")
    for split in ("train", "validation", "test"):
        labels = getattr(prepared, split).labels
        shares = [float((labels == code).mean()) for code in range(3)]
        assert prepared.document["classShares"][split] == pytest.approx(shares, abs=1e-6)


def test_warnings_are_printed_and_the_first_are_reported(
    bench: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "".join(f"{i},{i},{i / 8},{'xy'[i * 5 % 7 % 2]}\n" for i in range(60))
    spec = bench.spec(bench.write("id,n,a,kind\n" + rows), label="kind").to_json_object()
    monkeypatch.setenv("WATTRAIN_SPEC", str(bench.write(json.dumps(spec), "spec.json")))
    monkeypatch.setenv("WATTRAIN_DATA_DIR", str(bench.folder / "prepared"))
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(command, "report", lambda **fields: told.append(fields))
    assert command.main() == 0
    warnings = bench.document()["warnings"]
    assert len(warnings) == 2
    task, *printed = capsys.readouterr().out.splitlines()[1:]
    assert task == "task: classification of kind: its values are no numbers (spec.data.task may say otherwise)"
    assert [f"warning: {warning}" for warning in warnings] == printed
    assert told[-1]["prepare"]["warnings"] == warnings
    # Not "done": a worker that has prepared its own data would count as one that has trained.
    assert [fields.get("phase") for fields in told] == ["preparing", None]


def test_an_index_that_is_left_out_is_named(bench: Any) -> None:
    pandas = {"index_columns": ["__index_level_0__"], "columns": []}
    path = bench.folder / "table.parquet"
    frame = pl.DataFrame({"a": [i / 8 for i in range(60)], "kind": ["x", "y"] * 30, "__index_level_0__": range(60)})
    frame.write_parquet(path, metadata={"pandas": json.dumps(pandas)})
    document = bench.prepare(path, label="kind").document
    assert (document["columns"], document["leftOut"]) == (["a"], ["__index_level_0__"])
    named = bench.prepare(path, into="named", label="kind", features=["a", "__index_level_0__"]).document
    assert named["leftOut"] == []
