"""A rank takes the threads that are agreed on, and never more than it has started with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from wattrain_worker.train.thread_count import ThreadCount


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Other tests of the process keep their threads."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_it_says_when_they_change_and_torch_has_them() -> None:
    torch.set_num_threads(3)
    threads = ThreadCount(3)
    assert [threads.agree(wanted) for wanted in (0, 3, 2, 2, 9, 1, 0)] == [False, False, True, False, True, True, True]
    assert threads.agree(2)
    assert (threads.used, torch.get_num_threads()) == (2, 2)
    threads.agree(7)
    assert (threads.used, torch.get_num_threads()) == (3, 3)
