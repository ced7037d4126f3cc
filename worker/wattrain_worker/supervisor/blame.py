"""Which failure of a generation's ranks brought down the others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from wattrain_api import reasons
from wattrain_api.contract.failures import Failure, SeenFailure, first_cause, meaning_of
from wattrain_api.contract.group_exchange import MemberReport
from wattrain_api.contract.kinds import LINE_CHARACTERS
from wattrain_api.reasons import Meaning

_CONNECTION_BROKE: Final = re.compile(
    r"connection (was )?(closed|reset|refused|aborted)|broken pipe|remote process exit|remote peer|ncclRemoteError"
    r"|failed to recv|failed to connect|DistNetworkError|DistBackendError|\bgloo\b",
    re.IGNORECASE,
)
"""What gloo, NCCL and the TCP store say, in the last line of a rank, where a peer is not there any more."""


def blamed(failures: Iterable[SeenFailure], reports: Mapping[int, MemberReport]) -> tuple[Failure, Meaning]:
    """The failure that brought down the others, of at least one, and what it means. `reports`: of all workers.

    A rank that leaves with exit code 0 while others still need it is no failure of its own; what fails are the others,
    whose connections break. Where the first of them says no more than that, the rank that left is named.
    """
    first = first_cause(failures)
    left = next(((worker, report) for worker, report in sorted(reports.items()) if report.ranks_done), None)
    if left is None or not _only_lost_its_peer(first):
        return first.failure, first.meaning
    worker, report = left
    survivor = "another" if first.failure.rank is None else f"rank {first.failure.rank}"
    line = f"{survivor}, which still needed it, then ended with exit code {first.failure.exit_code}"
    failure = Failure(
        reasons.LEFT_EARLY,
        exit_code=0,
        worker=worker,
        rank=report.ranks_done[0],
        node=report.node,
        last_line=f"{line}: {first.failure.last_line}"[:LINE_CHARACTERS],
        step=max(report.step, first.failure.step),
    )
    return failure, meaning_of(failure)


def _only_lost_its_peer(seen: SeenFailure) -> bool:
    if seen.meaning.permanent:
        return False
    return seen.meaning.reason == reasons.PEER_LOST or bool(_CONNECTION_BROKE.search(seen.failure.last_line))
