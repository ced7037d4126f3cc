"""Numbers that float64 or float32 cannot hold apart are said, or refused; none trains in silence."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from wattrain_api.reasons import EXIT_BAD_DATA

RAW = {"label": "kind", "normalize": "none"}


def _rows(values: list[Any], rows: int = 60) -> str:
    """A table whose column `a` has `values` in turn, and `b` others that are harmless."""
    return "a,b,kind\n" + "".join(f"{values[i % len(values)]},{i * 0.37},{'xy'[i % 2]}\n" for i in range(rows))


@pytest.mark.parametrize("normalize", ["standard", "minmax"])
def test_finite_values_without_a_finite_mean_or_range_are_refused_with_their_place(bench: Any, normalize: str) -> None:
    path = bench.write(_rows(["1e308", "-1.5e308"]))
    error = bench.refusal(path, label="kind", normalize=normalize)
    assert 'column "a", line 3: -1.5e+308 is so large that the column has no finite mean and deviation' in str(error)
    assert "give the column in a larger unit, or leave it out of spec.data.features" in str(error)
    assert error.exit_code == EXIT_BAD_DATA


@pytest.mark.parametrize("method", ["zscore", "mad", "iqr"])
def test_no_outlier_rule_takes_its_bounds_from_what_has_overflowed(bench: Any, method: str) -> None:
    path = bench.write(_rows(["1e308", "-1.5e308", "1.2e308", "-1.1e308"]))
    error = bench.refusal(path, label="kind", clean={"outliers": {"method": method}})
    assert 'column "a", line 3: -1.5e+308 is so large' in str(error)


def test_a_mean_to_fill_in_that_is_not_finite_is_refused(bench: Any) -> None:
    path = bench.write(_rows(["1.5e308", "1.7e308", "", "1.6e308"]))
    error = bench.refusal(path, clean={"missing": "mean"}, **RAW)
    assert "1.7e+308 is so large that the column has no finite mean" in str(error)


def test_an_outlier_that_is_dropped_may_be_as_large_as_it_likes(bench: Any) -> None:
    path = bench.write(_rows([1, 2, 3, 4, 5], 100) + "1e308,1,x\n")
    outliers = {"method": "iqr", "action": "drop"}
    prepared = bench.prepared(path, label="kind", clean={"outliers": outliers}, split={"method": "hash"})
    assert abs(prepared.train.features).max() < 3


def test_a_column_that_float32_makes_one_number_is_refused_with_two_of_its_values(bench: Any) -> None:
    path = bench.write(_rows([1_000_000_001, 1_000_000_002, 1_000_000_003]))
    error = bench.refusal(path, **RAW)
    assert 'column "a": 1000000001 (line ' in str(error)
    assert "and 1000000002 (line " in str(error)
    assert "are the same number in float32" in str(error)
    assert "all its values are; set spec.data.normalize to standard, or leave the column out" in str(error)
    assert error.exit_code == EXIT_BAD_DATA
    prepared = bench.prepared(path, label="kind")
    assert len(set(prepared.train.features[:, 0].tolist())) == 3
    assert prepared.document["warnings"] == []


def test_a_column_that_float32_makes_zero_is_refused(bench: Any) -> None:
    assert "all its values are" in str(bench.refusal(bench.write(_rows(["1e-50", "2e-50", "3e-50"])), **RAW))


def test_values_that_a_few_far_ones_press_together_are_warned_of(bench: Any) -> None:
    path = bench.write(_rows([i / 10 for i in range(10)], 400) + "".join(f"1e15,{i / 9},x\n" for i in range(20)))
    prepared = bench.prepared(path, label="kind")
    (warning,) = prepared.document["warnings"]
    assert 'column "a": 0 (line 392) and 0.1 (line ' in warning
    assert "half of its values or more are; values far from the others cause it: clip them by" in warning


@pytest.mark.parametrize("as_text", [True, False])
def test_integers_that_float64_rounds_are_warned_of_with_their_line(bench: Any, as_text: bool) -> None:
    values = [2**53 + 2 * i for i in range(60)]
    values[7] += 1
    values.append(values.pop(0))  # not in order, which would be warned of as well
    frame = pl.DataFrame({"a": values, "b": [i / 8 for i in range(60)], "kind": ["x", "y"] * 30})
    path = bench.folder / ("table.csv" if as_text else "table.parquet")
    frame.write_csv(path) if as_text else frame.write_parquet(path)
    (warning,) = [told for told in bench.prepared(path, label="kind").document["warnings"] if '"a"' in told]
    place, shown = ("line 8", f'"{values[6]}"') if as_text else ("row 7", values[6])
    assert f'column "a", {place}: {shown} is used as {values[6] + 1}' in warning
    assert "where it is an identifier, leave the column out of spec.data.features" in warning


@pytest.mark.parametrize("action", ["drop", "clip"])
@pytest.mark.parametrize("values", [("0", "1"), ("3", "9.5")])
def test_a_rare_one_of_two_values_is_no_outlier(bench: Any, values: tuple[str, str], action: str) -> None:
    rows = "".join(f"{i / 8},{values[i % 100 == 0]},{i // 10 % 2}\n" for i in range(400))
    outliers = {"method": "zscore", "threshold": 3, "action": action}
    prepared = bench.prepared(bench.write("a,rare,kind\n" + rows), clean={"outliers": outliers}, **RAW)
    counts = prepared.document["counts"]
    assert (counts["outliersDropped"], counts["outliersClipped"]) == (0, 0)
    assert set(prepared.train.features[:, 1].tolist()) == {float(value) for value in values}
    assert prepared.document["warnings"] == []


def test_an_outlier_rule_that_leaves_one_value_of_a_column_is_warned_of(bench: Any) -> None:
    rows = "".join(f"{i / 8},{(i % 100 == 0) + (i % 200 == 0)},{i // 10 % 2}\n" for i in range(1000))
    outliers = {"method": "zscore", "threshold": 3, "action": "drop"}
    prepared = bench.prepared(bench.write("a,rare,kind\n" + rows), clean={"outliers": outliers}, **RAW)
    (warning,) = prepared.document["warnings"]
    assert 'column "rare": without outliers it is 0 in every training row, and says nothing; raise' in warning
