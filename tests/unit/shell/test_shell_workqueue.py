"""The order in which jobs are looked at."""

import asyncio

import pytest

from wattrain_operator.cluster.kube.cache import JobKey
from wattrain_operator.cluster.workqueue import LONGEST_BACK_OFF_SECONDS, NEW_IN_A_ROW, WorkQueue

A, B = JobKey("team-a", "one"), JobKey("team-a", "two")


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def queue(clock):
    return WorkQueue(clock, jitter=lambda: 1.0)


def test_what_is_added_twice_is_taken_once(queue):
    queue.add(A)
    queue.add(A)
    assert queue.take() == A
    assert queue.take() is None


def test_a_key_is_with_one_worker_at_a_time_and_news_meanwhile_bring_it_back(queue):
    queue.add(A)
    assert queue.take() == A
    queue.add(A)
    assert queue.take() is None
    queue.done(A)
    assert queue.take() == A
    queue.done(A)
    assert queue.take() is None


def test_a_crowd_in_one_namespace_does_not_hold_up_another(queue):
    for number in range(1000):
        queue.add(JobKey("crowd", f"job-{number}"))
    queue.add(JobKey("calm", "job"))
    assert [queue.take().namespace for _ in range(4)] == ["crowd", "calm", "crowd", "crowd"]


def test_a_delayed_key_comes_when_its_time_does_and_the_last_word_counts(queue, clock):
    queue.add_after(A, 10)
    queue.add_after(A, 20)
    clock.now += 11
    assert queue.take() is None
    clock.now += 10
    assert queue.take() == A


def test_news_come_before_a_delay_and_end_it(queue, clock):
    queue.add_after(A, 10)
    queue.add(A)
    assert queue.take() == A
    queue.done(A)
    clock.now += 11
    assert queue.take() is None


def test_failures_are_retried_for_ever_with_pauses_that_double_up_to_a_limit(queue):
    pauses = []
    for _ in range(12):
        queue.add(A)
        assert queue.take() == A
        pauses.append(queue.retry(A))
    assert pauses[:4] == [0.2, 0.4, 0.8, 1.6]
    assert pauses[-1] == LONGEST_BACK_OFF_SECONDS
    assert queue.failing == 1
    queue.add(A)
    queue.take()
    queue.done(A)
    assert queue.failing == 0


def test_a_pause_is_at_least_what_the_server_asked_for(queue, clock):
    queue.add(A)
    queue.take()
    assert queue.retry(A, at_least_seconds=7.0) == 7.0
    clock.now += 6.9
    assert queue.take() is None
    clock.now += 0.2
    assert queue.take() == A


def test_a_pause_is_at_most_what_the_failure_calls_for(queue):
    for _ in range(12):
        queue.add(A)
        queue.take()
        assert queue.retry(A, at_most_seconds=2.0) <= 2.0


def test_deadlines_that_no_longer_count_do_not_pile_up(queue):
    for _ in range(10_000):
        queue.add_after(A, 3600)
        queue.add_after(B, 7200)
    assert len(queue._timetable) < 200


def test_a_waiting_worker_is_woken_by_news_and_by_the_time(queue):
    async def main():
        real = WorkQueue(asyncio.get_running_loop().time)
        waiting = asyncio.create_task(real.get())
        await asyncio.sleep(0)
        real.add(A)
        assert await asyncio.wait_for(waiting, 5) == A
        real.done(A, 0.01)
        assert await asyncio.wait_for(real.get(), 5) == A

    asyncio.run(main())


def test_new_jobs_go_before_others_but_do_not_keep_them_waiting_for_ever(queue):
    others = [JobKey("team-a", f"old-{number}") for number in range(2)]
    new = [JobKey("team-a", f"new-{number}") for number in range(NEW_IN_A_ROW + 3)]
    for key in others:
        queue.add(key)
    for key in new:
        queue.add(key, new=True)
        queue.add(key)  # news of a new job do not make it an old one
    taken = [queue.take() for _ in range(len(others) + len(new))]
    assert taken == [*new[:NEW_IN_A_ROW], others[0], *new[NEW_IN_A_ROW:], others[1]]
    assert queue.take() is None


def test_a_job_is_new_once(queue):
    queue.add(A)
    queue.add(A, new=True)
    assert (len(queue), queue.take(), queue.take()) == (1, A, None)
