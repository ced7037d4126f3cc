"""One rule in all backends: a group hangs by its own answers. One that is silent does not, and is given as long as one
that starts. The same worker is played through the code of each backend, and the core decides on what that saw."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest

from wattrain_api.powerdomain import PowerDomainSpec
from wattrain_api.status import TrainingJobStatus
from wattrain_api.trainingjob import ObjectMeta, TrainingJob, TrainingJobSpec
from wattrain_operator.cluster.kube.cache import JobKey
from wattrain_operator.cluster.progress_poller import ProgressPoller, Speaker
from wattrain_operator.core.observed import Child, Observed
from wattrain_operator.core.plan import plan
from wattrain_operator.core.roles import Role
from wattrain_operator.local import poller as local_poller
from wattrain_operator.local.backend import LocalBackend
from wattrain_operator.local.rundir import RunDirectory
from wattrain_operator.simulated.faults import Move
from wattrain_operator.simulated.objects import moment
from wattrain_operator.simulated.simulated_operator import Setting
from wattrain_operator.simulated.simulation import Simulation

PROGRESS_DEADLINE, START_DEADLINE = 100, 10_000
FAKE_SUPERVISOR = (sys.executable, str(Path(__file__).parents[1] / "local" / "fake_supervisor.py"))
KEY = JobKey("team", "job")


def job_of(**env: str) -> TrainingJob:
    policy = {"progressDeadlineSeconds": PROGRESS_DEADLINE, "startDeadlineSeconds": START_DEADLINE, "maxRestarts": 1}
    variables = [{"name": name, "value": value} for name, value in env.items()]
    spec = {"recipe": {"name": "mlp"}, "training": {"maxSteps": 20}, "workers": {"env": variables}, "policy": policy}
    spec["data"] = {"source": {"builtin": "digits"}}
    return TrainingJob(metadata=ObjectMeta(name="job", uid="uid"), spec=TrainingJobSpec.model_validate(spec))


class Stage(Protocol):
    """One worker in a backend."""

    status: TrainingJobStatus

    def train(self) -> None:
        """It trains, and the operator has seen it. From here on it makes no step."""

    def silence(self) -> None:
        """It answers nobody any more, and the backend has noticed."""

    def answer(self) -> None:
        """It answers again, as before."""

    def wait(self, seconds: float) -> None:
        """Time passes, in which the operator asks and decides as often as it wants."""


class ClusterStage:
    """The operator's poller; the pod is as a kubelet would show it."""

    def __init__(self) -> None:
        self.now, self.ready, self.status, self.job = 0.0, True, TrainingJobStatus(), job_of()
        self.poller = ProgressPoller(self._fetch, 10.0, lambda: self.now, lambda key: None)
        self.children: tuple[Child, ...] = ()

    async def _fetch(self, speaker: Speaker) -> bytes:
        if not self.ready:
            raise OSError("no route")
        return json.dumps({"attempt": 1, "phase": "training", "step": 3, "totalSteps": 20}).encode()

    def train(self) -> None:
        self._decide()
        self.children = (Child("job-1-0", "u1", Role.WORKER, 1, 0, "Running", ready=True),)
        self.poller.listen(KEY, Speaker("u1", "team", "job-1-0", "127.0.0.1", Role.WORKER, 1))
        self.wait(1)

    def silence(self) -> None:
        self.ready = False

    def answer(self) -> None:
        self.ready = True

    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            self.now = min(until, self.now + 20)
            self.children = tuple(replace(child, ready=self.ready) for child in self.children)
            asyncio.run(self._ask())
            self._decide()

    async def _ask(self) -> None:
        self.poller.ask_due()
        asking = [listened.asking for listened in self.poller._listened.values()]
        await asyncio.gather(*(task for task in asking if task is not None and not task.done()))

    def _decide(self) -> None:
        report = self.poller.report(KEY)
        seen = Observed(moment(self.now), self.job, self.status, self.children, report, shared_storage=False)
        self.status = plan(seen).status


class LocalStage:
    """The local backend with a process that plays a supervisor. Its clock is the real one, which the test sets on."""

    def __init__(self, directory: RunDirectory) -> None:
        self.ahead_seconds, self.status, self.job = 0.0, TrainingJobStatus(), job_of(FAKE_MODE="hang", FAKE_STEPS="20")
        directory.write_job(self.job)
        self.backend = LocalBackend(self.job, directory, FAKE_SUPERVISOR, self._now)

    def train(self) -> None:
        self._until(lambda: self.status.progress is not None and self.status.progress.step == 10)

    def silence(self) -> None:
        os.kill(self._worker().pid, signal.SIGSTOP)
        self._until(lambda: not self.backend._poller.is_ready(self._worker().uid))

    def answer(self) -> None:
        os.kill(self._worker().pid, signal.SIGCONT)
        self._until(lambda: self.backend._poller.is_ready(self._worker().uid))

    def wait(self, seconds: float) -> None:
        self.ahead_seconds += seconds
        asked = self._asked()
        self._until(lambda: self._asked() != asked)

    def _now(self) -> float:
        return time.monotonic() + self.ahead_seconds

    def _asked(self) -> object:
        poller, uid = self.backend._poller, self._worker().uid
        last = poller.answer(uid)
        return poller._failures.get(uid), last and last.answered_at

    def _worker(self):
        return next(c for c in self.backend._children if c.made.role == Role.WORKER)

    def _until(self, condition) -> None:
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline
            self._decide()
            time.sleep(0.01)
        self._decide()

    def _decide(self) -> None:
        seen = self.backend.observe(self.job, self.status, PowerDomainSpec(), moment(self._now()))
        decided = plan(seen)
        self.status = decided.status
        if self.status.attempt <= 1:  # what comes after the end of the first group is another story
            self.backend.apply(decided)


class SimulatedStage:
    """The simulated operator in its world."""

    def __init__(self) -> None:
        self.simulation = Simulation(job_of().spec, Setting(shared_storage=False, reads_own_writes=True))

    @property
    def status(self) -> TrainingJobStatus:
        return self.simulation.world.job.status

    def train(self) -> None:
        world = self.simulation.world
        self._go_on()
        while world.group is None or world.group.step < 3:
            move = next(m for m in self.simulation.environment_moves() if m.name in ("start", "advance"))
            self.simulation.do(move)
            self._go_on()
        self.simulation.do(Move("hang"))

    def silence(self) -> None:
        self.simulation.do(Move("silence", "job-1-0"))
        self._go_on()

    def answer(self) -> None:
        self.simulation.do(Move("answer", "job-1-0"))
        self._go_on()

    def wait(self, seconds: float) -> None:
        until = self.simulation.world.now + seconds
        while self.simulation.world.now < until:
            self.simulation.do(Move("wait", code=int(min(20, until - self.simulation.world.now))))
            self._go_on()

    def _go_on(self) -> None:
        while (move := next(self.simulation.operator_moves(), None)) is not None:
            self.simulation.do(move)


@pytest.fixture(params=["cluster", "local", "simulated"])
def stage(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    if request.param == "local":
        monkeypatch.setattr(local_poller, "TIMEOUT_SECONDS", 0.2)
        monkeypatch.setattr(local_poller, "POLL_SECONDS", 0.02)
        monkeypatch.setattr(local_poller, "SILENT_AFTER", 3)
        with contextlib.closing(RunDirectory.open(tmp_path / "run", wait_seconds=0)) as directory:
            made = LocalStage(directory)
            with made.backend:
                yield made
        return
    yield ClusterStage() if request.param == "cluster" else SimulatedStage()


def end_of(stage: Stage) -> str:
    """Why the first group was ended; empty: it was not."""
    return stage.status.restarts[-1].last_line if stage.status.restarts else ""


def test_a_group_whose_answers_show_no_step_for_long_hangs(stage: Stage) -> None:
    stage.train()
    stage.wait(PROGRESS_DEADLINE / 2)
    assert end_of(stage) == ""
    stage.wait(PROGRESS_DEADLINE)
    assert "training has not moved from step" in end_of(stage)


def test_a_group_that_is_silent_for_longer_than_one_may_hang_goes_on(stage: Stage) -> None:
    stage.train()
    stage.silence()
    stage.wait(START_DEADLINE / 2)
    assert (end_of(stage), stage.status.attempt) == ("", 1)
    assert stage.status.state != "Running"


def test_a_group_that_is_silent_for_ever_is_ended_as_late_as_one_that_does_not_start(stage: Stage) -> None:
    stage.train()
    stage.silence()
    stage.wait(START_DEADLINE - 40)
    assert end_of(stage) == ""
    stage.wait(80)
    assert end_of(stage).startswith(f"no answer for {START_DEADLINE} s from job-1-0")


def test_a_group_that_answers_after_a_silence_that_it_still_is_where_it_was_hangs(stage: Stage) -> None:
    stage.train()
    stage.silence()
    stage.wait(2 * PROGRESS_DEADLINE)
    assert end_of(stage) == ""
    stage.answer()
    stage.wait(20)
    assert "training has not moved from step" in end_of(stage)
