"""How often the operator counts the jobs of a domain: news of thousands of pods must not have it count each time."""

import asyncio
import contextlib

from wattrain_operator.cluster.fleets import COUNTS_INTERVAL_SECONDS, Fleets
from wattrain_operator.cluster.kube.cache import Cache

DOMAIN = {"metadata": {"name": "default", "uid": "d", "resourceVersion": "1"}, "spec": {}}


class CountingCache(Cache):
    def __init__(self):
        super().__init__()
        self.counts = 0

    def jobs_of(self, domain):
        self.counts += 1
        return super().jobs_of(domain)


class Server:
    """Stores what it is given."""

    def __init__(self):
        self.writes = 0

    async def update(self, resource, body, subresource):
        self.writes += 1
        version = str(int(body["metadata"]["resourceVersion"]) + 1)
        return {**body, "metadata": {**body["metadata"], "resourceVersion": version}}


def test_without_a_limit_jobs_are_counted_once_an_interval_whether_or_not_their_number_changes():
    cache, server, now = CountingCache(), Server(), [0.0]
    cache.apply("PowerDomain", DOMAIN)
    fleets = Fleets(server, cache, (), lambda key: None, lambda: now[0])

    async def news(times):
        """So many passes, one after the other."""
        working = asyncio.create_task(fleets.run())
        for _ in range(times):
            fleets.mark("default")
            while len(fleets._queue) or fleets._queue._in_work:
                await asyncio.sleep(0)
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working

    asyncio.run(news(3))
    assert (cache.counts, server.writes) == (1, 1)
    now[0] += COUNTS_INTERVAL_SECONDS
    asyncio.run(news(3))
    assert (cache.counts, server.writes) == (2, 1)
