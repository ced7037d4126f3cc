"""What the core is told about pods, from pods as an API server shows them."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattrain_api.reasons import meaning_of_exit
from wattrain_operator.cluster.kube.trim import trim
from wattrain_operator.cluster.objects import child_of, gone_child_of
from wattrain_operator.cluster.reading import termination_in
from wattrain_operator.core.observed import ChildCpus
from wattrain_operator.core.restarts import cause_of

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
METER = {"component": "cpu", "source": "model", "watts": 3.0, "joules": 44.0, "lowJoules": 15.0, "highJoules": 97.0}
MESSAGE = {
    "version": 1, "exitCode": 75, "generation": 2, "step": 120, "phase": "training", "checkpointStep": 100,
    "cause": {"rank": 1, "node": "b", "reason": "PeerLost", "exitCode": 75, "lastLine": "gone", "step": 119},
    "energy": [METER],
}  # fmt: skip


def pod_with(phase, container=None, name="digits-2-1", init=None, metadata=None, conditions=(), **status):
    """A pod whose worker's state is `container` and whose init container's is `init`."""
    shown = {"phase": phase, "conditions": list(conditions), **status}
    if container is not None:
        shown["containerStatuses"] = [{"name": "worker", "state": container, "ready": False, "restartCount": 0}]
    if init is not None:
        shown["initContainerStatuses"] = [{"name": "supervisor", "state": init}]
    return {
        "metadata": {"name": name, "uid": "u-1", "namespace": "team", **(metadata or {})},
        "spec": {"nodeName": "node-7"},
        "status": shown,
    }


def terminated(exit_code, message="", reason="Error", **more):
    return {"terminated": {"exitCode": exit_code, "reason": reason, "message": message, **more}}


def condition(kind, status, reason="", message=""):
    return {"type": kind, "status": status, "reason": reason, "message": message}


def ended(*args, **kwargs):
    return child_of(pod_with("Failed", *args, **kwargs), NOW).termination


# --- Who it is, and whether it runs -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "role", "attempt", "rank"),
    [
        ("digits-2-1", "worker", 2, 1),
        ("a-1-2-10-31", "worker", 10, 31),
        ("digits-prepare-3", "prepare", 3, 0),
        ("x-prepare-3-0", "worker", 3, 0),
        ("3-prepare-4", "prepare", 4, 0),
        ("digits-mine", "worker", 0, 0),
    ],
)
def test_the_name_says_who_it_is_whatever_the_labels_say(name, role, attempt, rank):
    labels = {"wattrain.dev/role": "prepare", "wattrain.dev/attempt": "77", "wattrain.dev/worker-index": "no"}
    child = child_of(pod_with("Pending", name=name, metadata={"labels": labels}), NOW)
    assert (child.role, child.attempt, child.worker, child.uid) == (role, attempt, rank, "u-1")


@pytest.mark.parametrize(
    ("phase", "seen"),
    [("Pending", "Pending"), ("Running", "Running"), ("Unknown", "Running"), ("Succeeded", "Succeeded")],
)
def test_a_pod_whose_node_does_not_answer_counts_as_running(phase, seen):
    assert child_of(pod_with(phase), NOW).phase == seen


def test_a_pod_that_has_just_been_created_has_no_status():
    pod = pod_with("Pending")
    for status in (None, {}):
        child = child_of({**pod, "status": status}, NOW)
        assert (child.phase, child.ready, child.termination) == ("Pending", False, None)


def test_it_is_ready_when_its_supervisor_answers_and_not_when_it_has_ended():
    ready = [condition("Ready", "True")]
    running = child_of(pod_with("Running", {"running": {}}, conditions=ready), NOW)
    assert (running.ready, running.message) == (True, "")
    silent = child_of(pod_with("Running", {"running": {}}, conditions=[condition("Ready", "False")]), NOW)
    assert (silent.ready, silent.message) == (False, "its supervisor does not answer yet")
    assert not child_of(pod_with("Failed", terminated(1), conditions=ready), NOW).ready


@pytest.mark.parametrize(("exit_code", "phase"), [(0, "Succeeded"), (75, "Failed")])
def test_a_pod_whose_container_has_ended_has_ended_though_the_kubelet_does_not_say_so_yet(exit_code, phase):
    not_ready = [condition("Ready", "False", "ContainersNotReady")]
    child = child_of(pod_with("Running", terminated(exit_code, json.dumps(MESSAGE)), conditions=not_ready), NOW)
    assert (child.phase, child.termination.exit_code, child.ready) == (phase, exit_code, False)
    assert child.termination.step == 120


def test_it_knows_its_machine():
    assert child_of(pod_with("Running"), NOW).node == "node-7"


def test_how_long_it_has_been_asked_to_end_counts_from_the_question_not_from_the_deadline():
    metadata = {"deletionTimestamp": "2026-11-24T12:00:50Z", "deletionGracePeriodSeconds": 60}
    assert child_of(pod_with("Running", metadata=metadata), NOW).terminating_seconds == 10.0
    assert child_of(pod_with("Running"), NOW).terminating_seconds is None
    late = {"deletionTimestamp": "2026-11-24T11:00:00Z", "deletionGracePeriodSeconds": 0}
    assert child_of(pod_with("Running", metadata=late), NOW).terminating_seconds == 3600.0


# --- What it waits for ------------------------------------------------------------------------------------------

WAITS = {
    "no node": (
        pod_with("Pending", conditions=[
            condition("PodScheduled", "False", "Unschedulable", "0/3 nodes are available: 3 Insufficient cpu.")
        ]),
        "Unschedulable: 0/3 nodes are available: 3 Insufficient cpu.",
    ),
    "no image": (
        pod_with("Pending", {"waiting": {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "nope:1"'}}),
        'ImagePullBackOff: Back-off pulling image "nope:1"',
    ),
    "no image of the init container": (
        pod_with("Pending", {"waiting": {"reason": "PodInitializing"}},
                 init={"waiting": {"reason": "ErrImagePull", "message": "not found\n"}}),
        "ErrImagePull: not found",
    ),
    "a missing ConfigMap": (
        pod_with("Pending", {"waiting": {"reason": "CreateContainerConfigError", "message": 'no configmap "x"'}}),
        'CreateContainerConfigError: no configmap "x"',
    ),
    "its start": (pod_with("Pending", {"waiting": {"reason": "ContainerCreating"}}), "ContainerCreating"),
}  # fmt: skip


@pytest.mark.parametrize("what", WAITS)
def test_a_pending_pod_says_what_it_waits_for(what):
    pod, message = WAITS[what]
    assert child_of(pod, NOW).message == message


@pytest.mark.parametrize(("what", "obstacle"), [
    ("no node", "Unschedulable"), ("no image", "ImagePullBackOff"),
    ("no image of the init container", "ImagePullBackOff"), ("a missing ConfigMap", "CreateContainerConfigError"),
    ("its start", ""),
])  # fmt: skip
def test_an_obstacle_has_one_word_while_it_lasts(what, obstacle):
    assert child_of(WAITS[what][0], NOW).blocked_by == obstacle


def just_created(**spec):
    pod = pod_with("Pending")
    return trim("Pod", {**pod, "spec": spec})


def test_a_pod_that_no_scheduler_and_no_node_has_looked_at_says_so():
    unseen = child_of(just_created(schedulerName="volcano"), NOW)
    assert (unseen.blocked_by, unseen.overlooked) == ("NotScheduled", True)
    assert "volcano" in unseen.message
    assert "workers.schedulerName" in unseen.message
    untaken = child_of(just_created(schedulerName="volcano", nodeName="node-7"), NOW)
    assert (untaken.blocked_by, untaken.overlooked) == ("NotTakenByNode", True)
    assert "node-7" in untaken.message


@pytest.mark.parametrize(("what", "unexplained"), [
    ("no node", False), ("no image", False), ("a missing ConfigMap", False), ("its start", True),
])  # fmt: skip
def test_a_pod_that_waits_without_an_obstacle_is_worth_a_closer_look(what, unexplained):
    assert child_of(trim("Pod", WAITS[what][0]), NOW).unexplained == unexplained


def test_a_pod_that_has_ended_says_whose_finalizers_keep_it():
    going = {"deletionTimestamp": "2026-11-24T11:59:00Z", "finalizers": ["a.example/x", "b.example/y"]}
    assert child_of(trim("Pod", pod_with("Failed", terminated(1), metadata=going)), NOW).kept_by == (
        "a.example/x, b.example/y"
    )
    assert child_of(pod_with("Running", RUNS, metadata=going), NOW).kept_by == ""


# --- How it ended -----------------------------------------------------------------------------------------------


def test_the_termination_message_of_the_supervisor_is_believed():
    message = ended(terminated(75, json.dumps(MESSAGE)))
    assert (message.exit_code, message.step, message.disruption) == (75, 120, False)
    assert (message.failure.rank, message.failure.reason, message.failure.node) == (1, "PeerLost", "b")
    assert message.energy[0].joules == 44.0


def test_success_has_no_failure():
    result = {**MESSAGE, "exitCode": 0, "test": {"accuracy": 0.97}, "model": {"path": "/wattrain/digits/model"}}
    child = child_of(pod_with("Succeeded", terminated(0, json.dumps(result), "Completed")), NOW)
    assert (child.termination.exit_code, child.termination.failure) == (0, None)
    assert (child.termination.test.accuracy, child.termination.model_uri) == (0.97, "/wattrain/digits/model")


def test_a_supervisor_that_was_killed_leaves_the_last_line_of_its_log():
    message = ended(terminated(137, "step 1\nstep 2 \x1b[31mloss\n\n"))
    assert (message.failure.reason, message.failure.last_line, message.failure.node) == (
        "Killed",
        "step 2  [31mloss",
        "node-7",
    )
    assert meaning_of_exit(message.exit_code).counted


def test_a_supervisor_killed_without_a_word_leaves_its_exit_code():
    message = ended(terminated(139))
    assert (message.exit_code, message.failure.reason, message.failure.last_line) == (139, "Crashed", "")


def test_memory_used_up_is_told_as_that_whoever_was_killed():
    whole = ended(terminated(137, "", "OOMKilled")).failure
    assert whole.reason == "OutOfMemory"
    assert "workers.resources.limits.memory" in whole.last_line
    cause = {"rank": 3, "node": "b", "reason": "Killed", "exitCode": -9, "lastLine": "step 7", "step": 7}
    rank = ended(terminated(137, json.dumps({**MESSAGE, "exitCode": 137, "cause": cause}), "OOMKilled")).failure
    assert (rank.reason, rank.rank, rank.last_line, rank.step) == ("OutOfMemory", 3, "step 7", 7)


def test_a_killed_supervisor_is_told_with_its_last_line_and_counted_with_the_joules_that_it_had_left():
    energy = [{"component": "cpu", "source": "model", "joules": 10.0, "lowJoules": 4.0, "highJoules": 20.0}]
    left = {"version": 1, "uid": "u", "attempt": 1, "lastLine": "epoch 3", "step": 7, "energy": energy}
    message = ended(terminated(137, json.dumps(left)))
    assert (message.failure.reason, message.failure.last_line, message.failure.step) == ("Killed", "epoch 3", 7)
    assert [meter.joules for meter in message.energy] == [10.0]


def test_memory_that_a_helper_used_up_does_not_hide_the_programs_own_error():
    cause = {"rank": 0, "reason": "BadData", "exitCode": 65, "lastLine": "no column x", "step": 0}
    failure = ended(terminated(65, json.dumps({**MESSAGE, "cause": cause}), "OOMKilled")).failure
    assert (failure.reason, failure.last_line) == ("BadData", "no column x")


def test_a_python_that_the_image_lacks_is_named():
    message = 'failed to create containerd task: exec: "python3": executable file not found in $PATH'
    failure = ended(terminated(128, message, "StartError")).failure
    assert failure.last_line == f"StartError: {message}"


def test_an_init_container_that_failed_decides_the_end():
    message = ended({"waiting": {"reason": "PodInitializing"}}, init=terminated(1, "cp: cannot stat 'x'"))
    assert (message.exit_code, message.failure.last_line) == (1, "cp: cannot stat 'x'")


# --- What others have put beside it -------------------------------------------------------------------------------

RUNS = {"running": {"startedAt": "2026-11-24T11:59:00Z"}}
PULLS = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
NOT_ALL_READY = [condition("Ready", "False", "ContainersNotReady", "containers with unready status: [mesh-proxy]")]


def meshed(phase, own, proxy, conditions=NOT_ALL_READY, ready=False, name="digits-2-1", init=None):
    """A pod into which admission has put the container mesh-proxy, before ours, and perhaps an init container."""
    ours = {"name": "prepare" if "prepare" in name else "worker", "state": own, "ready": ready}
    statuses = [{"name": "mesh-proxy", "state": proxy, "ready": False}, ours]
    pod = pod_with(phase, name=name, conditions=conditions, containerStatuses=statuses)
    if init is not None:
        pod["status"]["initContainerStatuses"] = [{"name": "mesh-init", "state": init, "ready": False}]
    return trim("Pod", pod)


@pytest.mark.parametrize("name", ["digits-2-1", "digits-prepare-2"])
@pytest.mark.parametrize(("exit_code", "phase"), [(0, "Succeeded"), (75, "Failed")])
def test_our_container_alone_decides_that_a_pod_has_ended(exit_code, phase, name):
    own = terminated(exit_code, json.dumps(MESSAGE))
    child = child_of(meshed("Running", own, RUNS, name=name), NOW)
    assert (child.phase, child.ready, child.others_run) == (phase, False, True)
    assert (child.termination.exit_code, child.termination.step) == (exit_code, 120)
    assert termination_in(meshed("Running", own, RUNS, name=name)).step == 120


@pytest.mark.parametrize("phase", ["Running", "Failed"])
def test_a_sidecar_that_fails_does_not_undo_a_success(phase):
    child = child_of(meshed(phase, terminated(0, json.dumps(MESSAGE)), terminated(1, "proxy died")), NOW)
    assert (child.phase, child.termination.failure, child.others_run) == ("Succeeded", None, False)


@pytest.mark.parametrize("proxy", [RUNS, PULLS, terminated(1, "proxy died")])
@pytest.mark.parametrize("phase", ["Running", "Pending"])
def test_a_worker_that_answers_is_ready_whatever_a_sidecar_does(phase, proxy):
    child = child_of(meshed(phase, RUNS, proxy, ready=True), NOW)
    assert (child.phase, child.ready, child.message, child.blocked_by) == ("Running", True, "", "")


def test_a_worker_on_a_lost_node_is_not_ready_though_its_container_was():
    by_the_nodes_controller = [condition("Ready", "False")]
    assert not child_of(meshed("Running", RUNS, RUNS, conditions=by_the_nodes_controller, ready=True), NOW).ready


def test_an_injected_container_that_keeps_ours_from_starting_is_named():
    waits = {"waiting": {"reason": "PodInitializing"}}
    blocked = child_of(meshed("Pending", waits, waits, init=PULLS), NOW)
    assert blocked.blocked_by == "ImagePullBackOff"
    assert blocked.message == "container mesh-init: ImagePullBackOff: no such image"
    slow = child_of(meshed("Pending", waits, waits, init=RUNS), NOW)
    assert (slow.blocked_by, slow.message) == ("", "PodInitializing: container mesh-init runs before it")


def test_an_injected_container_that_fails_before_ours_is_named_and_its_exit_code_is_none_of_ours():
    waits = {"waiting": {"reason": "PodInitializing"}}
    message = child_of(meshed("Failed", waits, waits, init=terminated(65, "iptables: denied")), NOW).termination
    assert (message.exit_code, message.failure.reason) == (1, meaning_of_exit(1).reason)
    assert message.failure.last_line == "container mesh-init ended with 65: iptables: denied"


def test_what_a_sidecar_leaves_is_not_taken_for_a_termination_message():
    pod = meshed("Failed", {"waiting": {"reason": "ContainerCreating"}}, terminated(75, json.dumps(MESSAGE)))
    message = child_of(pod, NOW).termination
    assert (message.energy, message.step, message.exit_code) == ((), 0, 1)
    assert termination_in(pod) is None


EVICTED = condition("DisruptionTarget", "True", "EvictionByEvictionAPI", "Eviction API: evicting")
DISRUPTIONS = {
    "evicted": pod_with("Failed", terminated(143, json.dumps(MESSAGE)), conditions=[EVICTED]),
    "preempted": pod_with("Failed", terminated(137), conditions=[
        condition("DisruptionTarget", "True", "PreemptionByScheduler", "to accommodate a higher priority pod")
    ]),
    "under pressure": pod_with("Failed", reason="Evicted", message="The node was low on resource: memory.", conditions=[
        condition("DisruptionTarget", "True", "TerminationByKubelet", "The node was low on resource: memory.")
    ]),
    "not taken": pod_with("Failed", reason="OutOfcpu", message="Node didn't have enough resource: cpu"),
    "node shut down": pod_with("Failed", terminated(143), reason="Terminated", message="Pod was terminated"),
    "node lost": pod_with("Failed", reason="NodeLost", message="Node which was running pod is unresponsive"),
    "deleted": pod_with("Failed", terminated(137), metadata={
        "deletionTimestamp": "2026-11-24T12:01:00Z", "deletionGracePeriodSeconds": 60
    }),
}  # fmt: skip


@pytest.mark.parametrize("what", DISRUPTIONS)
def test_what_the_program_is_not_to_blame_for_is_a_disruption(what):
    child = child_of(DISRUPTIONS[what], NOW)
    failure, meaning = cause_of([child])
    assert (meaning.reason, meaning.counted, meaning.permanent) == ("WorkerLost", False, False)
    assert (failure.reason, failure.node, failure.worker) == ("WorkerLost", "node-7", 1)
    assert failure.last_line


def test_an_evicted_worker_keeps_what_its_supervisor_said_of_energy_and_step():
    message = child_of(DISRUPTIONS["evicted"], NOW).termination
    assert (message.step, message.failure.step, message.energy[0].joules) == (120, 120, 44.0)
    assert message.failure.last_line == (
        "it was evicted, as by a drain of its node (EvictionByEvictionAPI: Eviction API: evicting)"
    )


LEAVING = {"deletionTimestamp": "2026-11-24T12:01:00Z", "deletionGracePeriodSeconds": 60}


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("EvictionByEvictionAPI", "it was evicted"),
        ("PreemptionByScheduler", "preempted for a pod of higher priority"),
        ("DeletionByTaintManager", "a taint that it does not tolerate"),
        ("DeletionByPodGC", "its node is gone"),
        ("TerminationByKubelet", "its node ended it"),
        ("SomethingNew", "its pod was taken away"),
    ],
)
def test_who_takes_a_pod_away_is_told_while_it_ends_and_when_it_is_gone(reason, words):
    taken = [condition("DisruptionTarget", "True", reason, "why")]
    pod = pod_with("Running", metadata=LEAVING, conditions=taken)
    leaving, gone = child_of(pod, NOW), gone_child_of(pod)
    assert words in leaving.taken_away
    assert f"({reason}: why)" in leaving.taken_away
    assert (gone.name, gone.node, gone.why) == (leaving.name, "node-7", leaving.taken_away)


def test_of_a_pod_that_somebody_deleted_is_said_that_nothing_says_by_whom():
    assert child_of(pod_with("Running"), NOW).taken_away == ""
    leaving = child_of(pod_with("Running", metadata=LEAVING), NOW)
    assert leaving.taken_away == "its pod was deleted; nothing says by whom"
    assert "removed at once" in gone_child_of(pod_with("Running")).why


def test_a_pod_that_fills_its_own_volume_is_to_blame_though_it_is_evicted():
    message = 'Usage of EmptyDir volume "storage" exceeds the limit "10Gi".'
    child = child_of(pod_with("Failed", reason="Evicted", message=message), NOW)
    failure, meaning = cause_of([child])
    assert (meaning.counted, failure.last_line) == (True, f"Evicted: {message}")


def test_a_condition_that_is_not_true_disrupts_nothing():
    child = child_of(pod_with("Failed", terminated(70), conditions=[{**EVICTED, "status": "False"}]), NOW)
    assert not child.termination.disruption


def test_who_finished_before_the_disruption_has_finished():
    child = child_of(pod_with("Succeeded", terminated(0, "", "Completed"), conditions=[EVICTED]), NOW)
    assert (child.termination.exit_code, child.termination.failure, child.termination.disruption) == (0, None, False)


@given(
    message=st.text(max_size=4096) | st.binary(max_size=200).map(lambda b: b.decode("latin-1")) | st.just("[" * 4096),
    exit_code=st.integers(1, 255),
    reason=st.sampled_from(["Error", "OOMKilled", "StartError", "", "\u202e\n"]),
)
def test_whatever_a_container_leaves_becomes_one_harmless_line(message, exit_code, reason):
    message = ended(terminated(exit_code, message, reason))
    assert message.exit_code == exit_code
    assert message.failure is None or message.failure.last_line.isprintable()
    assert message.failure is None or len(message.failure.last_line) <= 1024


def test_reading_a_pod_changes_nothing_in_it():
    for pod, _ in WAITS.values():
        before = copy.deepcopy(pod)
        child_of(pod, NOW)
        assert pod == before


# --- Its CPU limit ----------------------------------------------------------------------------------------------------


def limited(asked, held=None, *conditions):
    """A pod whose worker is asked to keep to a CPU limit, of which its node says what it holds."""
    pod = pod_with("Running", {"running": {}}, conditions=conditions)
    other = {"name": "mesh-proxy", "resources": {"limits": {"cpu": "7"}}}
    resources = {"limits": {"cpu": asked, "memory": "1Gi"}, "requests": {"cpu": "100m"}} if asked else {}
    pod["spec"]["containers"] = [other, {"name": "worker", "resources": resources}]
    if held:
        pod["status"]["containerStatuses"][0]["resources"] = {"limits": {"cpu": held}}
    return trim("Pod", pod)


@pytest.mark.parametrize(
    ("pod", "cpus"),
    [
        (limited("1500m"), ChildCpus(1.5)),
        (limited("1", "400m"), ChildCpus(1.0, 0.4)),
        (limited(None), None),
        (pod_with("Running", {"running": {}}), None),
        (
            limited("1", "2", condition("PodResizePending", "True", "Infeasible", "static CPU Manager")),
            ChildCpus(1.0, 2.0, "Infeasible: static CPU Manager"),
        ),
        (limited("1", "2", condition("PodResizeInProgress", "True")), ChildCpus(1.0, 2.0)),
        (
            limited("1", "2", condition("PodResizeInProgress", "True", "Error", "cgroup")),
            ChildCpus(1.0, 2.0, "Error: cgroup"),
        ),
    ],
)
def test_a_cpu_limit_is_what_is_asked_for_and_what_is_in_force(pod, cpus):
    assert child_of(pod, NOW).cpus == cpus
    assert child_of(trim("Pod", pod), NOW).cpus == cpus
