"""Interactions: who is left out for validation and test, and what a training may know of them."""

from __future__ import annotations

from typing import Any

import pytest

from wattrain_worker.errors import BadData

RECOMMENDER = {"name": "recommender"}
PAIRS = """user,item,day
ann,apple,3
bob,apple,1
ann,pear,1
ann,fig,2
ann,apple,9
bob,fig,2
bob,plum,3
cat,apple,1
,fig,4
dan,pear,1
dan,fig,2
dan,quince,3
"""


def prepared(bench: Any, text: str = PAIRS, **interactions: str) -> Any:
    data = {"interactions": interactions} if interactions else {}
    return bench.prepared(bench.write(text, "pairs.csv"), recipe=RECOMMENDER, **data)


def rows_of(found: Any, split: str) -> list[tuple[str, str]]:
    tensors, items = getattr(found, split).tensors, ["?", *found.document["items"]]
    users = found.document["users"]
    return [
        (users[user], items[item])
        for user, item in zip(tensors["users"].tolist(), tensors["items"].tolist(), strict=True)
    ]


def test_the_last_of_each_user_is_the_test_and_the_one_before_validation(bench: Any) -> None:
    found = prepared(bench, time="day")
    assert rows_of(found, "train") == [("ann", "pear"), ("bob", "apple"), ("cat", "apple"), ("dan", "pear")]
    assert rows_of(found, "validation") == [("ann", "?"), ("bob", "?"), ("dan", "?")], "no training row has a fig"
    assert rows_of(found, "test") == [("ann", "apple"), ("bob", "?"), ("dan", "?")]
    assert found.document["counts"] == {
        "read": 12, "missingDropped": 1, "duplicates": 1, "training": 4, "validation": 3, "test": 3
    }  # fmt: skip
    assert found.samples == "interactions"
    warnings = " ".join(found.document["warnings"])
    assert "3 of 3 rows of the validation split have an item that no training row has" in warnings
    assert "1 of 4 users have fewer than 3 items" in warnings


def test_without_a_time_the_order_of_the_file_counts(bench: Any) -> None:
    found = prepared(bench)
    assert rows_of(found, "test")[0] == ("ann", "?"), "a fig is the last, for the second apple is none"
    assert rows_of(found, "train")[0] == ("ann", "apple")


def test_dates_order_as_numbers_do(bench: Any) -> None:
    by_number = rows_of(prepared(bench, time="day"), "train")
    dated = PAIRS
    for day in range(1, 10):
        dated = dated.replace(f",{day}\n", f",2026-0{day}-01T10:00\n")
    assert rows_of(prepared(bench, dated, time="day"), "train") == by_number


def test_what_a_user_turned_to_before_goes_with_the_row_that_is_left_out(bench: Any) -> None:
    found = prepared(bench, time="day")
    code = {name: number for number, name in enumerate(found.document["items"], 1)}
    assert found.validation.tensors["seen"].tolist() == [[code["pear"]], [code["apple"]], [code["pear"]]]
    assert found.test.tensors["seen"].tolist() == [[code["pear"], 0], [code["apple"], 0], [code["pear"], 0]]


def test_the_same_rows_give_the_same_bytes_and_items_of_the_test_alone_change_no_training_shard(bench: Any) -> None:
    prepared(bench, time="day")
    once = bench.shards()
    bench.prepare(bench.folder / "pairs.csv", into="again", recipe=RECOMMENDER, interactions={"time": "day"})
    assert bench.shards("again") == once
    other = bench.write(PAIRS.replace("quince", "banana").replace("plum", "cherry"), "other.csv")
    bench.prepare(other, into="other", recipe=RECOMMENDER, interactions={"time": "day"})
    assert bench.shards("other")["train.safetensors"] == once["train.safetensors"]
    assert bench.document("other")["items"] == bench.document()["items"]


@pytest.mark.parametrize(
    ("text", "interactions", "words"),
    [
        (PAIRS, {"user": "who"}, ['column "who" (spec.data.interactions.user) is not in the data', "user, item, day"]),
        (PAIRS.replace("fig,2", "fig,soon"), {"time": "day"}, ['column "day", line 5', '"soon"']),
        ("user,item\na,1\na,2\nb,1\n", {}, ["no user has 3 different items in the 3 rows"]),
        ("user,item\na,1\na,2\na,3\n", {}, ["only one item"]),
    ],
)  # fmt: skip
def test_a_table_that_is_no_interactions_is_refused(bench: Any, text: str, interactions: Any, words: list[str]) -> None:
    error = bench.refusal(bench.write(text, "pairs.csv"), recipe=RECOMMENDER, interactions=interactions)
    assert isinstance(error, BadData)
    assert all(word in str(error) for word in words), str(error)
