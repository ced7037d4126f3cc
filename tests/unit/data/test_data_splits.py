"""Which row goes where, and that it stays there."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattrain_api.data import Split
from wattrain_worker.data.labels import SplitKeys
from wattrain_worker.data.row_digests import digests_of, occurrences_of
from wattrain_worker.data.split import TEST, TRAIN, VALIDATION, Deal, deal

RAW = {"label": "kind", "normalize": "none"}
SPLITS = ("train", "validation", "test")


def _dealt(split: Split, values: list[int], labels: list[int] | None = None, keys: SplitKeys | None = None) -> Deal:
    """The splits of rows whose one feature is `values`."""
    digests = digests_of(value.to_bytes(8, "big") for value in values)
    return deal(split, digests, occurrences_of(digests), np.array(labels or [0] * len(values), np.int64), keys)


def _methods(rows: int) -> list[tuple[Split, SplitKeys | None]]:
    """The methods that must not look at the label, with keys for `rows` rows."""
    keys = SplitKeys(np.arange(rows) % 23, np.zeros(rows, np.bool_))
    by = {method: Split.model_validate({"method": method, "column": "c"}) for method in ("hash", "group", "time")}
    return [(by["hash"], None), (by["group"], keys), (by["time"], keys)]


def _shares() -> st.SearchStrategy[dict[str, float]]:
    percents = st.tuples(st.integers(1, 100), st.integers(0, 99)).filter(lambda pair: sum(pair) <= 100)
    return percents.map(
        lambda pair: {"train": pair[0] / 100, "validation": pair[1] / 100, "test": (100 - sum(pair)) / 100}
    )


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=60), _shares(), st.integers(0, 2**31 - 1), st.randoms())
@settings(max_examples=60, deadline=None)
def test_a_row_is_dealt_by_itself_alone(values: list[int], shares: dict[str, float], seed: int, random: Any) -> None:
    split = Split.model_validate({**shares, "seed": seed})
    dealt = _dealt(split, values).tolist()
    shuffled = [*values, *range(2000, 2010)]
    random.shuffle(shuffled)
    again = _dealt(split, shuffled).tolist()
    known = [pair for pair in zip(shuffled, again, strict=True) if pair[0] < 2000]
    assert sorted(known) == sorted(zip(values, dealt, strict=True))
    assert _dealt(split, [*values, *shuffled]).tolist()[: len(values)] == dealt
    for number, share in enumerate(shares.values()):
        if share == 0:
            assert number not in again


@given(st.lists(st.integers(0, 3), min_size=1, max_size=200), _shares())
@settings(max_examples=60, deadline=None)
def test_a_stratified_split_has_the_shares_in_every_class(codes: list[int], shares: dict[str, float]) -> None:
    split = Split.model_validate({**shares, "method": "stratified"})
    labels = np.array(codes)
    dealt = _dealt(split, [row % 3 for row in range(len(codes))], codes)
    for code in set(codes):
        members = dealt[labels == code]
        for number, share in enumerate(shares.values()):
            assert abs((members == number).sum() - share * len(members)) <= 1


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=60), _shares())
@settings(max_examples=60, deadline=None)
def test_a_split_by_time_never_trains_on_what_comes_later(times: list[int], shares: dict[str, float]) -> None:
    split = Split.model_validate({**shares, "method": "time", "column": "when"})
    keys = SplitKeys(np.array(times), np.zeros(len(times), np.bool_))
    dealt = _dealt(split, list(range(len(times))), keys=keys)
    order = np.argsort(times, kind="stable")
    assert (np.diff(dealt[order]) >= 0).all()
    for moment in set(times):
        assert len({int(d) for d, t in zip(dealt, times, strict=True) if t == moment}) == 1


def test_shares_are_met_by_many_rows_and_another_seed_deals_differently() -> None:
    dealt = _dealt(Split(), list(range(20_000)))
    shares = [float((dealt == number).mean()) for number in (TRAIN, VALIDATION, TEST)]
    # the standard deviation of a share of 0.1 is 0.002 here
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.012)
    other = _dealt(Split(seed=1), list(range(20_000)))
    assert 0.25 < float((dealt != other).mean()) < 0.45


@given(st.lists(st.integers(0, 7), min_size=1, max_size=200), st.lists(st.integers(0, 7), max_size=50), st.randoms())
@settings(max_examples=60, deadline=None)
def test_in_a_table_of_few_distinct_rows_neither_labels_nor_appended_rows_move_a_row(
    values: list[int], appended: list[int], random: Any
) -> None:
    labels = [random.randint(0, 1) for _ in values]
    for split, keys in _methods(len(values)):
        dealt = _dealt(split, values, labels, keys).tolist()
        assert _dealt(split, values, [1 - label for label in labels], keys).tolist() == dealt
        if split.method != "time":  # whose shares are of all rows
            more = [*values, *appended]
            (_, longer), *_ = [pair for pair in _methods(len(more)) if pair[0].method == split.method]
            assert _dealt(split, more, [0] * len(more), longer).tolist()[: len(values)] == dealt


@pytest.mark.parametrize("method", ["hash", "stratified"])
@pytest.mark.parametrize("distinct", [1, 2, 8])
def test_shares_are_met_by_a_table_of_few_distinct_rows_in_each_of_them(method: str, distinct: int) -> None:
    values = [row * distinct // 8000 for row in range(8000)]  # sorted, as such tables often are
    labels = [row // 3 % 2 for row in range(8000)]
    dealt = _dealt(Split.model_validate({"method": method}), values, labels)
    for value in range(distinct):
        for label in (0, 1):
            cell = dealt[(np.array(values) == value) & (np.array(labels) == label)]
            shares = [float((cell == number).mean()) for number in (TRAIN, VALIDATION, TEST)]
            # five standard deviations of a share of 0.8 among the 500 rows of a cell, the fewest, are 0.09
            assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.09)


def test_a_table_without_repeats_is_dealt_the_same_whether_repeats_would_be_dropped_or_not(
    bench: Any, flowers_csv: Any
) -> None:
    bench.prepare(flowers_csv, into="kept", **RAW)
    bench.prepare(flowers_csv, into="dropped", clean={"dropDuplicates": True}, **RAW)
    for split in SPLITS:
        assert bench.shards("kept")[f"{split}.safetensors"] == bench.shards("dropped")[f"{split}.safetensors"]


def test_where_repeats_are_dropped_rows_that_differ_in_their_label_alone_stay_together(
    bench: Any, flowers: pl.DataFrame
) -> None:
    answers = [flowers.with_columns(pl.lit(kind).alias("kind")) for kind in ("iris", "lily")]
    pl.concat([*answers, *answers]).write_csv(bench.folder / "disputed.csv")
    prepared = bench.prepared(bench.folder / "disputed.csv", clean={"dropDuplicates": True}, **RAW)
    assert prepared.document["counts"]["duplicates"] == 400
    rows = [[tuple(row) for row in getattr(prepared, split).features.tolist()] for split in SPLITS]
    assert sum(len(set(split)) for split in rows) == 200 == len({row for split in rows for row in split})
    assert all(len(split) == 2 * len(set(split)) for split in rows)


def test_appended_and_shuffled_rows_move_no_row(bench: Any, flowers: pl.DataFrame, rows_of: Any) -> None:
    flowers.write_csv(bench.folder / "small.csv")
    more = flowers.with_columns(pl.col("length") + 100.0)
    pl.concat([more, flowers.sample(fraction=1, shuffle=True, seed=1)]).write_csv(bench.folder / "large.csv")
    small = bench.prepared(bench.folder / "small.csv", into="small", **RAW)
    large = bench.prepared(bench.folder / "large.csv", into="large", **RAW)
    for split in SPLITS:
        assert rows_of(small, split) < rows_of(large, split)


def test_rows_of_a_group_stay_together_and_the_group_is_no_feature(bench: Any) -> None:
    text = "patient,a,kind\n" + "".join(f"p{i % 40},{i},{i % 2}\n" for i in range(400))
    prepared = bench.prepared(bench.write(text), split={"method": "group", "column": "patient"}, **RAW)
    assert prepared.columns == ("a",)
    patients = [{int(a) % 40 for a in getattr(prepared, split).features[:, 0]} for split in SPLITS]
    assert sum(map(len, patients)) == 40 == len(set.union(*patients))
    assert all(patients)


@pytest.mark.parametrize("moment", ["2026-01-{:02d}", "2026-01-{:02d}T12:00:00+01:00", "{}"])
def test_time_orders_dates_and_numbers(bench: Any, moment: str) -> None:
    days = [int(day) for day in np.random.default_rng(1).permutation(28) + 1]
    text = "a,when,kind\n" + "".join(f"{day},{moment.format(day)},{i % 2}\n" for i, day in enumerate(days))
    split = {"method": "time", "column": "when", "train": 0.5, "validation": 0.25, "test": 0.25}
    prepared = bench.prepared(bench.write(text), split=split, **RAW)
    found = [sorted(getattr(prepared, split).features[:, 0]) for split in SPLITS]
    assert found == [list(range(1, 15)), list(range(15, 22)), list(range(22, 29))]


def test_a_group_is_the_same_whether_written_as_a_number_or_a_text(bench: Any) -> None:
    frame = pl.DataFrame({"a": range(200), "group": [i % 20 for i in range(200)], "kind": [i % 2 for i in range(200)]})
    frame.write_csv(bench.folder / "a.csv")
    frame.write_parquet(bench.folder / "a.parquet")
    frame.with_columns(pl.col("group").cast(pl.Float64)).write_parquet(bench.folder / "b.parquet")
    split = {"method": "group", "column": "group"}
    shards = []
    for name in ("a.csv", "a.parquet", "b.parquet"):
        bench.prepare(bench.folder / name, into=name[::-1], split=split, **RAW)
        shards.append(bench.shards(name[::-1])["train.safetensors"])
    assert shards[0] == shards[1] == shards[2]


@pytest.mark.parametrize(
    "split", [{"method": "hash"}, {"method": "group", "column": "g"}, {"method": "time", "column": "g"}]
)
@pytest.mark.parametrize("distinct", [4, 400])
def test_other_labels_leave_every_row_in_its_split(bench: Any, split: dict[str, str], distinct: int) -> None:
    random = np.random.default_rng(2)
    cells, labels = random.integers(0, distinct, 400), np.arange(400) % 2
    found = []
    for name in ("one", "two"):
        rows = zip(cells, np.arange(400) % 37, labels, strict=True)
        path = bench.write("a,g,kind\n" + "".join(f"{a / 8},{g},{kind}\n" for a, g, kind in rows), name=f"{name}.csv")
        prepared = bench.prepared(path, into=name, split=split, **RAW)
        found.append([getattr(prepared, part).features[:, 0].tolist() for part in SPLITS])
        labels = random.permutation(labels)
    assert found[0] == found[1]
