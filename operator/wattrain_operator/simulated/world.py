"""The truth: one job, its children and what they do, in virtual seconds. No clock, no I/O, no chance."""

from __future__ import annotations

from dataclasses import replace

from wattrain_api import reasons
from wattrain_api.contract.directive import Directive
from wattrain_api.contract.failures import Failure
from wattrain_api.status import Metrics, TrainingJobStatus
from wattrain_api.trainingjob import ObjectMeta, TrainingJob, TrainingJobSpec
from wattrain_operator.core.observed import Child, CreateChild, InPlaceRestart, TerminationMessage
from wattrain_operator.core.roles import Role
from wattrain_operator.simulated.kept import Kept
from wattrain_operator.simulated.objects import METADATA, STEP_JOULES, Group, JobObject, Process, meters, moment
from wattrain_operator.simulated.simulated_threads import MOST_THREADS, with_means, with_threads

_PEER_LOST = Failure(reasons.PEER_LOST, reasons.EXIT_PEER_LOST)


class World:
    """What is the case. Methods are what the API server, the kubelet and the workers do; each says when it can be."""

    __slots__ = (
        "causes", "checkpoints", "children", "failed_tries", "group", "job", "kept", "notified", "now",
        "room", "shared_storage", "spent", "steps_done", "uids",
    )  # fmt: skip

    def __init__(self, spec: TrainingJobSpec, *, shared_storage: bool = True, metadata: ObjectMeta = METADATA) -> None:
        """`shared_storage` False: the workers' directories, and the checkpoints in them, go with the workers."""
        self.shared_storage = shared_storage
        self.kept = Kept()
        self.now = 0.0
        self.job = JobObject(TrainingJob(metadata=metadata, spec=spec))
        self.children: dict[str, Process] = {}
        self.group: Group | None = None
        self.checkpoints: dict[int, int] = {}
        """Committed steps, with the attempt that wrote each."""
        self.spent = 0.0
        """All joules of all children that ever were."""
        self.steps_done = 0
        """All steps that were ever made."""
        self.causes: dict[int, frozenset[str]] = {}
        """What really befell each attempt: program, disruption, slow, suspension, and replaced where a worker was lost
        and created again before the operator saw that the group had met."""
        self.uids = 0
        self.notified: frozenset[str] = frozenset()
        """Conditions that the receiver of notifications has been told of."""
        self.failed_tries = 0
        """How many tries to tell it were known to have failed."""
        self.room: int | None = None
        """How many children a quota allows at once; None: there is no quota."""

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
        self._edit("suspend", {"suspend": True})

    def resume(self) -> None:
        """The user lets the job go on."""
        self._edit("resume", {"suspend": False})

    def raise_budget(self) -> None:
        """The user allows the job twice the energy."""
        energy = self.job.spec.energy
        assert energy.budget is not None
        budget = energy.budget.model_copy(update={"energy_kwh": 2 * (energy.budget.energy_kwh or 0.0)})
        self._edit("raise the budget", {"energy": energy.model_copy(update={"budget": budget})})

    def delete_job(self) -> None:
        """The user deletes the job, and its children are asked to end."""
        self.job = self.job._replace(deleted=True, version=self.job.version + 1)
        for process in list(self.children.values()):
            self.delete(process.child.name, process.child.uid, force=False)

    def _edit(self, what: str, changes: dict[str, object]) -> None:
        self.blame(self.job.status.attempt, "suspension")
        old = self.job.job
        job = self.kept.edited(old, what, lambda: _edited(old, changes))
        self.job = self.job._replace(job=job, version=self.job.version + 1)

    def create(self, wanted: CreateChild) -> bool:
        """Create a child unless its name is taken, which is harmless. False: the quota refuses it."""
        if wanted.name in self.children or self.job.deleted:
            return True
        if self.room is not None and len(self.children) >= self.room:
            return False
        self.uids += 1
        child = Child(wanted.name, f"uid-{self.uids}", wanted.role, wanted.attempt, wanted.worker, "Pending")
        self._put(Process(child, wanted.restarts_left))
        return True

    def limit(self, room: int) -> None:
        """A quota allows no more than `room` children at once from now on."""
        self.room = room

    def lift(self) -> None:
        """The quota goes."""
        self.room = None

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

    def direct(self, name: str, uid: str, directive: Directive) -> None:
        """Give a child a directive, unless it has a newer one."""
        process = self.children.get(name)
        if process is not None and process.child.uid == uid and process.child.directive_version < directive.version:
            self._put(process._replace(child=replace(process.child, directive=directive)))

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
        if process.child.role == Role.WORKER and whole:
            if not self.shared_storage and not self.has_group(attempt):
                self.checkpoints = {}
            self.group = Group(attempt, self.newest_checkpoint)

    def advance(self) -> None:
        """The group trains a step; the first report after a start is that it trains at all."""
        group = self._group()
        if group.training:
            self.group = group._replace(step=group.step + 1, steps_done=group.steps_done + 1)
            self.steps_done += 1
        else:
            self.group = self._with_threads(group)._replace(training=True)
        for process in self.workers(group.attempt):
            self._use(process)

    def checkpoint(self) -> None:
        """The group commits a checkpoint of its step."""
        group = self._group()
        self.checkpoints[group.step] = group.attempt
        self.group = group._replace(
            checkpoint_step=group.step, checkpoint_joules=self.group_joules(Role.WORKER, group.attempt), failures=0
        )

    def obey(self) -> None:
        """The group takes the newest directive: it saves a checkpoint if it has trained, and then stops if asked to."""
        directive = self.new_directive()
        assert directive is not None
        group = self._group()
        if group.training and self.newest_checkpoint < group.step:
            self.checkpoint()
        stops = directive.stop_at_step is not None and directive.stop_at_step <= group.step
        self.group = self._with_threads(self._group()._replace(directive_version=directive.version, stops=stops))

    def finish(self, name: str) -> None:
        """A worker whose group is through, or the preparation, ends well."""
        process = self.children[name]
        test = Metrics(step=self.total_steps, loss=0.25, accuracy=0.9) if process.child.worker == 0 else None
        uri = "file:model" if process.child.role == Role.WORKER else ""
        left = TerminationMessage(
            reasons.EXIT_OK, step=self.total_steps, energy=meters(process.joules), test=test, model_uri=uri
        )
        self._put(process._replace(child=replace(process.child, phase="Succeeded", ready=False, termination=left)))

    def crash(self, name: str, exit_code: int) -> None:
        """A rank dies. The group restarts in place while it may, else the worker and then its peers fail."""
        process = self.children[name]
        child, group = process.child, self._group_of(process)
        meaning = reasons.meaning_of_exit(exit_code)
        step = group.step if group is not None else 0
        failure = Failure(
            meaning.reason, exit_code, worker=child.worker, node="node", last_line=f"exit {exit_code}", step=step
        )
        in_place = not meaning.permanent and exit_code != reasons.EXIT_PREEMPTED  # a group ends with who stops first
        if group is not None and in_place and group.failures < process.budget and self._is_whole(group):
            self._restart_in_place(group, failure)
        else:
            self.blame(child.attempt, "program")
            self._end(process, TerminationMessage(exit_code, failure, step=failure.step, energy=meters(process.joules)))
            self._tear(process, failure)

    def fail_with_peer(self, name: str) -> None:
        """A worker of a torn group gives up; its termination message names the cause that its coordinator knew."""
        process = self.children[name]
        if process.peer_lost is not None and process.peer_lost.exit_code == reasons.EXIT_PREEMPTED:
            self._end(process, TerminationMessage(reasons.EXIT_PREEMPTED, energy=meters(process.joules)))
            return
        step = process.peer_lost.step if process.peer_lost else 0
        left = TerminationMessage(reasons.EXIT_PEER_LOST, process.peer_lost, step=step, energy=meters(process.joules))
        self._end(process, left)

    def evict(self, name: str) -> None:
        """The node throws a child out: it ends at once and stays to be seen."""
        process = self.children[name]
        self.blame(process.child.attempt, "disruption")
        failure = Failure(reasons.WORKER_LOST, worker=process.child.worker, last_line="evicted")
        self._end(process, TerminationMessage(137, failure, disruption=True, energy=meters(process.joules)))
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
        asked_to_end = process.terminating_since is not None  # else it has only been directed to stop
        left = TerminationMessage(reasons.EXIT_PREEMPTED, disruption=asked_to_end, energy=meters(process.joules))
        self._end(process, left)
        if not self.is_stopping(process):  # else all of them stop together
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

    def silence_for_ever(self, name: str) -> None:
        """A supervisor will never answer again, though its processes run."""
        self._put(self.children[name]._replace(mute=True))
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
            self.group = with_means(self.group, self.now)

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
        return self.members(Role.WORKER, attempt)

    def has_group(self, attempt: int) -> bool:
        """Whether the workers of that attempt have met."""
        return self.group is not None and self.group.attempt == attempt

    def can_train(self) -> bool:
        """Whether all ranks of the group are there and none has been asked to end or is about to."""
        return self.group is not None and not (self.group.hung or self.group.stops) and self._is_whole(self.group)

    def new_directive(self) -> Directive | None:
        """The directive that worker 0 of the group has been given and the group has not taken. None: there is none."""
        group = self.group
        first = None if group is None else next((p for p in self.workers(group.attempt) if p.child.worker == 0), None)
        directive = None if first is None else first.child.directive
        if group is None or directive is None or directive.version <= group.directive_version:
            return None
        return directive

    def is_stopping(self, process: Process) -> bool:
        """Whether it is a worker of a group that has saved and is about to end."""
        group = self._group_of(process)
        return group is not None and group.stops and not group.hung

    def members(self, role: str, attempt: int) -> list[Process]:
        """The children of a role and an attempt that exist."""
        return [p for p in self.children.values() if (p.child.role, p.child.attempt) == (role, attempt)]

    def _is_whole(self, group: Group) -> bool:
        workers = self.workers(group.attempt)
        return len(workers) == self.job.spec.workers.replicas and all(
            p.child.phase == "Running" and p.terminating_since is None and p.peer_lost is None for p in workers
        )

    def group_joules(self, role: str, attempt: int) -> float:
        """What the members that exist have used."""
        return sum(p.joules for p in self.members(role, attempt))

    def blame(self, attempt: int, cause: str) -> None:
        """Remember what befell an attempt."""
        self.causes[attempt] = self.causes.get(attempt, frozenset()) | {cause}

    # --- How it is done ----------------------------------------------------------------------------------------
    def _put(self, process: Process) -> None:
        self.children[process.child.name] = self.kept.process(process)

    def _with_threads(self, group: Group) -> Group:
        """`group` with the threads that the directive wants that it has taken, where the job has an objective."""
        if self.job.spec.energy.objective is None:
            return group
        first = next((p.child for p in self.workers(group.attempt) if p.child.worker == 0), None)
        directive = None if first is None else first.directive
        taken = directive if directive is not None and directive.version <= group.directive_version else None
        return with_threads(group, (0 if taken is None else taken.threads) or MOST_THREADS, self.now)

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
        met = process.child.role == Role.WORKER and self.has_group(process.child.attempt)
        return self.group if met else None

    def _end(self, process: Process, left: TerminationMessage) -> None:
        child = replace(process.child, phase="Failed", ready=False, termination=left)
        self._put(process._replace(child=child, peer_lost=None))

    def _tear(self, gone: Process, cause: Failure) -> None:
        """A worker of a group is gone: the others notice."""
        if self._group_of(gone) is None or gone.child.phase == "Succeeded":
            return
        for peer in self.workers(gone.child.attempt):
            if peer.child.phase == "Running" and peer.child.name != gone.child.name and peer.peer_lost is None:
                self._put(peer._replace(peer_lost=cause))

    def _restart_in_place(self, group: Group, failure: Failure) -> None:
        lost = self.group_joules(Role.WORKER, group.attempt) - group.checkpoint_joules
        restart = InPlaceRestart(moment(self.now), group.generation, failure, self.newest_checkpoint, lost)
        self.group = group._replace(
            generation=group.generation + 1, step=self.newest_checkpoint, training=False, hung=False,
            restarts=(*group.restarts, restart), failures=group.failures + 1,
        )  # fmt: skip


def _edited(job: TrainingJob, changes: dict[str, object]) -> TrainingJob:
    metadata = job.metadata.model_copy(update={"generation": job.metadata.generation + 1})
    return job.model_copy(update={"metadata": metadata, "spec": job.spec.model_copy(update=changes)})
