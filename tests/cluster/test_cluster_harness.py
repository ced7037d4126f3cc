"""What the other tests of this folder rely on: the harness runs a real cluster, breaks it, and leaves nothing."""

import fcntl
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from harness import binaries
from harness.api import Api
from harness.certificates import Authority
from harness.controlplane import ControlPlane
from harness.daemon import Daemon, DaemonError, wait_for
from harness.fleet import ON_FAKE_NODES
from harness.sandbox import check_possible
from harness.shared import shared
from harness.unavailable import UnavailableError

PARTS = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"]
POD = {
    "metadata": {"name": "sleeper"},
    "spec": {
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{
            "name": "main",
            "image": "none",
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }],
    },
}  # fmt: skip


# --- The control plane ----------------------------------------------------------------------------------------------


def test_every_part_is_of_the_version_that_is_pinned(plane):
    with plane.api() as api:
        assert api.get("/version")["gitVersion"] == "v1.36.3"
        assert api.get("/readyz")["message"] == "ok"


def test_pod_security_is_enforced(cluster, namespace):
    privileged = POD | {"spec": {"containers": [{"name": "main", "image": "none"}], "hostNetwork": True}}
    with cluster.api() as api:
        reply = api.request("POST", f"/api/v1/namespaces/{namespace}/pods", privileged)
    assert reply.status == 403
    assert 'violates PodSecurity "restricted:latest"' in reply.message


def test_a_user_has_the_rights_that_were_granted_and_no_others(plane, namespace):
    role = {"metadata": {"name": "reader"}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]}
    binding = {
        "metadata": {"name": "reader"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": namespace}],
    }
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    with plane.api() as api:
        api.create(f"{rbac}/roles", role)
        api.create(f"{rbac}/rolebindings", binding)
    kubeconfig = plane.kubeconfig_of(namespace, "default")

    def asked(*words: str) -> tuple[int, str]:
        done = plane.kubectl(*words, f"--namespace={namespace}", kubeconfig=kubeconfig)
        return done.returncode, done.stderr

    wait_for(lambda: asked("get", "pods")[0] == 0, seconds=10, what="the role to be in force")
    assert asked("get", "pods") == (0, f"No resources found in {namespace} namespace.\n")
    status, said = asked("get", "secrets")
    assert status == 1
    assert f'User "system:serviceaccount:{namespace}:default" cannot list resource "secrets"' in said
    with plane.api_as("somebody") as stranger:
        assert stranger.request("GET", f"/api/v1/namespaces/{namespace}/pods").status == 403


def test_the_audit_log_says_who_did_what(plane, namespace):
    with plane.api_as("curious") as curious:
        curious.request("GET", f"/api/v1/namespaces/{namespace}/pods/absent")
    wait_for(lambda: plane.audit_events("curious"), seconds=10, what="the log to tell")
    (event,) = plane.audit_events("curious")
    assert (event["verb"], event["objectRef"]["resource"], event["responseStatus"]["code"]) == ("get", "pods", 403)


def test_what_belongs_to_a_deleted_object_is_collected(cluster, namespace):
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    with cluster.api() as api:
        owner = api.create(path, {"metadata": {"name": "owner"}})["metadata"]
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["uid"]}
        api.create(path, {"metadata": {"name": "child", "ownerReferences": [reference]}})
        api.delete(f"{path}/owner")
        wait_for(lambda: not api.exists(f"{path}/child"), seconds=30, what="the child to be collected")


# --- Faults ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_was_killed_comes_back_with_what_was_written(own_plane, namespace, part):
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    with own_plane.api() as api:
        before = api.create(path, {"metadata": {"name": "kept"}})["metadata"]["uid"]
    pid = own_plane.daemon(part).pid
    own_plane.kill(part)
    own_plane.start(part)
    assert own_plane.daemon(part).pid != pid
    with own_plane.api() as api:
        wait_for(api.waits_for(f"{path}/kept", lambda _: True), seconds=30, what="the API server to answer")
        assert api.get(f"{path}/kept")["metadata"]["uid"] == before


def test_nothing_answers_while_the_api_server_is_frozen(own_plane):
    hasty = Api(own_plane.place.server, timeout_seconds=0.5)
    with own_plane.frozen("kube-apiserver"), pytest.raises(ConnectionError, match="timed out"):
        hasty.request("GET", "/readyz")
    with own_plane.api() as api:
        assert api.request("GET", "/readyz").status == 200


# --- Processes ------------------------------------------------------------------------------------------------------


def exists(pid: int) -> bool:
    """Whether a process runs; one that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_second_control_plane_runs_beside_the_first_and_leaves_nothing(programs, tmp_path):
    programs(*PARTS)
    with ControlPlane(tmp_path / "second") as second:
        pids = [second.daemon(part).pid for part in PARTS]
        assert all(exists(pid) for pid in pids)
    assert not any(exists(pid) for pid in pids)
    assert list(tmp_path.iterdir()) == []


def test_a_daemon_ends_with_the_process_that_started_it_even_by_force(tmp_path):
    code = f"""
import sys, time
from pathlib import Path
from harness.daemon import Daemon
daemon = Daemon("sleeper", [sys.executable, "-c", "import time; time.sleep(600)"], Path({str(tmp_path / "log")!r}))
daemon.start(lambda: True)
print(daemon.pid, flush=True)
time.sleep(600)
"""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert exists(child)
        parent.kill()
    wait_for(lambda: not exists(child), seconds=10, what="the daemon to end")


def test_a_scratch_folder_goes_with_what_belongs_to_it_when_its_process_is_killed(tmp_path):
    code = f"""
import time
from pathlib import Path
from harness.scratch import scratch_folder, when_killed
with scratch_folder("wattrain-test-") as folder:
    with when_killed(folder / "deep", "echo x >> {tmp_path}/over"):
        pass
    with when_killed(folder / "deep", "echo x >> {tmp_path}/still"):
        (folder / "deep").mkdir()
        print(folder, flush=True)
        time.sleep(600)
"""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        folder = Path(parent.stdout.readline().strip())
        assert folder.is_dir()
        parent.kill()
    wait_for(lambda: not folder.exists(), seconds=20, what="the folder to go")
    assert [path.name for path in tmp_path.iterdir()] == ["still"]


def test_a_daemon_that_fails_says_what_it_wrote_last(tmp_path):
    code = "import sys; print('no such disk'); sys.exit(3)"
    daemon = Daemon("store", [sys.executable, "-c", code], tmp_path / "log")
    with pytest.raises(DaemonError, match=r"store ended with 3:\nno such disk"):
        daemon.start(lambda: False)


# --- What cannot be had ---------------------------------------------------------------------------------------------


def test_a_missing_compiler_is_named_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    with pytest.raises(UnavailableError, match=r"install Go 1\.26 or newer, or let KUBEBUILDER_ASSETS name a folder"):
        binaries.find("kube-apiserver")
    assert not list((tmp_path / "wattrain").glob("kubernetes-*"))


def test_the_assets_of_kubebuilder_are_taken_first(tmp_path, monkeypatch):
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    (tmp_path / "etcd").touch()
    assert binaries.find("etcd") == tmp_path / "etcd"


def test_a_build_that_fails_leaves_nothing_half_made(tmp_path, monkeypatch):
    go = tmp_path / "go"
    go.write_text('#!/bin/sh\n[ "$1" = env ] && echo go1.26.0 || { echo "no room" >&2; exit 1; }\n', encoding="utf-8")
    go.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(UnavailableError, match=r"(?s)kwok v\S+ could not be built with go install:\nno room"):
        binaries.find("kwok")
    assert [path.name for path in (tmp_path / "wattrain").iterdir()] == ["build.lock"]


def test_a_missing_openssl_is_named_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnavailableError, match="install the package openssl"):
        Authority.new(tmp_path / "pki")


def test_a_real_node_without_root_is_refused_by_name(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(UnavailableError, match="a real node needs root"):
        check_possible()


def test_a_missing_package_of_a_real_node_is_named_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnavailableError, match=r"needs unshare, .*containerd.*: run tests/cluster/install"):
        check_possible()


# --- Fake nodes -----------------------------------------------------------------------------------------------------


def test_a_pod_is_scheduled_and_runs_on_a_fake_node_and_goes_when_it_is_deleted(plane, kwok_nodes, namespace):
    path = f"/api/v1/namespaces/{namespace}/pods"
    with plane.api() as api:
        api.create(path, POD | {"spec": POD["spec"] | ON_FAKE_NODES})
        runs = api.waits_for(f"{path}/sleeper", lambda pod: pod["status"].get("phase") == "Running")
        wait_for(runs, seconds=30, what="the pod to run")
        pod = api.get(f"{path}/sleeper")
        assert pod["spec"]["nodeName"] in kwok_nodes.nodes
        assert pod["status"]["podIP"]
        api.patch(f"{path}/sleeper/status", {"status": {"phase": "Failed"}})
        assert api.get(f"{path}/sleeper")["status"]["phase"] == "Failed"
        api.delete(f"{path}/sleeper")
        wait_for(lambda: not api.exists(f"{path}/sleeper"), seconds=30, what="the pod to go")


# --- One thing for several test processes ---------------------------------------------------------------------------


def test_what_is_shared_is_made_once_and_ended_after_the_last_user(tmp_path):
    events: list[str] = []
    may_end = threading.Event()

    @contextmanager
    def made(name: str):
        events.append(f"{name} made")
        yield {"by": name}
        events.append(f"{name} ended")

    def maker() -> None:
        with shared(tmp_path, lambda: made("first")):
            may_end.wait(30)

    thread = threading.Thread(target=maker)
    thread.start()
    wait_for(lambda: events == ["first made"], seconds=10, what="the first to make it")
    with shared(tmp_path, lambda: made("second")) as description:
        assert description == {"by": "first"}
        may_end.set()
        # The maker holds the gate once it waits for its users.
        wait_for(lambda: is_locked(tmp_path / "gate"), seconds=10, what="the maker to wait")
        assert events == ["first made"]
    thread.join(30)
    assert events == ["first made", "first ended"]
    with shared(tmp_path, lambda: made("third")) as description:
        assert description == {"by": "third"}


def is_locked(path: Path) -> bool:
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False
