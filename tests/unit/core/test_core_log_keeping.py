"""What the status keeps of logs whose pods go: the last lines of who decided the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from wattrain_operator.core.observed import TerminationMessage
from wattrain_operator.core.roles import Role

Scene = Callable[..., Any]


def end(scene: Any, worker: int, *lines: str, exit_code: int = 0, **failure: Any) -> None:
    """A worker ends, having written these lines last."""
    if exit_code:
        scene.fail(worker, exit_code, **failure)
    else:
        scene.add(worker, phase="Succeeded", ready=False, termination=TerminationMessage(0))
    name = next(name for name, child in scene.children.items() if child.worker == worker and child.role == Role.WORKER)
    child = scene.children[name]
    scene.children[name] = replace(child, termination=replace(child.termination, last_lines=lines))


def test_of_a_complete_job_worker_0s_lines_are_kept_when_its_pods_are_gone(scene: Scene) -> None:
    job = scene().run()
    end(job, 1, "one")
    end(job, 0, "almost", "done")
    job.settle()
    assert (job.status.state, job.children) == ("Complete", {})
    assert job.status.last_lines == ("almost", "done")


def test_of_a_failed_job_those_of_the_worker_that_failed_by_itself(scene: Scene) -> None:
    job = scene(maxRestarts=0).run()
    end(job, 0, "a peer is gone", exit_code=75)
    child = next(child for child in job.children.values() if child.worker == 0)
    blamed = replace(child.termination, failure=replace(child.termination.failure, worker=1))
    job.children[child.name] = replace(child, termination=blamed)
    end(job, 1, "Traceback", "ValueError: boom", exit_code=1)
    job.settle()
    assert (job.status.state, job.status.last_lines) == ("Failed", ("Traceback", "ValueError: boom"))


def test_a_restart_keeps_the_lines_of_the_attempt_that_ended_until_the_next_one_ends(scene: Scene) -> None:
    job = scene().run()
    end(job, 1, "first", exit_code=1)
    job.settle()
    assert (job.status.attempt, job.status.last_lines) == (2, ("first",))
    job.seconds += 60
    job.run()
    assert job.status.last_lines == ("first",)
    for worker in range(2):
        end(job, worker, f"second of {worker}")
    job.settle()
    assert job.status.last_lines == ("second of 0",)


def test_nothing_known_is_nothing_kept(scene: Scene) -> None:
    job = scene().run()
    for worker in range(2):
        end(job, worker)
    job.settle()
    assert (job.status.state, job.status.last_lines) == ("Complete", ())
