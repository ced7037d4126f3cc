"""What computes the blocks of a table, and gives their results in the order of the blocks: this process, or Dask."""

from __future__ import annotations

import itertools
import math
import multiprocessing
import os
import pickle
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from wattrain_api.data import Data
from wattrain_worker.errors import BadSpec, StorageUnavailable, WorkerError
from wattrain_worker.power.cgroups import cpu_quota

Item = TypeVar("Item")
Result = TypeVar("Result")


class InOrder(Protocol):
    """As `map`: takes items when it needs them, and gives a result an item, in the order of the items."""

    def __call__(self, function: Callable[[Item], Result], items: Iterable[Item], /) -> Iterator[Result]:
        """A WorkerError that `function` raises is raised where its result would be."""


def one_by_one(function: Callable[[Item], Result], items: Iterable[Item], /) -> Iterator[Result]:
    """In this process."""
    return map(function, items)


@contextmanager
def computed_by(data: Data) -> Iterator[InOrder]:
    """What `data.engine` names, while this lasts. BadSpec where it is Dask and that is not installed."""
    if data.engine == "local":
        yield one_by_one
        return
    with on_dask(usable_cpus()) as in_order:
        yield in_order


@contextmanager
def on_dask(processes: int) -> Iterator[InOrder]:
    """Dask with so many processes of this machine, which end with this one, however it ends.

    They are given two blocks each at a time, as bytes over pipes: no port is opened that others could send code to.
    """
    try:
        import cloudpickle
        import dask
    except ImportError as error:
        raise BadSpec(
            f"spec.data.engine: dask needs Dask ({error}); pip install 'wattrain[dask]', take a worker image that has "
            "it, or write local, which gives the same bytes"
        ) from error
    # Spawned: a fork of a process with threads, as polars has, may wait forever.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_end_with_parent)
    turn = threading.Lock()  # columns are read by threads: together they too hold two blocks a process

    def in_order(function: Callable[[Item], Result], items: Iterable[Item], /) -> Iterator[Result]:
        left = iter(items)
        while True:
            with turn:
                blocks = [cloudpickle.dumps((function, item)) for item in itertools.islice(left, 2 * processes)]
                tasks = [dask.delayed(_computed)(block) for block in blocks]
                try:
                    found = dask.compute(*tasks, scheduler="processes", pool=pool, chunksize=1)
                except BrokenProcessPool as error:
                    raise StorageUnavailable(
                        "spec.data.engine: a process of Dask was ended from outside, as the kernel does where memory "
                        "runs out; raise workers.resources.limits.memory, or write local, which needs less"
                    ) from error
            for each in found:
                if isinstance(each, WorkerError):
                    raise each
                yield each
            if len(blocks) < 2 * processes:
                return

    try:
        yield in_order
    finally:
        pool.shutdown(cancel_futures=True)


def usable_cpus(root: Path = Path("/")) -> int:
    """How many CPUs this process may use, by its affinity and its cgroup's quota; 1 at least."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cpus, math.ceil(cpu_quota(root) or cpus)))


def _computed(block: bytes) -> Any:
    """In a process of Dask. What is wrong with the data is a result: Dask would add a traceback to its text."""
    function, item = pickle.loads(block)
    try:
        return function(item)
    except WorkerError as error:
        return error


def _end_with_parent() -> None:
    """Otherwise a process would wait for blocks forever where its parent is killed."""

    def watch() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
