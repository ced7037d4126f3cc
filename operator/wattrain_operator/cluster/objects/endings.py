"""Why a pod ended: what its supervisor said, and where it could say nothing, what the kubelet and the cluster say."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Literal, get_args

from wattrain_api import reasons
from wattrain_operator.cluster.objects.identity import Json
from wattrain_operator.core.observed import Failure, LastWord
from wattrain_operator.sound import one_line
from wattrain_operator.wire import LINE_CHARACTERS, to_last_word

Phase = Literal["Pending", "Running", "Succeeded", "Failed"]
_PHASES: Final[dict[str, Phase]] = {phase: phase for phase in get_args(Phase)} | {"": "Pending"}
_EXIT_KILLED: Final = 137
_SIGKILL_EXITS: Final = (None, -9, _EXIT_KILLED)
_NODE_REASONS: Final = frozenset({
    "NodeLost", "NodeShutdown", "Shutdown", "Terminated", "Preempting", "NodeAffinity", "UnexpectedAdmissionError",
})  # fmt: skip
"""`status.reason` of pods that a node gave up or did not take. `Evicted` is not among them: a pod that fills its own
volumes is evicted too, without the condition DisruptionTarget, and would do so again."""
_NO_ROOM: Final = "OutOf"
"""Begins the reason of pods that found their node full (OutOfcpu, OutOfmemory, ...)."""


def phase_of(status: Json) -> Phase:
    """What a pod is about. Its containers end a second before a kubelet says so of the pod: until then it would look
    like one that does not answer."""
    phase = _PHASES.get(status.get("phase") or "", "Running")  # Unknown too: its node does not answer, but it may run
    states = [container.get("state") or {} for container in status.get("containerStatuses") or ()]
    if phase != "Running" or not states or not all("terminated" in state for state in states):
        return phase
    return "Failed" if any(state["terminated"].get("exitCode") for state in states) else "Succeeded"


def last_word_of(pod: Json, rank: int) -> LastWord:
    """What is known of the end of `pod`, whose phase_of() is Succeeded or Failed. `rank` is the worker's index.

    Its energy, step and result are the supervisor's, if it left a last word; texts are one harmless line.
    """
    status = pod.get("status") or {}
    ended = _ended_container(status)
    exit_code = 0 if phase_of(status) == "Succeeded" else ended.get("exitCode") or _EXIT_KILLED
    message = str(ended.get("message") or "")
    word, said = to_last_word(message, exit_code, rank)
    if exit_code == 0:
        return word
    node = str((pod.get("spec") or {}).get("nodeName") or "")[:253]
    disruption = _disruption(pod)
    if disruption:
        line = one_line(disruption, LINE_CHARACTERS)
        return replace(word, disruption=True, failure=Failure(reasons.WORKER_LOST, None, rank, node, line, word.step))
    failure = word.failure
    if failure is not None and not said:  # no word: a kubelet's message, or the last lines of the log
        line = one_line(_explanation(status, ended, message), LINE_CHARACTERS)
        failure = replace(failure, node=node, last_line=line)
    return replace(word, failure=_with_memory(failure, ended, rank, node))


def _ended_container(status: Json) -> Json:
    """`terminated` of the container that decided the pod's end: the first that failed, for init containers go first."""
    containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    ends = [(c.get("state") or {}).get("terminated") or {} for c in containers]
    return next((e for e in ends if e.get("exitCode")), ends[-1] if ends else {})


def _disruption(pod: Json) -> str:
    """Who took the pod away, in a sentence; empty where it ended by itself."""
    status = pod.get("status") or {}
    reason, message = str(status.get("reason") or ""), str(status.get("message") or "")
    for condition in status.get("conditions") or ():
        if condition.get("type") == "DisruptionTarget" and condition.get("status") == "True":
            return f"{condition.get('reason') or 'disrupted'}: {condition.get('message') or message}"
    if reason in _NODE_REASONS or reason.startswith(_NO_ROOM):
        return f"{reason}: {message}"
    return "the pod was deleted" if pod["metadata"].get("deletionTimestamp") else ""


def _explanation(status: Json, ended: Json, message: str) -> str:
    """What comes nearest to the cause where the supervisor left no word."""
    if status.get("reason") or status.get("message"):
        return f"{status.get('reason') or 'Failed'}: {status.get('message') or ''}"
    lines = [line for line in message.splitlines() if line.strip()]
    if ended.get("reason") in (None, "", "Error", "Completed", "OOMKilled"):
        return lines[-1] if lines else ""
    return ": ".join([str(ended["reason"]), *lines[-1:]])


def _with_memory(failure: Failure | None, ended: Json, rank: int, node: str) -> Failure | None:
    """`failure`, where the kernel's own killing for want of memory is what the kubelet has seen. Who dies of it is
    chosen by the kernel: all of the container, or the rank alone, whose supervisor then only knows the signal."""
    found = failure or Failure(reasons.KILLED, _EXIT_KILLED, rank, node)
    if ended.get("reason") != "OOMKilled" or found.exit_code not in _SIGKILL_EXITS:
        return failure
    line = "the container used up its memory limit: raise workers.resources.limits.memory, or lower training.batchSize"
    return replace(found, reason=reasons.OUT_OF_MEMORY, last_line=found.last_line or line)
