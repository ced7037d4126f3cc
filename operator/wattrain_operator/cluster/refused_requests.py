"""What the API server's refusal to create something means, and what a person can do about it."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final, NamedTuple

from wattrain_api import reasons
from wattrain_api.base import quantity_value
from wattrain_operator.cluster.kube.apierrors import ApiError, ForbiddenError, NotFoundError
from wattrain_operator.core.observed import Refusal

MESSAGE_LENGTH = 1024
_AMOUNT: Final = r"([\w./-]+)=([0-9.]+[a-zA-Z]*)"
_QUOTA: Final = re.compile(r"exceeded quota: (\S+), requested: (\S+), used: \S+, limited: (\S+)")


class NotYetError(Exception):
    """Something is in the way that goes by itself: a deleted namesake's pods, a namespace that is being deleted."""

    def __init__(self, message: str, longest_pause_seconds: float = 2.0) -> None:
        super().__init__(message)
        self.longest_pause_seconds = longest_pause_seconds
        """Between two passes: no event says when it has gone."""


class _Cause(NamedTuple):
    """Why a request is forbidden, by the words of the admission plugin that forbids it."""

    words: re.Pattern[str]
    remedy: str
    lasts: bool
    """The job's own spec is the cause: waiting does not help."""


_CAUSES: Final = (
    _Cause(re.compile("violates PodSecurity"),
           "choose an image and fields that the namespace's Pod Security level allows", lasts=False),
    _Cause(re.compile("failed quota: .*must specify "),
           "a quota of the namespace counts these amounts: give them in workers.resources", lasts=True),
    _Cause(re.compile(r"(maximum|minimum) .* per (Container|Pod|PersistentVolumeClaim)|limit to request ratio"),
           "a LimitRange of the namespace sets the bounds: change workers.resources", lasts=True),
    _Cause(re.compile("no PriorityClass with name"),
           "name one that exists in workers.priorityClassName, or leave it empty", lasts=True),
    _Cause(re.compile("error looking up service account"),
           "the account is missing in the namespace: create it, or change workers.serviceAccountName", lasts=True),
    _Cause(re.compile(r"denied the request|denied request"),
           "an admission policy of the cluster forbids it: change what it names, or ask who runs the cluster",
           lasts=True),
    _Cause(re.compile(""),
           "ask who runs the cluster: an admission check, or the operator's rights, forbid it", lasts=False),
)  # fmt: skip
"""The first that fits counts; the last always does."""
_INVALID: Final = "change the field it names; where the spec cannot be changed, delete the job and apply it again"
_RESOURCES_INVALID: Final = re.compile(r"\.resources\b")


def explain(error: ApiError, what: str, now: datetime, together: int = 1) -> Refusal:
    """The refusal behind `error`, which came from creating `what`, one of `together` alike, at the moment `now`.

    NotYetError where waiting is all there is to do.
    """
    text = error.message[:MESSAGE_LENGTH]
    if not isinstance(error, ForbiddenError):
        remedy = "change workers.resources" if _RESOURCES_INVALID.search(text) else _INVALID
        return Refusal(reasons.CREATION_REFUSED, f"{what}: {text}; {remedy}", now, lasts=True)
    if "being terminated" in text:
        raise NotYetError(text, longest_pause_seconds=60.0)
    if "exceeded quota" in text:
        return _of_quota(text, what, now, together)
    cause = next(cause for cause in _CAUSES if cause.words.search(text))
    return Refusal(reasons.CREATION_REFUSED, f"{what}: {text}; {cause.remedy}", now, lasts=cause.lasts)


def not_limited(error: ApiError, pod: str, now: datetime) -> Refusal:
    """The API server does not change the CPU limit of a pod that runs, at the moment `now`."""
    text = error.message[:MESSAGE_LENGTH]
    if isinstance(error, NotFoundError):
        text = "this cluster cannot resize a pod that runs (pods/resize, from Kubernetes 1.33 on)"
    return Refusal(reasons.CREATION_REFUSED, f"{pod}: {text}", now)


def name_taken(what: str, now: datetime) -> Refusal:
    """Something that is not ours bears the name."""
    message = f"{what} is there already and does not belong to this job; delete it, or rename the job"
    return Refusal(reasons.NAME_TAKEN, message, now)


def _of_quota(text: str, what: str, now: datetime, together: int) -> Refusal:
    """A quota that others use up has room again when they end; one that is smaller than the group never has."""
    too_much = _never_fits(text, together)
    if not too_much:
        remedy = "it is created when others give back what they use, or when the quota of the namespace is raised"
        return Refusal(reasons.QUOTA_EXCEEDED, f"{what}: {text}; {remedy}", now)
    remedy = f"{too_much}, so that it never fits: lower workers.replicas or workers.resources, or raise the quota"
    return Refusal(reasons.QUOTA_EXCEEDED, f"{what}: {text}; {remedy}", now, lasts=True)


def _never_fits(text: str, together: int) -> str:
    """Which amount that `together` pods need exceeds the whole quota, in words; empty: none does, or it is not said."""
    found = _QUOTA.search(text)
    if found is None:
        return ""
    requested, limited = (dict(re.findall(_AMOUNT, part)) for part in (found[2], found[3]))
    for resource, each in requested.items():
        try:
            needed, allowed = together * quantity_value(each), quantity_value(limited[resource])
        except (KeyError, ValueError):
            continue
        if needed > allowed:
            who = "the pod needs" if together == 1 else f"{together} workers need {together} x"
            return f"{who} {resource}={each}, more than the whole quota {found[1]} has ({limited[resource]})"
    return ""
