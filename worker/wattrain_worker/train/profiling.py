"""A profile of some steps of one rank, where a directive asks for it: as a trace that chrome://tracing and Perfetto
show, and as a table of the operators that took most of the time."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final, NamedTuple

import torch
from torch.profiler import ProfilerActivity, profile

from wattrain_api.atomic_file import write_atomically
from wattrain_api.contract.profile_lines import profile_name
from wattrain_worker.train.process_group import ProcessGroup
from wattrain_worker.train.reporting import say

_TABLE_ROWS: Final = 15


class ProfileRequest(NamedTuple):
    """What rank 0 has found, or what the ranks have agreed on."""

    steps: int = 0
    """0: nothing is asked for."""
    rank: int = 0


NO_PROFILE: Final = ProfileRequest()


class Profiles:
    """This rank's profiles, one at a time."""

    def __init__(self, directory: Path, group: ProcessGroup) -> None:
        """They are written to `directory`."""
        self._directory, self._group = directory, group
        self._profiler: Profiler | None = None

    @property
    def is_under_way(self) -> bool:
        """Whether this rank is being profiled."""
        return self._profiler is not None

    def step_ends(self, step: int, request: ProfileRequest | None) -> None:
        """`step` is done. What `request` asks for begins with the next one, on the rank that it names, unless that is
        being profiled already."""
        if self._profiler is not None and self._profiler.is_over_after(step):
            self.end(step)
        if request is None or not request.steps:
            return
        if request.rank >= self._group.size and self._group.rank == 0:
            say(f"rank {request.rank} is to be profiled, and there are {self._group.size} ranks, from 0 on")
        if request.rank == self._group.rank and self._profiler is None:
            self._profiler = Profiler(self._directory, self._group.rank, step + 1, request.steps)

    def end(self, last_step: int) -> None:
        """Write the profile that is under way, if one is: `last_step` was the last that it saw."""
        if self._profiler is not None:
            say(self._profiler.end(last_step))
            self._profiler = None


class Profiler:
    """Profiles the steps of this rank from its construction on. It changes no result; the rank, and so its group, is
    slower meanwhile."""

    def __init__(self, directory: Path, rank: int, first_step: int, steps: int) -> None:
        """`first_step` is the first that is profiled, `steps` how many are."""
        self._directory, self._rank, self._first, self._last = directory, rank, first_step, first_step + steps - 1
        activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * torch.cuda.is_available()
        self._profile = profile(activities=activities, acc_events=True)
        self._profile.start()

    def is_over_after(self, step: int) -> bool:
        """Whether `step` is the last that is profiled."""
        return step >= self._last

    def end(self, last_step: int) -> str:
        """Write what there is up to `last_step`, the table into the log as well, and say where. What cannot be written
        ends no training."""
        self._profile.stop()
        name = f"steps-{self._first}-{last_step}.rank-{self._rank}"
        trace, partial = self._directory / f"{name}.trace.json", self._directory / f".{name}.tmp"
        what = profile_name(self._rank, self._first, last_step)
        try:
            table = f"{self._table()}\n"
            sys.stderr.write(f"{what}:\n{table}")
            sys.stderr.flush()
            self._directory.mkdir(parents=True, exist_ok=True)
            self._profile.export_chrome_trace(str(partial))
            partial.replace(trace)
            write_atomically(self._directory / f"{name}.txt", table.encode())  # who waits, waits for it
        except (OSError, RuntimeError) as error:
            cause = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
            return f"{what} cannot be written to {self._directory}: {cause}"
        finally:
            partial.unlink(missing_ok=True)
        return f"{what} is in {trace}, with a table of its operators beside it"

    def _table(self) -> str:
        kind = "cuda" if torch.cuda.is_available() else "cpu"
        averages = self._profile.key_averages()
        return str(averages.table(sort_by=f"self_{kind}_time_total", row_limit=_TABLE_ROWS, max_name_column_width=60))
