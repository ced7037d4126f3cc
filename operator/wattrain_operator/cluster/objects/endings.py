"""Why a pod ended: what its supervisor said, and where it could say nothing, what the kubelet and the cluster say."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Literal, get_args

from wattrain_api import reasons
from wattrain_api.contract.failures import Failure
from wattrain_api.contract.kinds import LINE_CHARACTERS, one_line
from wattrain_operator.cluster.objects.containers import is_ours, other_containers, own_container, phase_in, state_of
from wattrain_operator.cluster.objects.identity import Json
from wattrain_operator.core.observed import TerminationMessage
from wattrain_operator.workers.decode import to_termination

Phase = Literal["Pending", "Running", "Succeeded", "Failed"]
_PHASES: Final[dict[str, Phase]] = {phase: phase for phase in get_args(Phase)} | {"": "Pending"}
_EXIT_KILLED: Final = 137
_EXIT_FAILED: Final = 1
"""For containers that are not ours, whose exit codes are not of our table."""
_SIGKILL_EXITS: Final = (None, -9, _EXIT_KILLED)
_NODE_REASONS: Final = frozenset({
    "NodeLost", "NodeShutdown", "Shutdown", "Terminated", "Preempting", "NodeAffinity", "UnexpectedAdmissionError",
})  # fmt: skip
"""`status.reason` of pods that a node gave up or did not take. `Evicted` is not among them: a pod that fills its own
volumes is evicted too, without the condition DisruptionTarget, and would do so again."""
_TAKEN: Final = {
    "EvictionByEvictionAPI": "it was evicted, as by a drain of its node",
    "PreemptionByScheduler": "it was preempted for a pod of higher priority",
    "DeletionByTaintManager": "its node has a taint that it does not tolerate, as a lost node has",
    "DeletionByPodGC": "its node is gone",
    "TerminationByKubelet": "its node ended it, being short of something or shutting down",
    "NodeLost": "its node is lost",
    "Preempting": "its node ended it for a critical pod",
}
"""What the reasons of the condition DisruptionTarget, and of pods that a node gave up, mean for a person."""
_NO_ROOM: Final = "OutOf"
"""Begins the reason of pods that found their node full (OutOfcpu, OutOfmemory, ...)."""


def phase_of(pod: Json) -> Phase:
    """What a pod is about, by our own container: the pod as a whole is Running while a container that admission added
    goes on, Pending while one waits, and Failed where one failed. A kubelet says of it a second later than of its
    containers, too."""
    own, phase = own_container(pod), _PHASES.get(phase_in(pod), "Running")  # Unknown too: its node does not answer
    terminated = state_of(own, "terminated")
    if terminated is not None:
        return "Failed" if terminated.get("exitCode") else "Succeeded"
    return "Running" if phase == "Pending" and state_of(own, "running") is not None else phase


def termination_of(pod: Json, worker: int) -> TerminationMessage:
    """What is known of the end of `pod`, whose phase_of() is Succeeded or Failed. `worker` is the worker's index.

    Its energy, step and result are the supervisor's, if it left a termination message; texts are one harmless line.
    """
    status = pod.get("status") or {}
    container, ended = _ended_container(pod)
    exit_code = 0 if phase_of(pod) == "Succeeded" else ended.get("exitCode") or _EXIT_KILLED
    message = str(ended.get("message") or "")
    foreign = "" if not container or is_ours(container) else f"container {container['name']} ended with {exit_code}"
    left, said = to_termination("", _EXIT_FAILED, worker) if foreign else to_termination(message, exit_code, worker)
    if exit_code == 0:
        return left
    node = str((pod.get("spec") or {}).get("nodeName") or "")[:253]
    disruption = disruption_of(pod)
    if disruption:
        line = one_line(disruption, LINE_CHARACTERS)
        return replace(
            left,
            disruption=True,
            failure=Failure(reasons.WORKER_LOST, worker=worker, node=node, last_line=line, step=left.step),
        )
    failure = left.failure
    if failure is not None and (said is None or said.exit_code is None):
        # No last message of ours: a kubelet's, or the last lines of the log.
        told = _explanation(status, ended, message if said is None else said.last_line)
        line = ": ".join(part for part in (foreign, told) if part)
        failure = replace(failure, node=node, last_line=one_line(line, LINE_CHARACTERS))
    return replace(left, failure=failure if foreign else _with_memory(failure, ended, worker, node))


def _ended_container(pod: Json) -> tuple[Json, Json]:
    """The container that decided the pod's end, and how it ended: ours, or, where ours never ran, the first that
    failed. Both are empty where no container ended."""
    own = own_container(pod)
    ended = state_of(own, "terminated")
    if ended is not None:
        return own, ended
    others = ((container, state_of(container, "terminated") or {}) for container in other_containers(pod))
    return next(((container, end) for container, end in others if end.get("exitCode")), ({}, {}))


def disruption_of(pod: Json) -> str:
    """Who took the pod away, for a person, with what Kubernetes says of it; empty where it ended by itself."""
    status = pod.get("status") or {}
    reason, message = str(status.get("reason") or ""), str(status.get("message") or "")
    for condition in status.get("conditions") or ():
        if condition.get("type") == "DisruptionTarget" and condition.get("status") == "True":
            return _in_words(str(condition.get("reason") or ""), str(condition.get("message") or message))
    if reason in _NODE_REASONS or reason.startswith(_NO_ROOM):
        return _in_words(reason, message)
    return "its pod was deleted; nothing says by whom" if pod["metadata"].get("deletionTimestamp") else ""


def _in_words(reason: str, message: str) -> str:
    detail = ": ".join(part for part in (reason, message) if part)
    return f"{_TAKEN.get(reason, 'its pod was taken away')}{f' ({detail})' if detail else ''}"


def _explanation(status: Json, ended: Json, message: str) -> str:
    """What comes nearest to the cause where the supervisor left no message."""
    if status.get("reason") or status.get("message"):
        return f"{status.get('reason') or 'Failed'}: {status.get('message') or ''}"
    lines = [line for line in message.splitlines() if line.strip()]
    if ended.get("reason") in (None, "", "Error", "Completed", "OOMKilled"):
        return lines[-1] if lines else ""
    return ": ".join([str(ended["reason"]), *lines[-1:]])


def _with_memory(failure: Failure | None, ended: Json, worker: int, node: str) -> Failure | None:
    """`failure`, where the kernel's own killing for want of memory is what the kubelet has seen. Who dies of it is
    chosen by the kernel: all of the container, or the rank alone, whose supervisor then only knows the signal."""
    found = failure or Failure(reasons.KILLED, _EXIT_KILLED, worker=worker, node=node)
    if ended.get("reason") != "OOMKilled" or found.exit_code not in _SIGKILL_EXITS:
        return failure
    line = "the container used up its memory limit: raise workers.resources.limits.memory, or lower training.batchSize"
    return replace(found, reason=reasons.OUT_OF_MEMORY, last_line=found.last_line or line)
