"""What an error of the API server means for a person, and what to do about it."""

from __future__ import annotations

import re
from typing import Final

from wattrain_operator.cluster.kube.apierrors import ApiError, ForbiddenError, InvalidError, NotFoundError
from wattrain_operator.local.refused import EXIT_BAD_INPUT, EXIT_FAILED, Refused

_NO_PATH: Final = "HTTP"
"""Reason of an answer that is no Status: the API server knows no such path, not just no such object."""
_MISSING_RIGHT: Final = re.compile(r'User "[^"]*" (cannot \w+ resource "[^"]+"(?: in API group "[^"]*")?.*)')


def is_missing(error: NotFoundError) -> bool:
    """Whether it is the object that is not there, and not its kind."""
    return error.reason != _NO_PATH


def refused_by(error: ApiError, server: str) -> Refused:
    """`error` of the API server at `server`, as a refusal. Exit code: 2 where the input is wrong, else 1."""
    if error.status == 0:
        sentence = f"the API server {server} does not answer ({error.message}); see that it runs and can be reached "
        return Refused(f"{sentence}from here, or choose another cluster with --context", exit_code=EXIT_FAILED)
    if error.status == 401:
        sentence = f"the API server {server} does not know who you are; sign in again, or choose another --context"
        return Refused(sentence, exit_code=EXIT_FAILED)
    if isinstance(error, ForbiddenError):
        return Refused(_forbidden(error), exit_code=EXIT_FAILED)
    if isinstance(error, NotFoundError) and not is_missing(error):
        sentence = f"the cluster {server} has no TrainingJobs; install them and the operator: helm install wattrain "
        return Refused(
            f"{sentence}charts/wattrain --namespace wattrain-system --create-namespace", exit_code=EXIT_FAILED
        )
    bad = isinstance(error, InvalidError | NotFoundError)
    return Refused(f"the API server says: {error.message}", exit_code=EXIT_BAD_INPUT if bad else EXIT_FAILED)


def _forbidden(error: ForbiddenError) -> str:
    """Which right is missing, where a right is what is missing."""
    found = _MISSING_RIGHT.search(error.message)
    if found is None:
        return f"the API server refuses it: {error.message}"
    return (
        f"you {found[1]}; ask who runs the cluster for that right: the roles view (to look) and edit (to change) have "
        "it where the chart's rbac.aggregate is on"
    )
