"""What the supervisors of the simulated world say."""

from __future__ import annotations

from wattrain_operator.core.observed import ChildEnergy, Report
from wattrain_operator.core.roles import Role
from wattrain_operator.simulated.objects import meters, spent
from wattrain_operator.simulated.simulated_threads import figures
from wattrain_operator.simulated.world import World
from wattrain_operator.workers.speaker import speaker_of


def report_of(world: World) -> Report | None:
    """What the supervisor that speaks for the group says to whoever asks. None: nobody answers."""
    truth = world.group, tuple(id(p) for p in world.children.values())
    return world.kept.report(truth, lambda: _report(world))


def _report(world: World) -> Report | None:
    speaker = speaker_of(p.child for p in world.children.values())
    if speaker is None or not speaker.ready:
        return None
    role, attempt = speaker.role, speaker.attempt
    members = world.members(role, attempt)
    energy = tuple(
        ChildEnergy(
            p.child.uid, p.child.worker, meters(p.joules), spent(p.joules) if p.child.uid == speaker.uid else ()
        )
        for p in members
    )  # fmt: skip
    group = world.group if role == Role.WORKER and world.has_group(attempt) else None
    if group is None:
        return Report(role, attempt, 0.0, phase="starting", energy=energy, watts=1.0)
    return Report(
        role, attempt, 0.0, group.generation, "training" if group.training else "starting", group.step,
        total_steps=world.total_steps, samples=group.step, energy=energy, watts=1.0,
        checkpoint_step=group.checkpoint_step, checkpoint_joules=group.checkpoint_joules, restarts=group.restarts,
        directive_version=group.directive_version, steps_done=group.steps_done, **figures(group),
    )  # fmt: skip
