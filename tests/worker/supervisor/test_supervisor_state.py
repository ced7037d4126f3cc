"""What is kept of the ranks' reports."""

from __future__ import annotations

import json
from typing import Any

import pytest

from wattrain_worker.supervisor.state import State


@pytest.fixture
def records() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def state(records: list[dict[str, Any]]) -> State:
    return State("starting", 0, records.append, lambda: 1000.0)


def test_shares_are_added_up_over_ranks_and_the_rest_is_the_first_ranks(
    state: State, records: list[dict[str, Any]]
) -> None:
    state.ingest({"rank": 1, "step": 9, "loss": 9.0, "samples": 10, "dataWaitSeconds": 0.5})
    state.ingest({"rank": 0, "step": 3, "epoch": 1, "loss": 0.5, "samples": 20, "learningRate": 0.1})
    state.ingest({"rank": 1, "step": 8, "loss": 8.0, "samples": 10})
    progress = state.progress()
    assert (progress["step"], progress["loss"], progress["samples"]) == (3, 0.5, 40)
    assert state.totals()["dataWaitSeconds"] == 0.5
    assert records == [{"step": 3, "epoch": 1, "loss": 0.5, "learningRate": 0.1}]


def test_where_torchrun_gives_the_numbers_the_lowest_rank_leads() -> None:
    state = State("starting", None, lambda _: None)
    for rank, step in ((5, 1), (4, 2), (5, 3)):
        state.ingest({"rank": rank, "step": step})
    assert state.progress()["step"] == 2


def test_a_commit_is_told_apart_and_kept_with_its_time(state: State) -> None:
    assert not state.ingest({"step": 3})
    assert state.ingest({"checkpoint": {"step": 3, "path": "p", "blockedSeconds": 0.5}})
    assert state.ingest({"rank": 1, "checkpoint": {"step": 6, "path": "q", "blockedSeconds": 0.25}})
    assert state.progress()["checkpoint"] == {"step": 6, "path": "q", "blockedSeconds": 0.25, "time": 1000.0}
    assert state.totals()["blockedSeconds"] == 0.75


@pytest.mark.parametrize(
    "datagram",
    [
        b"", b"{", b"null", b"[1, 2]", b'"text"', b"\xff\xfe", b"[" * 100_000, b'{"rank": "0", "step": 5}',
        b'{"rank": -1, "step": 5}', b'{"rank": 0.5, "step": 5}', b'{"rank": true, "step": NaN}', b'{"step": -1}',
        b'{"step": "5"}', b'{"step": 1e400}', b'{"step": ' + b"9" * 400 + b"}", b'{"step": null}', b'{"step": [5]}',
        b'{"checkpoint": 5}', b'{"checkpoint": {"step": "x"}}', b'{"validation": [1]}', b'{"message": 5}',
        b'{"phase": {}}', b'{"samples": -5}', b'{"samples": "x", "dataWaitSeconds": Infinity}',
    ],
)  # fmt: skip
def test_garbage_changes_nothing(state: State, datagram: bytes) -> None:
    state.ingest({"step": 4, "loss": 0.5, "samples": 8})
    before = (state.progress(), state.totals())
    assert not state.ingest_datagram(datagram)
    assert (state.progress(), state.totals()) == before


def test_numbers_that_json_does_not_know_never_reach_the_answer(state: State, records: list[dict[str, Any]]) -> None:
    state.ingest_datagram(b'{"step": 5, "loss": NaN, "validation": {"step": 5, "loss": NaN, "accuracy": 0.5}}')
    state.ingest_datagram(b'{"checkpoint": {"step": 5, "seconds": Infinity}}')
    progress = json.loads(json.dumps(state.progress(), allow_nan=False))
    assert progress["validation"] == {"step": 5, "accuracy": 0.5}
    assert "loss" not in progress
    assert records == []


def test_only_the_last_messages_are_kept(state: State) -> None:
    for number in range(50):
        state.ingest({"message": f"{number}" + "x" * 5000})
    assert [m[:2] for m in state.progress()["messages"]] == [str(n) for n in range(30, 50)]
    assert all(len(m) == 1024 for m in state.progress()["messages"])


def test_a_new_generation_forgets_from_where_the_old_one_went_on(state: State) -> None:
    state.ingest({"step": 5, "resumed": {"step": 3}, "phase": "training"})
    state.start_generation("starting")
    progress = state.progress()
    assert "resumed" not in progress
    assert (progress["step"], progress["phase"]) == (5, "starting")


def test_step_times_are_counted_by_bound(state: State) -> None:
    for seconds in (0.0005, 0.0006, 0.02, 100.0):
        state.ingest({"stepSeconds": seconds})
    counts, total = state.step_histogram()
    assert (counts[0], counts[1], sum(counts), counts[-1]) == (1, 1, 4, 1)
    assert total == pytest.approx(100.0211)


def test_an_evaluation_goes_with_the_next_recorded_step_once(state: State, records: list[dict[str, Any]]) -> None:
    state.ingest({"rank": 0, "step": 1, "loss": 0.5})
    state.ingest({"rank": 0, "validation": {"step": 1, "loss": 0.4}})
    state.ingest({"rank": 0, "step": 2, "loss": 0.3})
    state.ingest({"rank": 0, "step": 3, "loss": 0.2})
    assert [r.get("validation") for r in records] == [None, {"step": 1, "loss": 0.4}, None]
