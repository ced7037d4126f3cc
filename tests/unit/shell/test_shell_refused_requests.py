"""What refusals of an API server mean, in the words in which it says them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from wattrain_operator.cluster.kube.apierrors import ApiError, ForbiddenError, InvalidError
from wattrain_operator.cluster.refused_requests import NotYetError, explain

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)


def forbidden(why: str) -> ApiError:
    return ForbiddenError(403, "Forbidden", f'pods "x-1-0" is forbidden: {why}')


def quota(requested: str, used: str, limited: str) -> ApiError:
    return forbidden(f"exceeded quota: team, requested: {requested}, used: {used}, limited: {limited}")


REFUSED = {
    "requests above limits": (
        InvalidError(422, "Invalid", 'Pod "x" is invalid: spec.containers[0].resources.requests: Invalid value: "2": '
                     "must be less than or equal to cpu limit of 1"),
        "CreationRefused", "change workers.resources",
    ),
    "a quota that demands requests": (
        forbidden("failed quota: team: must specify requests.cpu for: worker; requests.memory for: worker"),
        "CreationRefused", "give them in workers.resources",
    ),
    "a LimitRange's maximum": (
        forbidden("[maximum cpu usage per Container is 1, but limit is 2, maximum memory usage per Pod is 1Gi, but "
                  "limit is 2147483648]"),
        "CreationRefused", "change workers.resources",
    ),
    "a LimitRange's minimum": (
        forbidden("minimum memory usage per Container is 1Gi, but request is 512Mi"),
        "CreationRefused", "change workers.resources",
    ),
    "a LimitRange's ratio": (
        forbidden("cpu max limit to request ratio per Container is 2, but provided ratio is 4.000000"),
        "CreationRefused", "change workers.resources",
    ),
    "no such priority": (
        forbidden("no PriorityClass with name urgent was found"), "CreationRefused", "workers.priorityClassName",
    ),
    "a policy": (
        ForbiddenError(403, "Forbidden", 'admission webhook "p.example" denied the request: no label team'),
        "CreationRefused", "admission policy",
    ),
    "more than the quota": (quota("requests.cpu=2500m", "requests.cpu=0", "requests.cpu=2"), "QuotaExceeded",
                            "2 workers need 2 x requests.cpu=2500m, more than the whole quota team has (2)"),
    "the group is more than the quota": (
        quota("pods=1,requests.memory=1Gi", "pods=1,requests.memory=1Gi", "pods=10,requests.memory=1536Mi"),
        "QuotaExceeded", "2 workers need 2 x requests.memory=1Gi",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_a_refusal_that_the_spec_causes_lasts_and_names_the_field_to_change(what: str) -> None:
    error, reason, remedy = REFUSED[what]
    refusal = explain(error, "Pod x-1-0", NOW, together=2)
    assert (refusal.reason, refusal.lasts) == (reason, True)
    assert remedy in refusal.message
    assert error.message in refusal.message


PASSES = {
    "a quota that others use up": quota("pods=1,requests.cpu=1", "pods=3,requests.cpu=3", "pods=9,requests.cpu=3"),
    "a quota in another form": quota("requests.cpu=1e9", "requests.cpu=3", "requests.cpu=3"),
    "a quota of which too little is said": forbidden("exceeded quota: team"),
    "rights": ForbiddenError(403, "Forbidden", 'pods is forbidden: User "op" cannot create resource "pods"'),
    "Pod Security": forbidden('violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false'),
}


@pytest.mark.parametrize("what", PASSES)
def test_a_refusal_that_others_can_lift_does_not_last(what: str) -> None:
    assert not explain(PASSES[what], "Pod x-1-0", NOW, together=2).lasts


def test_a_namespace_that_goes_is_waited_for() -> None:
    with pytest.raises(NotYetError):
        explain(forbidden("unable to create new content in namespace n because it is being terminated"), "Pod x", NOW)
