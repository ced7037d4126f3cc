"""The life of a job in the simulated world, as the statuses that were written one after the other."""

from __future__ import annotations

from dataclasses import dataclass

from wattrain_api.status import TrainingJobStatus
from wattrain_api.trainingjob import ObjectMeta, TrainingJob
from wattrain_operator.simulated.explore import small_simulation
from wattrain_operator.simulated.faults import KILLED, Move
from wattrain_operator.simulated.objects import EPOCH
from wattrain_operator.simulated.simulated_operator import Setting
from wattrain_operator.simulated.simulation import Simulation

UID = "3f2b0c9e-8f5e-4f6b-9a43-0d7f0c5e1a2b"
SECONDS = 7
"""Between two moves of the workers."""


@dataclass(frozen=True)
class Life:
    """A job, and each status that was written with the one before it."""

    job: TrainingJob
    written: list[tuple[TrainingJobStatus, TrainingJobStatus]]


def life_of(*, kills: int = 0) -> Life:
    """A job of one worker that trains to its end; so many attempts before are ended by SIGKILL while they train."""
    metadata = ObjectMeta(name="job", namespace="team", uid=UID, creation_timestamp=EPOCH)
    spec = small_simulation(workers=1, max_restarts=kills).world.job.spec
    simulation = Simulation(spec, Setting(shared_storage=False, reads_own_writes=True), metadata=metadata)
    written, world = [], simulation.world
    while (move := simulation.fair_move()) is not None:
        before = world.job.status
        if move.name == "advance" and world.group is not None and world.group.training and kills:
            kills -= 1
            [worker] = world.workers(before.attempt)
            simulation.do(Move("crash", worker.child.name, KILLED))
        else:
            simulation.do(move)
        if world.job.status != before:
            written.append((before, world.job.status))
        if move.name in ("advance", "start", "answer"):
            simulation.do(Move("wait", code=SECONDS))
    return Life(world.job.job, written)
