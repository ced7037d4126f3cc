"""Nothing of validation and test reaches training: what is fitted is fitted on the training split, by numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import safetensors.numpy

RAW = {"normalize": "none"}


def test_duplicates_go_before_the_split_and_the_first_stays(bench: Any, flowers: pl.DataFrame, rows_of: Any) -> None:
    once = {"clean": {"dropDuplicates": True}}
    doubled = pl.concat([flowers, flowers.reverse(), flowers[:50]])
    doubled.write_csv(bench.folder / "doubled.csv")
    flowers.write_csv(bench.folder / "once.csv")
    prepared = bench.prepared(bench.folder / "doubled.csv", label="kind", **once)
    assert prepared.document["counts"]["read"] == 450
    assert prepared.document["counts"]["duplicates"] == 250
    splits = [rows_of(prepared, split) for split in ("train", "validation", "test")]
    assert sum(map(len, splits)) == 200 == len(set.union(*splits))
    bench.prepare(bench.folder / "once.csv", into="once", label="kind")
    assert bench.shards("once")["train.safetensors"] == bench.shards()["train.safetensors"]


def test_repeats_are_samples_and_counted_unless_they_are_to_be_dropped(bench: Any, flowers: pl.DataFrame) -> None:
    path = bench.folder / "doubled.csv"
    pl.concat([flowers, flowers]).write_csv(path)
    prepared = bench.prepared(path, label="kind")
    counts = prepared.document["counts"]
    assert (counts["read"], counts["repeats"], counts["duplicates"]) == (400, 200, 0)
    assert sum(len(getattr(prepared, split).labels) for split in ("train", "validation", "test")) == 400
    dropped = bench.prepared(path, into="dropped", label="kind", clean={"dropDuplicates": True}).document["counts"]
    assert (dropped["read"], dropped["repeats"], dropped["duplicates"]) == (400, 200, 200)


def _chances(prepared: Any) -> tuple[float, float]:
    """Accuracy on the test rows of each cell's most frequent training label, and the best possible there."""
    cells, right, best = prepared.train.features[:, 0], 0, 0
    for cell in np.unique(prepared.test.features[:, 0]):
        known = np.bincount(prepared.train.labels[cells == cell], minlength=2)
        asked = np.bincount(prepared.test.labels[prepared.test.features[:, 0] == cell], minlength=2)
        right += asked[known.argmax()]
        best += asked.max()
    return right / len(prepared.test.labels), best / len(prepared.test.labels)


@pytest.mark.parametrize("method", ["hash", "stratified"])
def test_a_model_of_a_table_of_few_distinct_rows_is_tested_on_what_it_could_learn(bench: Any, method: str) -> None:
    random = np.random.default_rng(4)
    cells = np.sort(random.integers(0, 8, 800))
    kinds = (cells % 2) ^ (random.random(800) < 0.15)  # the cell says the kind, and is wrong in 15 of 100 rows
    path = bench.write("a,kind\n" + "".join(f"{a},{kind}\n" for a, kind in zip(cells, kinds, strict=True)))
    accuracy, best = _chances(bench.prepared(path, label="kind", split={"method": method}, **RAW))
    assert accuracy == pytest.approx(0.85, abs=0.1)
    assert accuracy == pytest.approx(best, abs=0.02)


@pytest.mark.parametrize("normalize", ["standard", "minmax"])
def test_the_scaler_is_that_of_the_training_split_alone(bench: Any, flowers_csv: Path, normalize: str) -> None:
    raw = bench.prepared(flowers_csv, into="raw", label="kind", **RAW)
    scaled = bench.prepared(flowers_csv, label="kind", normalize=normalize)
    train = raw.train.features.astype(float)
    if normalize == "standard":
        shift, scale = train.mean(axis=0), train.std(axis=0)
    else:
        shift, scale = train.min(axis=0), np.ptp(train, axis=0)
    for split in ("train", "validation", "test"):
        expected = (getattr(raw, split).features - shift) / scale
        np.testing.assert_allclose(getattr(scaled, split).features, expected, atol=1e-5)
    np.testing.assert_allclose(scaled.document["scaler"]["mean"], shift, rtol=1e-6)
    np.testing.assert_allclose(scaled.document["scaler"]["scale"], scale, rtol=1e-6)


def test_constant_columns_become_zero_with_scale_one(bench: Any) -> None:
    path = bench.write("a,same,kind\n" + "".join(f"{i},0.1,{i % 2}\n" for i in range(100)))
    prepared = bench.prepared(path, label="kind", clean={"outliers": {"method": "zscore"}})
    assert prepared.document["scaler"]["scale"][1] == 1.0
    assert prepared.document["outliers"]["upper"][1] is None
    assert (prepared.train.features[:, 1] == 0).all()
    assert (prepared.test.features[:, 1] == 0).all()


def test_missing_values_are_filled_with_the_mean_of_the_training_split(bench: Any) -> None:
    rows = "".join(f"{i},{i if i % 3 else ''},{i % 2}\n" for i in range(120))
    prepared = bench.prepared(bench.write("id,a,kind\n" + rows), label="kind", clean={"missing": "mean"}, **RAW)
    ids = prepared.train.features[:, 0]
    fill = ids[ids % 3 != 0].mean()
    assert prepared.document["missing"]["fill"][1] == pytest.approx(fill)
    for split in (prepared.train, prepared.validation, prepared.test):
        gaps = split.features[:, 0] % 3 == 0
        assert gaps.any()
        np.testing.assert_allclose(split.features[gaps, 1], fill, rtol=1e-6)
        np.testing.assert_array_equal(split.features[~gaps, 1], split.features[~gaps, 0])


def test_rows_with_missing_values_are_dropped_and_counted(bench: Any) -> None:
    rows = "".join(f"{i},{i if i % 3 else 'NA'},{i % 2 if i % 10 else ''}\n" for i in range(120))
    prepared = bench.prepared(bench.write("id,a,kind\n" + rows), label="kind", **RAW)
    whole = sorted(i for i in range(120) if i % 3 and i % 10)
    ids = np.concatenate([getattr(prepared, split).features[:, 0] for split in ("train", "validation", "test")])
    assert sorted(ids.tolist()) == whole
    assert prepared.document["counts"]["missingDropped"] == 120 - len(whole)


def _with_outliers(bench: Any, training_ids: np.ndarray, test_ids: np.ndarray) -> Path:
    """Values 0 to 9, but 1,000 in one row of each split."""
    values = [1000 if i in (training_ids[0], test_ids[0]) else i % 10 for i in range(200)]
    # The split must not move: it goes by group, and every row is a group.
    return bench.write(  # type: ignore[no-any-return]
        "id,a,kind\n" + "".join(f"{i},{value},{i // 10 % 2}\n" for i, value in enumerate(values)), name="outliers.csv"
    )


@pytest.mark.parametrize("method", ["zscore", "mad", "iqr"])
@pytest.mark.parametrize("action", ["drop", "clip"])
def test_outliers_are_dropped_in_training_only_and_clipped_elsewhere(bench: Any, method: str, action: str) -> None:
    plain = bench.write("id,a,kind\n" + "".join(f"{i},{i % 10},{i // 10 % 2}\n" for i in range(200)))
    common = {"label": "kind", "features": ["id", "a"], "split": {"method": "group", "column": "id"}, **RAW}
    before = bench.prepared(plain, into="plain", **common)
    path = _with_outliers(bench, before.train.features[:, 0], before.test.features[:, 0])
    outliers = {"method": method, "threshold": 4, "action": action}
    after = bench.prepared(path, clean={"outliers": outliers}, **common)

    observed = before.train.features[:, 1].astype(float)
    observed[0] = 1000
    if method == "zscore":
        upper = observed.mean() + 4 * observed.std()
    elif method == "mad":
        middle = np.median(observed)
        upper = middle + 4 * 1.4826 * np.median(np.abs(observed - middle))
    else:
        low, high = np.quantile(observed, [0.25, 0.75])
        upper = high + 4 * (high - low)
    assert after.document["outliers"]["upper"][1] == pytest.approx(upper)
    assert after.test.features[0, 1] == pytest.approx(upper)
    np.testing.assert_array_equal(after.test.features[1:], before.test.features[1:])
    counts = after.document["counts"]
    if action == "drop":
        np.testing.assert_array_equal(after.train.features, before.train.features[1:])
        assert (counts["outliersDropped"], counts["outliersClipped"]) == (1, 1)
    else:
        assert after.train.features[0, 1] == pytest.approx(upper)
        assert (counts["outliersDropped"], counts["outliersClipped"]) == (0, 2)


def test_rare_truths_are_no_outliers(bench: Any) -> None:
    rows = "".join(f"{i},{'true' if i % 90 == 0 else 'False'},{i % 2}\n" for i in range(400))
    outliers = {"method": "zscore", "threshold": 3}
    prepared = bench.prepared(bench.write("a,rare,kind\n" + rows), label="kind", clean={"outliers": outliers}, **RAW)
    assert prepared.document["counts"]["outliersDropped"] == 0
    shards = (prepared.train, prepared.validation, prepared.test)
    assert sum(float(shard.features[:, 1].sum()) for shard in shards) == 5


def test_wrong_labels_are_reported_by_line_and_not_changed(bench: Any) -> None:
    random = np.random.default_rng(3)
    kinds = random.integers(0, 3, 300)
    points = random.normal(np.stack([3 * np.cos(2 * kinds), 3 * np.sin(2 * kinds)], axis=1), 0.3)
    given = kinds.copy()
    wrong = [20, 110, 250]
    given[wrong] = (given[wrong] + 1) % 3
    text = "x,y,kind\n" + "".join(f"{x},{y},{kind}\n" for (x, y), kind in zip(points, given, strict=True))
    common = {"label": "kind", "split": {"train": 1, "validation": 0, "test": 0}}
    prepared = bench.prepared(bench.write(text), clean={"labelIssues": "report"}, **common)
    assert prepared.document["labelIssues"]["count"] == 3
    assert sorted(prepared.document["labelIssues"]["lines"]) == [row + 2 for row in wrong]
    np.testing.assert_array_equal(prepared.train.labels, given)
    silent = bench.prepared(bench.write(text), into="silent", **common)
    assert "labelIssues" not in silent.document
    assert bench.shards("silent")["train.safetensors"] == bench.shards()["train.safetensors"]


def test_shards_are_float32_and_int64_in_the_order_of_the_file(bench: Any) -> None:
    path = bench.write("a,kind\n" + "".join(f"{i},{['no', 'yes'][i % 2]}\n" for i in range(50)))
    prepared = bench.prepared(path, label="kind", **RAW)
    tensors = safetensors.numpy.load_file(bench.folder / "prepared" / "train.safetensors")
    assert tensors["features"].dtype == np.float32
    assert tensors["labels"].dtype == np.int64
    values = prepared.train.features[:, 0]
    assert (np.diff(values) > 0).all()
    assert prepared.classes == ("no", "yes")
    np.testing.assert_array_equal(prepared.train.labels, values.astype(int) % 2)


def test_equal_values_are_duplicates_however_they_are_written(bench: Any) -> None:
    rows = "0.0,,a\n-0.0,nan,a\n0,NA,a\n0e5, ,a\n" + "".join(f"{i},{i},{'ab'[i % 2]}\n" for i in range(1, 60))
    prepared = bench.prepared(bench.write("x,y,kind\n" + rows), label="kind", clean={"missing": "mean"})
    assert prepared.document["counts"]["repeats"] == 3
