"""What can go wrong with a request: an `ApiError`, with a class of its own where it leads to a decision of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping


class ApiError(Exception):
    """The API server refused, or did not answer. `status` is HTTP's; 0: no answer."""

    def __init__(self, status: int, reason: str, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status, self.reason, self.message = status, reason, message
        self.retry_after_seconds = retry_after_seconds


class NotFoundError(ApiError):
    """There is no such object."""


class ConflictError(ApiError):
    """The object is not the one, or not in the version, that was meant."""


class AlreadyExistsError(ApiError):
    """An object of that name is there."""


class ForbiddenError(ApiError):
    """Not allowed: by rights, quota, Pod Security, or a namespace that is being deleted."""


class InvalidError(ApiError):
    """The object is wrong, or an admission check refused it."""


class ExpiredError(ApiError):
    """The server no longer has the version that a LIST goes on with, or a watch."""


class NotLeadingError(ApiError):
    """Another may lead by now: nothing was sent."""


_BY_REASON: Mapping[str, type[ApiError]] = {
    "NotFound": NotFoundError,
    "Conflict": ConflictError,
    "AlreadyExists": AlreadyExistsError,
    "Forbidden": ForbiddenError,
    "Invalid": InvalidError,
    "BadRequest": InvalidError,
    "Expired": ExpiredError,
    "Gone": ExpiredError,
}
_BY_STATUS: Mapping[int, type[ApiError]] = {
    400: InvalidError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: ExpiredError,
    422: InvalidError,
}


def error_of(status: int, content: bytes, retry_after: str | None) -> ApiError:
    """The error behind an answer with that HTTP status, body and `Retry-After`: a Status of the API server, or whatever
    a proxy in between writes."""
    try:
        answer = json.loads(content)
    except ValueError:
        answer = {}
    if not isinstance(answer, dict) or answer.get("kind") != "Status":
        answer = {"message": content[:200].decode("utf-8", "replace")}
    reason, message = str(answer.get("reason") or ""), str(answer.get("message") or "")
    kind = _BY_REASON.get(reason) or _BY_STATUS.get(status, ApiError)
    details = answer.get("details") or {}
    seconds = str((retry_after if retry_after is not None else details.get("retryAfterSeconds")) or "")
    wait = float(seconds) if seconds.isdigit() else None
    return kind(status, reason or "HTTP", message, wait)
