"""What the operator may do, by its documentation, and what it did, by the audit logs of API servers."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from harness.controlplane import OwnCluster

Event = dict[str, Any]
Right = tuple[str, str, str]
"""API group, resource with its subresource, verb."""
DOCUMENT = Path(__file__).parents[3] / "docs" / "kubernetes.md"
OPERATOR = "wattrain-operator"
"""Name of the operator's service account in every test, and of its client."""
OF_A_SERIES: Right = ("", "configmaps", "get")
"""Granted for the ConfigMaps alone that PowerDomains name, by a Role in their namespace: docs/carbon.md."""
_ROW = re.compile(r"^\| `([a-z0-9.]*)/([a-z/]+)` \| ([a-z, ]+) \|", re.MULTILINE)
_ACCOUNT = re.compile(rf"system:serviceaccount:[^:]+:{OPERATOR}")
_UNKNOWN, _REFUSED = 401, 403


@dataclass
class Use:
    """What operators asked of API servers."""

    asked: set[Right] = field(default_factory=set)
    denied: set[str] = field(default_factory=set)
    """Requests that were refused for want of rights, or because nobody knew who asked, in words."""


def documented() -> dict[tuple[str, str], set[str]]:
    """The table of rights in docs/kubernetes.md: verbs by (API group, resource)."""
    rows = _ROW.findall(DOCUMENT.read_text(encoding="utf-8"))
    return {(group, resource): set(verbs.split(", ")) for group, resource, verbs in rows}


def granted() -> set[Right]:
    """The same table, one right each."""
    return {(group, resource, verb) for (group, resource), verbs in documented().items() for verb in verbs}


def use_of(events: Iterable[Event], account: re.Pattern[str] = _ACCOUNT) -> Use:
    """What service accounts called `account` did in `events`."""
    use = Use()
    for event in events:
        if _lacks_rights(event, account):
            use.denied.add(_told(event))
        what = event.get("objectRef") or {}
        if account.fullmatch(event["user"].get("username", "")) and "resource" in what:
            resource = "/".join(filter(None, (what["resource"], what.get("subresource"))))
            use.asked.add((what.get("apiGroup", ""), resource, event["verb"]))
    return use


def _lacks_rights(event: Event, account: re.Pattern[str]) -> bool:
    """A quota and Pod Security answer 403 too, but not on the authorizer's word. Who is unknown has no name."""
    code = (event.get("responseStatus") or {}).get("code")
    if code == _UNKNOWN:
        return str(event.get("userAgent", "")).startswith(OPERATOR)
    forbidden = (event.get("annotations") or {}).get("authorization.k8s.io/decision") == "forbid"
    return code == _REFUSED and forbidden and bool(account.fullmatch(event["user"].get("username", "")))


def _told(event: Event) -> str:
    said = (event.get("responseStatus") or {}).get("message", "")
    return f"{event['verb']} {event['requestURI']} at {event['requestReceivedTimestamp']}: {said}"


# --- One run of many test processes -----------------------------------------------------------------------------------


def record(cluster: OwnCluster, folder: Path) -> None:
    """Leave in `folder` what operators asked of `cluster`, whose API server is about to end."""
    folder.mkdir(parents=True, exist_ok=True)
    use = use_of(event for event in cluster.audit_events() if not _during(event, cluster.restarts))
    document = {"asked": sorted(use.asked), "denied": sorted(use.denied)}
    (folder / f"{uuid.uuid4().hex}.json").write_text(json.dumps(document), encoding="utf-8")


def recorded(folder: Path) -> Use:
    """All that was left in `folder`."""
    total = Use()
    for file in folder.glob("*.json"):
        document = json.loads(file.read_text(encoding="utf-8"))
        total.asked |= {(group, resource, verb) for group, resource, verb in document["asked"]}
        total.denied |= set(document["denied"])
    return total


def _during(event: Event, restarts: Iterable[tuple[datetime, datetime]]) -> bool:
    """An API server that starts refuses everybody at first: it has not read the roles yet."""
    at = datetime.fromisoformat(event["requestReceivedTimestamp"])
    return any(began <= at <= ended for began, ended in restarts)


def differences(use: Use, *, whole: bool) -> Iterator[str]:
    """What is wrong with `use`; that a right was not used only where the `whole` suite was run."""
    may = granted()
    for told in sorted(use.denied):
        yield f"refused for want of rights: {told}"
    for group, resource, verb in sorted(use.asked - may - {OF_A_SERIES}):
        yield f"asked for, and not in the table of docs/kubernetes.md: {verb} {group}/{resource}"
    for group, resource, verb in sorted(may - use.asked) if whole else ():
        yield f"granted, and never asked for in the whole suite: {verb} {group}/{resource}"
