"""Pauses between retries that never end: giving up would end the process after a minute without API server."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator


class Backoffs:
    """Each iteration begins anew: half a second, then twice as long each time, at most half a minute; jittered."""

    def __iter__(self) -> Iterator[float]:
        return (min(30.0, 0.5 * 2 ** min(n, 6)) * random.uniform(0.5, 1.5) for n in itertools.count())
