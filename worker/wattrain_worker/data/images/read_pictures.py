"""Pictures decoded on several threads, in their order, and those that cannot be."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from wattrain_worker.data.images.find_pictures import Picture
from wattrain_worker.data.images.picture_decoding import Pixels, UnreadablePicture, decoded
from wattrain_worker.errors import BadData

_MOST_THREADS: Final = 8
_AHEAD: Final = 2
"""Pictures that wait decoded, for each thread."""


def read_pictures(pictures: Iterable[Picture], size: int) -> Iterator[tuple[Picture, Pixels | UnreadablePicture]]:
    """Each of `pictures` with its pixels, or why it has none. InputMissing where one can no longer be read."""
    threads = min(_MOST_THREADS, os.cpu_count() or 1)
    waiting: deque[tuple[Picture, Future[Pixels | UnreadablePicture]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for picture in pictures:
                waiting.append((picture, pool.submit(_tried, picture.read, size)))
                if len(waiting) > _AHEAD * threads:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        finally:
            for _, future in waiting:
                future.cancel()


def _tried(read: Callable[[], bytes], size: int) -> Pixels | UnreadablePicture:
    try:
        return decoded(read(), size)
    except UnreadablePicture as error:
        return error


class Unreadable:
    """Counts pictures that cannot be decoded, and refuses more than the spec lets be skipped."""

    def __init__(self, share: float, pictures: int) -> None:
        self._share, self._pictures = share, pictures
        self._first = ""
        self.count = 0

    def add(self, picture: Picture, why: UnreadablePicture) -> None:
        """One more. BadData where that is one too many."""
        self._first = self._first or f"{picture.name!r} is no picture that can be read ({why})"
        self.count += 1
        if self.count > self._share * self._pictures:
            so_far = f", and so are {self.count - 1} more" if self.count > 1 else ""
            raise BadData(
                f"data: {self._first}{so_far}, of {self._pictures} pictures; mend or remove it, or raise "
                f"spec.data.image.maxCorrupt ({self._share:g}), the share that is left out"
            )

    def warnings(self) -> Iterator[str]:
        """What to tell of those that were left out."""
        if self.count:
            yield f"{self.count:,} of {self._pictures:,} pictures are left out, the first: {self._first}"
