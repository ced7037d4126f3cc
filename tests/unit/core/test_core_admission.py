"""Who goes next where jobs share places and watts, and that nobody behind the head delays it."""

from __future__ import annotations

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from wattrain_operator.core.admission import BACKFILL_DEPTH, Holding, Request, Room, admit, expected_starts

FREE = Room(inf, 100.0)


def test_jobs_go_in_order_while_there_is_room() -> None:
    assert admit([Request(60), Request(40), Request(1)], [], FREE) == [0, 1]


def test_a_job_goes_whole_or_not_at_all() -> None:
    assert admit([Request(101.0)], [], Room(inf, 100.0)) == []


def test_places_count_beside_watts() -> None:
    assert admit([Request(1), Request(1)], [], Room(1, 100.0)) == [0]


def test_one_that_ends_before_the_head_can_start_goes_first() -> None:
    running = [Holding(50, ends_in_seconds=600)]
    queue = [Request(80), Request(50, longest_seconds=601), Request(50, longest_seconds=600)]
    assert admit(queue, running, Room(inf, 50.0)) == [2]


def test_one_that_takes_what_the_head_leaves_goes_first_however_long_it_takes() -> None:
    running = [Holding(50, ends_in_seconds=600)]
    assert admit([Request(80), Request(21), Request(20), Request(1)], running, Room(inf, 50.0)) == [2]


def test_nobody_overtakes_a_head_of_which_nobody_knows_when_it_can_start() -> None:
    assert admit([Request(80), Request(1, longest_seconds=1)], [Holding(50)], Room(inf, 50.0)) == []


def test_only_the_first_behind_the_head_are_looked_at() -> None:
    behind = [Request(60)] * BACKFILL_DEPTH
    queue = [Request(80), *behind, Request(1, longest_seconds=1)]
    assert admit(queue, [Holding(50, 600)], Room(inf, 50.0)) == []


def test_who_waits_is_told_when_those_before_it_will_be_through() -> None:
    running = [Holding(50, ends_in_seconds=600), Holding(50, ends_in_seconds=60)]
    queue = [Request(80, longest_seconds=100), Request(10, 5), Request(30, 7), Request(1)]
    assert expected_starts(queue, running, Room(inf, 0.0)) == [600, 600, 700, 700]
    assert expected_starts([Request(1), Request(1)], [Holding(1)], Room(0, inf)) == [inf, inf]


AMOUNTS = st.integers(1, 10).map(float)
SECONDS = st.one_of(st.integers(1, 50).map(float), st.just(inf))


@given(
    st.lists(st.builds(Request, AMOUNTS, SECONDS), max_size=8),
    st.lists(st.builds(Holding, AMOUNTS, SECONDS), max_size=5),
    st.integers(0, 3),
    st.integers(10, 16).map(float),
)
def test_what_is_granted_fits_and_never_delays_the_head(
    queue: list[Request], holdings: list[Holding], places: int, usable: float
) -> None:
    room = Room(places, usable - sum(holding.watts for holding in holdings))
    admitted = admit(queue, holdings, room)
    assert len(admitted) <= places
    assert sum(queue[index].watts for index in admitted) <= max(0.0, room.watts)
    head = next((index for index in range(len(queue)) if index not in admitted), None)
    if head is None:
        return
    first = [index for index in admitted if index < head]
    alone = _starts(queue[head], [*holdings, *_running(queue, first)], room, queue, first)
    beside = _starts(queue[head], [*holdings, *_running(queue, admitted)], room, queue, admitted)
    assert beside <= alone


def _running(queue: list[Request], admitted: list[int]) -> list[Holding]:
    return [Holding(queue[index].watts, queue[index].longest_seconds) for index in admitted]


def _starts(head: Request, running: list[Holding], room: Room, queue: list[Request], admitted: list[int]) -> float:
    """When `head` fits once `admitted` run."""
    for index in admitted:
        room = room.without(queue[index].watts)
    return expected_starts([head], running, room)[0]
