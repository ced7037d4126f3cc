"""What members tell the coordinator."""

from __future__ import annotations

from typing import Any, Final

WAITING, RUNNING, FAILED, DONE, STOPPED = "waiting", "running", "failed", "done", "stopped"
MEMBER_STATES: Final = (WAITING, RUNNING, FAILED, DONE, STOPPED)


class MessageError(ValueError):
    """A member's message that makes no sense."""


def check_message(message: dict[str, Any], workers: int) -> int:
    """Index of the worker that sent `message`. MessageError names what makes no sense in a group of `workers`."""
    worker, state, failure = message.get("worker"), message.get("state"), message.get("failure")
    exit_code = failure.get("exitCode") if isinstance(failure, dict) else None
    if not isinstance(worker, int) or not 0 <= worker < workers:
        raise MessageError(f"worker is {worker!r}: there are workers 0 to {workers - 1}")
    if state not in MEMBER_STATES:
        raise MessageError(f"state is {state!r}: write one of {', '.join(MEMBER_STATES)}")
    if state == FAILED and (not isinstance(exit_code, int) or exit_code == 0):
        raise MessageError(f"failure is {failure!r}: a failed worker says which rank ended with which exitCode")
    if not isinstance(message.get("report"), dict):
        raise MessageError(f"report is {message.get('report')!r}: write what /v1/progress says")
    return worker
