"""One tree of errors, and the exit code of each is one that the restart policy knows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import wattrain_worker.supervisor.config  # noqa: F401 (brings the supervisor's own error into the tree)
from wattrain_api import reasons
from wattrain_worker import errors


def below(kind: type[errors.WorkerError]) -> Iterator[type[errors.WorkerError]]:
    for child in kind.__subclasses__():
        yield child
        yield from below(child)


TREE = list(below(errors.WorkerError))


@pytest.mark.parametrize("error", TREE)
def test_an_error_ends_the_process_with_a_code_that_means_something_of_its_own(error: type[errors.WorkerError]) -> None:
    assert reasons.meaning_of_exit(error.exit_code).reason != reasons.PROGRAM_FAILED


@pytest.mark.parametrize("error", TREE)
def test_the_drawn_tree_names_each_error_with_its_code(error: type[errors.WorkerError]) -> None:
    assert errors.__doc__ is not None
    line = next(line for line in errors.__doc__.splitlines() if line.split()[:1] == [error.__name__])
    inherited = error.exit_code == getattr(error.__base__, "exit_code", None)
    assert inherited or line.split()[1] == str(error.exit_code)
