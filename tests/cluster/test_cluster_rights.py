"""The comparison of what operators may do with what they did, at the end of a run of tests."""

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from harness import rights
from harness.rights_check import is_whole

TESTS = Path(__file__).parents[1]
ACCOUNT = "system:serviceaccount:team:wattrain-operator"
FORBID = {"annotations": {"authorization.k8s.io/decision": "forbid"}}
ALLOW = {"annotations": {"authorization.k8s.io/decision": "allow"}}


def event(verb="create", resource="pods", code=201, user=ACCOUNT, **more):
    return {
        "user": {"username": user} if user else {}, "verb": verb, "objectRef": {"resource": resource},
        "requestURI": "/api/v1/pods", "requestReceivedTimestamp": "2026-11-27T07:00:00.500000Z",
        "responseStatus": {"code": code, "message": "why"}, "userAgent": "wattrain-operator", **more,
    }  # fmt: skip


def test_a_verb_on_a_subresource_is_a_right_of_its_own():
    what = {"resource": "trainingjobs", "subresource": "status", "apiGroup": "wattrain.dev"}
    use = rights.use_of([event("update", objectRef=what), event("get", objectRef={})])
    assert use.asked == {("wattrain.dev", "trainingjobs/status", "update")}


def test_what_others_do_is_not_the_operators():
    others = ("admin", "system:serviceaccount:team:default", "system:serviceaccount:team:not-wattrain-operator")
    assert rights.use_of([event(user=user, code=403, **FORBID) for user in others]) == rights.Use()


@pytest.mark.parametrize(
    ("refusal", "count"),
    [
        (event(code=403, **FORBID), 1),
        (event(code=403, **ALLOW), 0),  # by a quota or by Pod Security
        (event(code=409, **ALLOW), 0),
        (event(code=401, user=""), 1),
        (event(code=401, user="", userAgent="curl"), 0),
    ],
    ids=["no right", "quota", "conflict", "token unknown", "somebody unknown"],
)
def test_only_a_refusal_by_the_authorizer_is_for_want_of_rights(refusal, count):
    assert len(rights.use_of([refusal]).denied) == count


def test_a_whole_run_must_use_every_right_and_no_run_another():
    everything = rights.Use(rights.granted())
    assert list(rights.differences(everything, whole=True)) == []
    less = rights.Use(everything.asked - {("", "pods", "delete")})
    assert list(rights.differences(less, whole=False)) == []
    assert list(rights.differences(less, whole=True)) == [
        "granted, and never asked for in the whole suite: delete /pods"
    ]
    with_a_series = rights.Use(everything.asked | {("", "configmaps", "get")})
    assert list(rights.differences(with_a_series, whole=True)) == []
    more = rights.Use(everything.asked | {("", "secrets", "get")}, {"get /x: why"})
    assert [line.partition(":")[0] for line in rights.differences(more, whole=False)] == [
        "refused for want of rights", "asked for, and not in the table of docs/kubernetes.md"
    ]  # fmt: skip


def test_an_api_server_that_has_not_read_the_roles_yet_does_not_count(tmp_path):
    refused = event(code=403, **FORBID)
    moments = [datetime.fromisoformat(f"2026-11-27T07:00:0{second}+00:00") for second in range(3)]
    for folder, restart, denied in (("during", moments[:2], 0), ("after", moments[1:], 1)):
        server = SimpleNamespace(audit_events=lambda: [refused], restarts=[restart])
        rights.record(server, tmp_path / folder)
        assert len(rights.recorded(tmp_path / folder).denied) == denied


@pytest.mark.parametrize(
    ("arguments", "options", "whole"),
    [
        ([], {}, True),
        ([str(TESTS)], {}, True),
        ([str(TESTS / "cluster")], {}, False),
        ([f"{TESTS}/cluster/test_cluster_rights.py::test_x"], {}, False),
        ([], {"keyword": "pods"}, False),
        ([], {"lf": True}, False),
    ],
)
def test_a_run_is_whole_that_selects_nothing(arguments, options, whole):
    option = SimpleNamespace(**({"keyword": "", "markexpr": ""} | options))
    where = SimpleNamespace(dir=TESTS.parent)
    config = SimpleNamespace(args=arguments or ["tests"], option=option, invocation_params=where)
    assert is_whole(config) == whole


@pytest.mark.parametrize(
    ("verb", "processes", "status"),
    [("list", (), 0), ("update", (), 1), ("update", ("-n", "1"), 1)],
    ids=["granted", "not granted", "not granted, in a process of its own"],
)
def test_a_run_in_which_all_tests_pass_fails_where_a_right_was_used_that_is_not_granted(
    tmp_path, verb, processes, status
):
    test = f"""
        from types import SimpleNamespace
        from harness.rights import record
        from harness.run_folder import folder_of_records
        def test_it(pytestconfig):
            server = SimpleNamespace(audit_events=lambda: [{event(verb)}], restarts=[])
            record(server, folder_of_records(pytestconfig))
    """
    lines = [line[8:] for line in test.splitlines()]
    (tmp_path / "test_it.py").write_text("\n".join(lines), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "harness.rights_check",
        "--rootdir",
        tmp_path,
        *processes,
        tmp_path,
    ]
    environment = os.environ | {"PYTHONPATH": str(TESTS / "cluster")}
    environment.pop("PYTEST_ADDOPTS", None)
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr
    assert done.returncode == status
    assert ("asked for, and not in the table of docs/kubernetes.md: update /pods" in done.stdout) == bool(status)


def test_records_of_several_planes_add_up(tmp_path):
    for number, verb in enumerate(("get", "list")):
        document = {"asked": [["", "pods", verb]], "denied": [verb]}
        (tmp_path / f"{number}.json").write_text(json.dumps(document), encoding="utf-8")
    assert rights.recorded(tmp_path) == rights.Use({("", "pods", "get"), ("", "pods", "list")}, {"get", "list"})
