"""Who leads, on clocks that a test moves."""

import asyncio
import copy

import pytest

from wattrain_operator.cluster.kube import leader as module
from wattrain_operator.cluster.kube.apierrors import AlreadyExistsError, ApiError, ConflictError, NotFoundError
from wattrain_operator.cluster.kube.leader import LEASE_SECONDS, RENEW_DEADLINE_SECONDS, Leader, LeadershipLostError


class World:
    """A Lease as the API server keeps it, and the time."""

    def __init__(self):
        self.now, self.lease, self.version, self.down = 0.0, None, 0, False

    async def get(self, *_):
        self._answer()
        if self.lease is None:
            raise NotFoundError(404, "NotFound", "")
        return copy.deepcopy(self.lease)

    async def create(self, _resource, _namespace, body):
        self._answer()
        if self.lease is not None:
            raise AlreadyExistsError(409, "AlreadyExists", "")
        return self._store(body)

    async def update(self, _resource, body):
        self._answer()
        if body["metadata"]["resourceVersion"] != self.lease["metadata"]["resourceVersion"]:
            raise ConflictError(409, "Conflict", "")
        return self._store(body)

    def _answer(self):
        if self.down:
            raise ApiError(0, "ClientConnectorError", "nobody there")

    def _store(self, body):
        self.version += 1
        self.lease = copy.deepcopy(body)
        self.lease["metadata"]["resourceVersion"] = str(self.version)
        return copy.deepcopy(self.lease)

    async def sleep(self, seconds):
        self.now += seconds
        await asyncio.sleep(0)

    @property
    def holder(self):
        return self.lease["spec"]["holderIdentity"]


@pytest.fixture
def world():
    return World()


def candidate(world, name, sleep=None):
    return Leader(world, "system", "wattrain", name, lambda: world.now, sleep or world.sleep)


def test_the_first_one_leads_and_a_second_one_stands_by(world):
    first, second = candidate(world, "a"), candidate(world, "b")
    asyncio.run(first.acquire())
    assert first.leads
    assert not asyncio.run(second._try_to_acquire())
    assert world.holder == "a"


def test_a_released_lease_is_taken_at_once(world):
    first, second = candidate(world, "a"), candidate(world, "b")
    asyncio.run(first.acquire())
    asyncio.run(first.release())
    assert not first.leads
    began = world.now
    asyncio.run(second.acquire())
    assert world.now == began


def test_a_dead_leader_is_followed_after_the_lease_and_not_before(world):
    asyncio.run(candidate(world, "a").acquire())
    second = candidate(world, "b")
    began = world.now
    asyncio.run(second.acquire())
    assert LEASE_SECONDS < world.now - began < 20


def test_the_time_that_a_dead_leader_wrote_means_nothing(world):
    """Its clock may be years ahead or behind."""
    asyncio.run(candidate(world, "a").acquire())
    world.lease["spec"]["renewTime"] = "2001-01-01T00:00:00.000000Z"
    assert not asyncio.run(candidate(world, "b")._try_to_acquire())


def test_a_leader_that_renews_keeps_others_out(world):
    first, second = candidate(world, "a"), candidate(world, "b")
    asyncio.run(first.acquire())
    for _ in range(30):
        asyncio.run(world.sleep(LEASE_SECONDS / 3))
        asyncio.run(first._renew())
        assert not asyncio.run(second._try_to_acquire())
    assert first.leads


def test_a_leader_that_cannot_renew_ends_before_another_may_begin(world):
    first = candidate(world, "a")
    asyncio.run(first.acquire())
    world.down = True
    began = world.now
    with pytest.raises(LeadershipLostError):
        asyncio.run(first.keep())
    assert RENEW_DEADLINE_SECONDS <= world.now - began < LEASE_SECONDS
    assert not first.leads


def test_a_leader_that_was_frozen_knows_it_as_soon_as_it_wakes(world):
    first = candidate(world, "a")
    asyncio.run(first.acquire())
    world.now += 60
    assert not first.leads
    asyncio.run(candidate(world, "b").acquire())
    asyncio.run(first.release())  # what is no longer its own it does not give away
    assert world.holder == "b"


def test_a_leader_that_finds_another_in_the_lease_ends(world):
    first = candidate(world, "a")
    asyncio.run(first.acquire())
    world.lease["spec"]["holderIdentity"] = "b"
    world.lease["metadata"]["resourceVersion"] = "99"
    with pytest.raises(LeadershipLostError, match="b holds the Lease"):
        asyncio.run(first.keep())


def test_two_that_find_a_free_lease_do_not_both_take_it(world):
    asyncio.run(candidate(world, "dead").acquire())
    asyncio.run(candidate(world, "dead").release())
    world.lease["spec"]["holderIdentity"] = ""
    first, second = candidate(world, "a"), candidate(world, "b")

    async def race():
        return await asyncio.gather(first._try_to_acquire(), second._try_to_acquire())

    original = world.get

    async def get_slowly(*arguments):
        found = await original(*arguments)
        await asyncio.sleep(0)
        return found

    world.get = get_slowly
    assert sorted(asyncio.run(race())) == [False, True]


def test_the_numbers_leave_room_for_a_slow_request():
    assert module.RETRY_SECONDS * 2 + module.RENEW_DEADLINE_SECONDS < module.LEASE_SECONDS
