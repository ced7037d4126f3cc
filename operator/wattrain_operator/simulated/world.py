"""The truth: one job, its children and what they do, in virtual seconds. No clock, no I/O, no chance."""

from __future__ import annotations

from dataclasses import replace

from wattrain_api import reasons
from wattrain_api.status import Metrics, TrainingJobStatus
from wattrain_api.trainingjob import ObjectMeta, TrainingJob, TrainingJobSpec
from wattrain_operator.core.observed import Child, CreateChild, Failure, InPlaceRestart, LastWord, Report
from wattrain_operator.simulated.objects import JOB, STEP_JOULES, Group, JobObject, Process, meters, moment

_PEER_LOST = Failure(reasons.PEER_LOST, reasons.EXIT_PEER_LOST)


class World:
    """What is the case. Methods are what the API server, the kubelet and the workers do; each says when it can be."""

    __slots__ = ("ahead", "causes", "checkpoints", "children", "group", "job", "now", "shared_storage", "spent", "uids")

    def __init__(self, spec: TrainingJobSpec, *, shared_storage: bool = True) -> None:
        """`shared_storage` False: the workers' directories, and the checkpoints in them, go with the workers."""
        self.shared_storage = shared_storage
        self.now = 0.0
        self.job = JobObject(TrainingJob(metadata=ObjectMeta(name=JOB, uid="uid"), spec=spec))
        self.children: dict[str, Process] = {}
        self.group: Group | None = None
        self.checkpoints: dict[int, int] = {}
        """Committed steps, with the attempt that wrote each."""
        self.spent = 0.0
        """All joules of all children that ever were."""
        self.causes: dict[int, frozenset[str]] = {}
        """What really befell each attempt: program, disruption, slow, suspension, and replaced where a worker was lost
        and created again before the operator saw that the group had met."""
        self.uids = 0
        self.ahead = 0

    def copy(self) -> World:
        """Another world in the same state."""
        other = World.__new__(World)
        for name in World.__slots__:
            setattr(other, name, getattr(self, name))
        other.children, other.checkpoints, other.causes = dict(self.children), dict(self.checkpoints), dict(self.causes)
        return other

    # --- What a client of the API server does ------------------------------------------------------------------
    def write_status(self, status: TrainingJobStatus, version: int) -> bool:
        """Store the status unless the job has changed since `version`. Whether it was stored."""
        if version != self.job.version:
            return False
        self.job = self.job._replace(status=status, version=version + 1)
        return True

    def suspend(self) -> None:
        """The user has the job stopped."""
        self._edit_suspend(True)

    def resume(self) -> None:
        """The user lets the job go on."""
        self._edit_suspend(False)

    def _edit_suspend(self, suspend: bool) -> None:
        self.blame(self.job.status.attempt, "suspension")
        old = self.job.job
        metadata = old.metadata.model_copy(update={"generation": old.metadata.generation + 1})
        spec = old.spec.model_copy(update={"suspend": suspend})
        job = old.model_copy(update={"metadata": metadata, "spec": spec})
        self.job = self.job._replace(job=job, version=self.job.version + 1)

    def create(self, wanted: CreateChild) -> None:
        """Create a child unless its name is taken, which is harmless."""
        if wanted.name in self.children or self.job.deleted:
            return
        self.uids += 1
        child = Child(wanted.name, f"uid-{self.uids}", wanted.role, wanted.attempt, wanted.rank, "Pending")
        self.children[wanted.name] = Process(child, wanted.restarts_left)

    def delete(self, name: str, uid: str, force: bool) -> None:
        """Ask a child to end. One that never ran or has ended, or whose end is not waited for, is gone at once."""
        process = self.children.get(name)
        if process is None or process.child.uid != uid:
            return
        if process.child.phase != "Running" or force:
            del self.children[name]
            self._tear(process, _PEER_LOST)
        elif process.terminating_since is None:
            self._put(process._replace(terminating_since=self.now))

    # --- What children do --------------------------------------------------------------------------------------
    def start(self, name: str) -> None:
        """A pending child starts, and its supervisor answers."""
        process = self.children[name]
        self._use(process._replace(child=replace(process.child, phase="Running", ready=True)))
        attempt = process.child.attempt
        members = self.workers(attempt)
        whole = len(members) == self.job.spec.workers.replicas and all(p.child.phase == "Running" for p in members)
        if self.has_group(attempt):
            self.blame(attempt, "replaced")
        if process.child.role == "worker" and whole:
            if not self.shared_storage and not self.has_group(attempt):
                self.checkpoints = {}
            self.group = Group(attempt, self.newest_checkpoint)

    def advance(self) -> None:
        """The group trains a step; the first report after a start is that it trains at all."""
        group = self._group()
        self.group = group._replace(step=group.step + 1) if group.training else group._replace(training=True)
        for process in self.workers(group.attempt):
            self._use(process)

    def checkpoint(self) -> None:
        """The group commits a checkpoint of its step."""
        group = self._group()
        self.checkpoints[group.step] = group.attempt
        self.group = group._replace(
            checkpoint_step=group.step, checkpoint_joules=self.group_joules("worker", group.attempt), failures=0
        )

    def finish(self, name: str) -> None:
        """A worker whose group is through, or the preparation, ends well."""
        process = self.children[name]
        test = Metrics(step=self.total_steps, loss=0.25, accuracy=0.9) if process.child.rank == 0 else None
        uri = "file:model" if process.child.role == "worker" else ""
        word = LastWord(reasons.EXIT_OK, step=self.total_steps, energy=meters(process.joules), test=test, model_uri=uri)
        self._put(process._replace(child=replace(process.child, phase="Succeeded", ready=False, last_word=word)))

    def crash(self, name: str, exit_code: int) -> None:
        """A rank dies. The group restarts in place while it may, else the worker and then its peers fail."""
        process = self.children[name]
        child, group = process.child, self._group_of(process)
        meaning = reasons.meaning_of_exit(exit_code)
        step = group.step if group is not None else 0
        failure = Failure(meaning.reason, exit_code, child.rank, "node", f"exit {exit_code}", step)
        if group is not None and not meaning.permanent and group.failures < process.budget and self._is_whole(group):
            self._restart_in_place(group, failure)
        else:
            self.blame(child.attempt, "program")
            self._end(process, LastWord(exit_code, failure, step=failure.step, energy=meters(process.joules)))
            self._tear(process, failure)

    def fail_with_peer(self, name: str) -> None:
        """A worker of a torn group gives up; its last word names the cause that its coordinator knew."""
        process = self.children[name]
        step = process.peer_lost.step if process.peer_lost else 0
        word = LastWord(reasons.EXIT_PEER_LOST, process.peer_lost, step=step, energy=meters(process.joules))
        self._end(process, word)

    def evict(self, name: str) -> None:
        """The node throws a child out: it ends at once and stays to be seen."""
        process = self.children[name]
        self.blame(process.child.attempt, "disruption")
        failure = Failure(reasons.WORKER_LOST, rank=process.child.rank, last_line="evicted")
        self._end(process, LastWord(137, failure, disruption=True, energy=meters(process.joules)))
        self._tear(process, _PEER_LOST)

    def remove(self, name: str) -> None:
        """Somebody else deletes a child."""
        process = self.children[name]
        self.blame(process.child.attempt, "disruption")
        self.delete(name, process.child.uid, force=False)

    def lose_node(self, name: str) -> None:
        """The node of a child dies: the child is asked to end, and never does."""
        process = self.children[name]
        self.blame(process.child.attempt, "disruption")
        self._put(process._replace(terminating_since=self.now, node_lost=True))
        self._tear(process, _PEER_LOST)

    def stop(self, name: str) -> None:
        """A child that was asked to end has saved and ended; the end of one worker tears its group."""
        process = self.children[name]
        word = LastWord(reasons.EXIT_PREEMPTED, disruption=True, energy=meters(process.joules))
        self._end(process, word)
        self._tear(process, _PEER_LOST)

    def vanish(self, name: str) -> None:
        """A child that was asked to end and has ended is gone."""
        del self.children[name]

    def answer(self, name: str) -> None:
        """A supervisor answers again."""
        self._put_ready(name, True)

    def silence(self, name: str) -> None:
        """A supervisor answers no more, though its processes run."""
        self._put_ready(name, False)

    def hang(self) -> None:
        """The ranks wait for each other for ever."""
        group = self._group()
        self.blame(group.attempt, "slow")
        self.group = group._replace(hung=True)

    def wait(self, seconds: float) -> None:
        """Time passes, and where a group is, it was slow."""
        self.now += seconds
        if self.group is not None:
            self.blame(self.group.attempt, "slow")

    def get_stuck(self, name: str) -> None:
        """No node ever has room for this child."""
        process = self.children[name]
        self._put(process._replace(stuck=True, child=replace(process.child, message="no node has room")))

    # --- What is to be known -----------------------------------------------------------------------------------
    @property
    def total_steps(self) -> int:
        """Steps that the job asks for."""
        training = self.job.spec.training
        return training.max_steps or 0 if training is not None else 0

    @property
    def newest_checkpoint(self) -> int:
        """Step that a new start goes on from."""
        return max(self.checkpoints, default=0)

    def workers(self, attempt: int) -> list[Process]:
        """The workers of an attempt that exist."""
        return [p for p in self.children.values() if p.child.role == "worker" and p.child.attempt == attempt]

    def has_group(self, attempt: int) -> bool:
        """Whether the workers of that attempt have met."""
        return self.group is not None and self.group.attempt == attempt

    def can_train(self) -> bool:
        """Whether all ranks of the group are there and none has been asked to end or is about to."""
        return self.group is not None and not self.group.hung and self._is_whole(self.group)

    def _is_whole(self, group: Group) -> bool:
        workers = self.workers(group.attempt)
        return len(workers) == self.job.spec.workers.replicas and all(
            p.child.phase == "Running" and p.terminating_since is None and p.peer_lost is None for p in workers
        )

    def group_joules(self, role: str, attempt: int) -> float:
        """What the members that exist have used."""
        return sum(p.joules for p in self.children.values() if (p.child.role, p.child.attempt) == (role, attempt))

    def report(self) -> Report | None:
        """What the supervisor of worker 0, or of the preparation, says to whoever asks. None: nobody answers."""
        process = next((p for p in self.children.values() if p.child.ready and p.child.rank == 0), None)
        if process is None:
            return None
        role, attempt = process.child.role, process.child.attempt
        energy = meters(self.group_joules(role, attempt))
        group = self.group if role == "worker" and self.has_group(attempt) else None
        if group is None:
            return Report(role, attempt, 0.0, phase="starting", energy=energy, watts=1.0)
        return Report(
            role, attempt, 0.0, group.generation, "training" if group.training else "starting", group.step,
            total_steps=self.total_steps, samples=group.step, energy=energy, watts=1.0,
            checkpoint_step=group.checkpoint_step, checkpoint_joules=group.checkpoint_joules, restarts=group.restarts,
        )  # fmt: skip

    def blame(self, attempt: int, cause: str) -> None:
        """Remember what befell an attempt."""
        self.causes[attempt] = self.causes.get(attempt, frozenset()) | {cause}

    # --- How it is done ----------------------------------------------------------------------------------------
    def _put(self, process: Process) -> None:
        self.children[process.child.name] = process

    def _put_ready(self, name: str, ready: bool) -> None:
        process = self.children[name]
        self._put(process._replace(child=replace(process.child, ready=ready)))

    def _use(self, process: Process) -> None:
        self.spent += STEP_JOULES
        self._put(process._replace(joules=process.joules + STEP_JOULES))

    def _group(self) -> Group:
        assert self.group is not None
        return self.group

    def _group_of(self, process: Process) -> Group | None:
        met = process.child.role == "worker" and self.has_group(process.child.attempt)
        return self.group if met else None

    def _end(self, process: Process, word: LastWord) -> None:
        child = replace(process.child, phase="Failed", ready=False, last_word=word)
        self._put(process._replace(child=child, peer_lost=None))

    def _tear(self, gone: Process, cause: Failure) -> None:
        """A worker of a group is gone: the others notice."""
        if self._group_of(gone) is None or gone.child.phase == "Succeeded":
            return
        for peer in self.workers(gone.child.attempt):
            if peer.child.phase == "Running" and peer.child.name != gone.child.name and peer.peer_lost is None:
                self._put(peer._replace(peer_lost=cause))

    def _restart_in_place(self, group: Group, failure: Failure) -> None:
        lost = self.group_joules("worker", group.attempt) - group.checkpoint_joules
        restart = InPlaceRestart(moment(self.now), group.generation, failure, self.newest_checkpoint, lost)
        self.group = group._replace(
            generation=group.generation + 1, step=self.newest_checkpoint, training=False, hung=False,
            restarts=(*group.restarts, restart), failures=group.failures + 1,
        )  # fmt: skip
