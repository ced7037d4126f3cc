"""One object for all that are equal, and what follows from it, for a world and all its copies.

A walk over all states makes the same children in the same ways again and again. What is one object is compared and
looked up by its identity, without a look into it: that is most of what such a walk would spend its time on.
"""

from __future__ import annotations

from collections.abc import Callable

from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.core.observed import Child, Report
from wattrain_operator.simulated.objects import Group, Process

Truth = tuple[Group | None, tuple[int, ...]]
"""The group and, by identity, the processes that are there."""


class Kept:
    """What is kept stays as long as the world or one of its copies does, so that no identity is given twice."""

    __slots__ = ("_children", "_edited", "_processes", "_reports")

    def __init__(self) -> None:
        self._children: dict[Child, Child] = {}
        self._processes: dict[Process, Process] = {}
        self._edited: dict[tuple[int, str], tuple[TrainingJob, TrainingJob]] = {}
        self._reports: dict[Truth, Report | None] = {}

    def process(self, process: Process) -> Process:
        """The one process that is equal, whose child is the one child that is."""
        child = self._children.setdefault(process.child, process.child)
        process = process if child is process.child else process._replace(child=child)
        return self._processes.setdefault(process, process)

    def edited(self, job: TrainingJob, what: str, edit: Callable[[], TrainingJob]) -> TrainingJob:
        """What `edit` makes of `job`; `what` it does tells it from other edits."""
        if (id(job), what) not in self._edited:
            self._edited[id(job), what] = job, edit()
        return self._edited[id(job), what][1]

    def report(self, truth: Truth, make: Callable[[], Report | None]) -> Report | None:
        """What is said where `truth` is the case."""
        if truth not in self._reports:
            self._reports[truth] = make()
        return self._reports[truth]
