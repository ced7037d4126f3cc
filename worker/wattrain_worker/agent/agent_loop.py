"""The node agent's loop: who asks, whose processes use which GPU, what is set, what is answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

from wattrain_api.contract.gpu_limit import REFUSED, GpuLimitAnswer
from wattrain_worker.agent.gpu_control import GpuControl, GpuRefusedError
from wattrain_worker.agent.gpu_limiter import GpuLimiter, Wish
from wattrain_worker.agent.node_pods import ApiServerError, AskingPod
from wattrain_worker.agent.pod_gpus import gpus_by_pod

LOOK_SECONDS: Final = 2.0
"""Between two passes. Our choice: what a job asks for holds after a few seconds."""
_SENSELESS: Final = GpuLimitAnswer(
    0, REFUSED, message="what is asked for is no JSON with a version, and watts or clockMhz; write it as documented"
)
_NOTHING: Final = "neither watts nor clockMhz is asked for; remove the annotation where nothing is to be limited"


class Pods(Protocol):
    """Who asks, and who is answered. ApiServerError."""

    def asking(self) -> Sequence[AskingPod]:
        """The pods of this node that ask for something."""

    def give(self, pod: AskingPod, answer: GpuLimitAnswer) -> None:
        """Answer a pod."""


class AgentLoop:
    """One pass after the other. While the API server does not answer, what was asked for last holds."""

    def __init__(
        self, control: GpuControl, limiter: GpuLimiter, pods: Pods, root: Path, say: Callable[[str], None]
    ) -> None:
        self._control, self._limiter, self._pods, self._root, self._say = control, limiter, pods, root, say
        self._asking: Sequence[AskingPod] = ()
        self._problem = ""

    def make_pass(self) -> None:
        """Look, set, answer."""
        problem = ""
        try:
            self._asking = self._pods.asking()
        except ApiServerError as error:
            problem = f"the API server: {error}; what was asked for last holds meanwhile"
        try:
            used = gpus_by_pod(self._control, self._root, [pod.uid for pod in self._asking])
        except GpuRefusedError as error:
            self._hear(f"{error}; nothing is changed meanwhile")
            return
        wishes = {
            pod.uid: Wish(pod.limit, used[pod.uid])
            for pod in self._asking
            if pod.limit is not None and (pod.limit.watts is not None or pod.limit.clock_mhz is not None)
        }
        answers = self._limiter.step(wishes, used.get("", ()))
        for pod in () if problem else self._asking:  # what pods know already was not to be heard
            answer = answers.get(pod.uid, _refusal(pod))
            if not _is_told(pod.answer, answer):
                problem = self._give(pod, answer) or problem
        self._hear(problem)

    def end(self) -> None:
        """Restore all."""
        self._limiter.restore_except(())

    def _give(self, pod: AskingPod, answer: GpuLimitAnswer) -> str:
        """What went wrong; empty: nothing."""
        try:
            self._pods.give(pod, answer)
        except ApiServerError as error:
            return f"the API server: {error}"
        return ""

    def _hear(self, problem: str) -> None:
        """Say a problem once, until there is another or none."""
        if problem and problem != self._problem:
            self._say(problem)
        self._problem = problem


def _refusal(pod: AskingPod) -> GpuLimitAnswer:
    return _SENSELESS if pod.limit is None else GpuLimitAnswer(pod.limit.version, REFUSED, message=_NOTHING)


def _is_told(before: GpuLimitAnswer | None, answer: GpuLimitAnswer) -> bool:
    """Whether a pod knows it. A clock that moves alone is no news."""
    return before is not None and replace(before, clock_mhz=answer.clock_mhz) == answer
