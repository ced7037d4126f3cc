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
from wattrain_worker.data.split import TEST, TRAIN, VALIDATION, deal

RAW = {"label": "kind", "normalize": "none"}
SPLITS = ("train", "validation", "test")


def _digests(values: list[int]) -> list[bytes]:
    return [value.to_bytes(16, "big") for value in values]


def _shares() -> st.SearchStrategy[dict[str, float]]:
    percents = st.tuples(st.integers(1, 100), st.integers(0, 99)).filter(lambda pair: sum(pair) <= 100)
    return percents.map(
        lambda pair: {"train": pair[0] / 100, "validation": pair[1] / 100, "test": (100 - sum(pair)) / 100}
    )


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=60), _shares(), st.integers(0, 2**31 - 1), st.randoms())
@settings(max_examples=60, deadline=None)
def test_a_row_is_dealt_by_itself_alone(values: list[int], shares: dict[str, float], seed: int, random: Any) -> None:
    split = Split.model_validate({**shares, "seed": seed})
    codes = np.zeros(len(values), np.int64)
    dealt = dict(zip(values, deal(split, _digests(values), codes, None).tolist(), strict=True))
    shuffled = [*values, *range(2000, 2010)]
    random.shuffle(shuffled)
    again = deal(split, _digests(shuffled), np.zeros(len(shuffled), np.int64), None).tolist()
    for value, number in zip(shuffled, again, strict=True):
        if value in dealt:
            assert number == dealt[value]
    for number, share in enumerate(shares.values()):
        if share == 0:
            assert number not in again


@given(st.lists(st.integers(0, 3), min_size=1, max_size=200), _shares())
@settings(max_examples=60, deadline=None)
def test_a_stratified_split_has_the_shares_in_every_class(codes: list[int], shares: dict[str, float]) -> None:
    split = Split.model_validate({**shares, "method": "stratified"})
    labels = np.array(codes)
    dealt = deal(split, _digests(list(range(len(codes)))), labels, None)
    for code in set(codes):
        members = dealt[labels == code]
        for number, share in enumerate(shares.values()):
            assert abs((members == number).sum() - share * len(members)) <= 1


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=60), _shares())
@settings(max_examples=60, deadline=None)
def test_a_split_by_time_never_trains_on_what_comes_later(times: list[int], shares: dict[str, float]) -> None:
    split = Split.model_validate({**shares, "method": "time", "column": "when"})
    keys = SplitKeys(np.array(times), np.zeros(len(times), np.bool_))
    dealt = deal(split, _digests(list(range(len(times)))), np.zeros(len(times), np.int64), keys)
    order = np.argsort(times, kind="stable")
    assert (np.diff(dealt[order]) >= 0).all()
    for moment in set(times):
        assert len({int(d) for d, t in zip(dealt, times, strict=True) if t == moment}) == 1


def test_shares_are_met_by_many_rows_and_another_seed_deals_differently() -> None:
    digests, codes = _digests(list(range(20_000))), np.zeros(20_000, np.int64)
    dealt = deal(Split(), digests, codes, None)
    shares = [float((dealt == number).mean()) for number in (TRAIN, VALIDATION, TEST)]
    # the standard deviation of a share of 0.1 is 0.002 here
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.012)
    other = deal(Split(seed=1), digests, codes, None)
    assert 0.25 < float((dealt != other).mean()) < 0.45


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
