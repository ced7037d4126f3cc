"""The preparation of the data by a worker that shares its data directory with nobody, before it joins its group."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Final

from wattrain_api import names, reasons
from wattrain_api.contract.failures import Failure, exit_status_of
from wattrain_api.contract.kinds import LINE_CHARACTERS, one_line
from wattrain_worker.supervisor.config import Config
from wattrain_worker.supervisor.rank_start import NO_ORDER, Order
from wattrain_worker.supervisor.ranks import Ranks
from wattrain_worker.supervisor.waker import Waker
from wattrain_worker.supervisor.worker_control import Ending

_TICK_SECONDS: Final = 0.2


def prepare_own_data(config: Config, start_ranks: Callable[[Config, Order], Ranks], waker: Waker) -> Ending | None:
    """Prepare, and wait for the end of it: None when the data is there, else how the supervisor is to end."""
    if waker.stop_requested:
        return Ending(reasons.EXIT_PREEMPTED, None)
    ranks = start_ranks(as_preparation(config), NO_ORDER)
    while not ranks.all_gone:
        waker.wait(_TICK_SECONDS)
        if waker.stop_requested:
            ranks.stop(config.grace_seconds)
        ranks.poll()
    [rank] = ranks.gone
    if waker.stop_requested:
        return Ending(reasons.EXIT_PREEMPTED, None)
    exit_code = reasons.EXIT_OK if rank.exit_code is None else rank.exit_code
    if exit_code == reasons.EXIT_OK:
        return None
    reason, line = reasons.meaning_of_exit(exit_code).reason, one_line(rank.last_line(), LINE_CHARACTERS)
    cause = Failure(reason, exit_code, worker=config.worker, node=config.node, last_line=line)
    return Ending(exit_status_of(cause), cause)


def as_preparation(config: Config) -> Config:
    """`config` as that of a preparation: one process, and no group."""
    return dataclasses.replace(
        config, role=names.ROLE_PREPARE, worker=0, workers=1, processes_per_worker=1, launcher="native", command=(),
        metric_patterns=(),
    )  # fmt: skip
