"""Dates as features: days since 1970, the same whatever file they come from."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from wattrain_worker.errors import BadData

RAW: dict[str, Any] = {"normalize": "none", "label": "kind"}
START = date(2026, 1, 1)


def _table(bench: Any, cells: list[str], name: str = "table.csv") -> Path:
    rows = "".join(f"{cell},{i * 7 % 11},{'ab'[i * 5 % 7 % 2]}\n" for i, cell in enumerate(cells))
    path: Path = bench.write("day,b,kind\n" + rows, name)
    return path


def _days(prepared: Any) -> list[float]:
    shards = (prepared.train, prepared.validation, prepared.test)
    return sorted(np.concatenate([shard.features[:, 0] for shard in shards]).tolist())


def test_dates_are_days_since_1970_and_no_categories(bench: Any) -> None:
    cells = [(START + timedelta(days=i)).isoformat() for i in range(100)]
    prepared = bench.prepared(_table(bench, cells), **RAW)
    assert prepared.document["columnTypes"] == ["date", "number"]
    assert prepared.document["warnings"] == []
    first = (START - date(1970, 1, 1)).days
    assert _days(prepared) == [first + i for i in range(100)]


def test_times_are_fractions_of_days_and_zones_count(bench: Any) -> None:
    forms = ["2026-03-01T12:00:00Z", "2026-03-01 14:00:00+02:00", "2026-03-01T12:00", "2026-03-01 12:00:00.000"]
    prepared = bench.prepared(_table(bench, [forms[i % 4] for i in range(100)]), **RAW)
    noon = (datetime(2026, 3, 1, 12, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(days=1)
    assert set(_days(prepared)) == {noon}


def test_a_date_that_is_missing_is_filled_in_as_a_number_is(bench: Any) -> None:
    cells = ["" if i % 10 == 3 else (START + timedelta(days=i % 2)).isoformat() for i in range(100)]
    document = bench.prepare(_table(bench, cells), clean={"missing": "indicator"}, **RAW).document
    first = (START - date(1970, 1, 1)).days
    assert first < document["missing"]["fill"][0] < first + 1
    assert document["missing"]["indicators"] == ["day"]


def test_dates_are_the_same_in_every_format(bench: Any) -> None:
    days = [START + timedelta(days=i) for i in range(100)]
    text = _table(bench, [day.isoformat() for day in days])
    frame = pl.read_csv(text, try_parse_dates=True)
    assert frame["day"].dtype == pl.Date
    frame.write_parquet(bench.folder / "dates.parquet")
    frame.with_columns(pl.col("day").cast(pl.Datetime("ns"))).write_parquet(bench.folder / "times.parquet")
    shards = []
    for file in (text, bench.folder / "dates.parquet", bench.folder / "times.parquet"):
        bench.prepare(file, file.stem, **RAW)
        shards.append([content for name, content in bench.shards(file.stem).items() if name != "prepare.json"])
    assert shards[0] == shards[1] == shards[2]


def test_dates_with_slashes_are_those_with_hyphens(bench: Any) -> None:
    days = [START + timedelta(days=i) for i in range(100)]
    found = []
    for number, form in enumerate(("%Y-%m-%d", "%Y/%m/%d")):
        bench.prepare(_table(bench, [day.strftime(form) for day in days]), str(number), **RAW)
        found.append([content for name, content in bench.shards(str(number)).items() if name != "prepare.json"])
    assert found[0] == found[1]


def test_the_model_is_told_the_time_of_the_day_the_day_of_the_week_and_the_time_of_the_year(bench: Any) -> None:
    moments = [datetime(2024, 1, 1) + timedelta(days=11 * i, hours=5 * i) for i in range(100)]
    prepared = bench.prepared(_table(bench, [moment.isoformat() for moment in moments]), **RAW)
    assert prepared.document["dateParts"] == {"day": ["timeOfDay", "dayOfWeek", "timeOfYear"]}
    rows = np.concatenate([shard.features for shard in (prepared.train, prepared.validation, prepared.test)])
    assert rows.shape == (100, 2 + 6)
    start = datetime(1970, 1, 1)
    for moment, row in zip(moments, rows[rows[:, 0].argsort()].tolist(), strict=True):
        day = moment.hour / 24
        week = ((moment - start).days % 7) / 7
        year = (moment - start) / timedelta(days=365.2425) % 1
        expected = [f(2 * np.pi * turn) for turn in (day, week, year) for f in (np.sin, np.cos)]
        assert row[2:] == pytest.approx(expected, abs=1e-6)


def test_parts_of_dates_that_do_not_differ_in_the_training_split_are_left_out(bench: Any) -> None:
    """A leak would show: the rows that come later, which are not trained on, have hours and span years."""
    early = [datetime(2026, 1, 1) + timedelta(days=i) for i in range(80)]
    late = [datetime(2026, 6, 1) + timedelta(days=30 * i, hours=i) for i in range(20)]
    table = _table(bench, [moment.isoformat() for moment in (*early, *late)])
    by_time = {"method": "time", "column": "day", "train": 0.8, "validation": 0.1, "test": 0.1}
    found = bench.prepare(table, split=by_time, features=["day", "b"], **RAW).document
    assert found["dateParts"] == {"day": ["dayOfWeek"]}
    weekly = _table(bench, [(START + timedelta(days=7 * (i % 20))).isoformat() for i in range(100)])
    assert "dateParts" not in bench.prepare(weekly, "weekly", **RAW).document


def test_a_date_that_is_missing_is_in_the_middle_of_each_circle(bench: Any) -> None:
    cells = ["" if i % 10 == 3 else (START + timedelta(days=i)).isoformat() for i in range(100)]
    prepared = bench.prepared(_table(bench, cells), clean={"missing": "indicator"}, **RAW)
    rows = np.concatenate([shard.features for shard in (prepared.train, prepared.validation, prepared.test)])
    is_missing, points = rows[:, 2] == 1, rows[:, 3:5]
    assert is_missing.sum() == 10
    assert not points[is_missing].any()
    np.testing.assert_allclose((points[~is_missing] ** 2).sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("cell", "schema", "expected"),
    [
        ("2026-02-30", {}, 'column "day", line 9: "2026-02-30" is no date in ISO 8601'),
        ("1.3.2026", {"schema": {"day": {"type": "date"}}}, 'column "day", line 9: "1.3.2026" is no date'),
    ],
)
def test_what_is_no_date_is_refused_with_its_place(bench: Any, cell: str, schema: Any, expected: str) -> None:
    cells = [(START + timedelta(days=i)).isoformat() for i in range(100)]
    cells[7] = cell
    error = bench.refusal(_table(bench, cells), **RAW, **schema)
    assert type(error) is BadData
    assert expected in str(error)


def test_the_schema_makes_categories_of_dates(bench: Any) -> None:
    cells = [(START + timedelta(days=i % 3)).isoformat() for i in range(100)]
    document = bench.prepare(_table(bench, cells), schema={"day": {"type": "string"}}, **RAW).document
    assert document["categories"] == {"day": ["2026-01-01", "2026-01-02", "2026-01-03"]}
