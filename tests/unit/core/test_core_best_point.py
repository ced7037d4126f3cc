"""A job with an objective tries numbers of threads, chooses by what its group says, and stays until that changes."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from wattrain_api.contract.directive import Directive
from wattrain_api.contract.failures import Failure
from wattrain_api.status import Meter, TrainingJobStatus
from wattrain_operator.core.observed import ChildEnergy, InPlaceRestart, ShedGrant
from wattrain_operator.core.point_choice import points_to_try
from wattrain_operator.simulated.objects import moment

Scene = Callable[..., Any]
SPEED = {1: 400.0, 2: 800.0, 4: 1000.0}
"""Samples per second by threads."""
WATTS = {1: 6.0, 2: 10.0, 4: 20.0}


class Group:
    """A job and the workers that obey it: each look is a second later, and each answer is of that second."""

    def __init__(self, scene: Scene, objective: str = "energy", **energy: Any) -> None:
        workers = {"replicas": 2, "resources": {"limits": {"cpu": "4"}}}
        self.job = scene(spec={"workers": workers, "energy": {"objective": objective, **energy}}).run()
        self.speed, self.threads = dict(SPEED), 4
        self.version = 0

    def look(self, *, seconds: float = 1.0, heard: bool = True, **report: Any) -> None:
        """Time goes by; where the operator has `heard` the group, it knows how that trains now."""
        self.job.seconds += seconds
        if heard:
            figures = {
                "threads": self.threads, "most_threads": 4, "training_watts": WATTS[self.threads],
                "training_watts_seconds": 5.0, "training_samples_per_second": self.speed[self.threads],
                "age_seconds": 0.0,
            }  # fmt: skip
            self.job.report = replace(self.job.report, **{**figures, **report})
        elif self.job.report is not None:
            self.job.report = replace(self.job.report, age_seconds=self.job.report.age_seconds + seconds)
        for asked in self.job.plan().directs:
            self.job.obey(asked)
            self.threads = asked.directive.threads or 4

    def looks(self, count: int, **how: Any) -> None:
        for _ in range(count):
            self.look(**how)

    def until_chosen(self, most: int = 100) -> int:
        """Seconds until it is."""
        for second in range(most):
            if self.best is not None and self.best.chosen_threads is not None:
                return second
            self.look()
        raise AssertionError(f"not chosen: {self.best}")

    @property
    def best(self) -> Any:
        return self.job.status.best_point

    @property
    def events(self) -> list[str]:
        return [event.message for event in self.job.events if event.reason == "BestPointChosen"]


@pytest.mark.parametrize(("objective", "energy", "threads"), [
    ("time", {}, 4), ("energy", {}, 2), ("weighted", {"energyWeight": 0.2}, 4), ("weighted", {"energyWeight": 0.5}, 2),
])  # fmt: skip
def test_all_are_tried_one_after_the_other_and_the_best_is_kept(
    scene: Scene, objective: str, energy: dict[str, Any], threads: int
) -> None:
    group = Group(scene, objective, **energy)
    assert group.until_chosen() <= 3 * 11
    assert [point.threads for point in group.best.points] == [4, 2, 1]
    assert [point.joules_per_sample for point in group.best.points] == [0.02, 0.0125, 0.015]
    assert (group.best.chosen_threads, group.best.threads, group.threads) == (threads, threads, threads)
    assert len(group.events) == 1


def test_the_choice_is_explained_with_all_figures_and_how_they_are_known(scene: Scene) -> None:
    group = Group(scene)
    group.until_chosen()
    assert group.events == [
        "its ranks train with 2 threads each: least energy of 3 tried; 2 threads: 0.0125 J a sample (modelled), 800 "
        "samples/s; 4 threads: 0.02 J a sample (modelled), 1,000 samples/s; 1 thread: 0.015 J a sample (modelled), 400 "
        "samples/s"
    ]
    assert group.job.exported("best_point_threads") == [2.0]
    assert group.job.exported("point_samples_per_second") == [1000.0, 800.0, 400.0]


@pytest.mark.parametrize(("sources", "known"), [
    (("rapl",), "measured"), (("rapl", "model"), "partly measured"), (("model",), "modelled"),
])  # fmt: skip
def test_a_point_says_whether_its_watts_were_measured(scene: Scene, sources: tuple[str, ...], known: str) -> None:
    group = Group(scene)
    meters = tuple(Meter(component="cpu", source=source, joules=5.0) for source in sources)
    for _ in range(40):
        group.look(energy=(ChildEnergy("uid of job-1-0", 0, meters),))
    assert {point.known for point in group.best.points} == {known}


def test_a_mean_counts_only_when_all_of_it_is_of_these_threads(scene: Scene) -> None:
    group = Group(scene)
    group.looks(2)
    assert group.best.since is not None
    group.looks(7)
    assert group.best.points == ()
    group.look()
    assert [point.threads for point in group.best.points] == [4]
    assert (group.best.threads, group.best.since) == (2, None)


def test_evaluations_and_old_answers_are_no_means_of_a_training(scene: Scene) -> None:
    group = Group(scene)
    group.looks(40, phase="evaluating")
    group.looks(5, age_seconds=60.0, phase="training")
    assert group.best.points == ()


def test_a_group_that_never_tells_a_mean_keeps_its_threads_and_says_why(scene: Scene) -> None:
    group = Group(scene)
    group.looks(3 * 130, training_watts=None)
    assert (group.best.chosen_threads, group.threads, group.best.points) == (4, 4, ())
    assert "could be measured" in group.events[0]


def test_one_thread_is_measured_all_the_same(scene: Scene) -> None:
    group = Group(scene)
    group.threads = 1
    group.looks(14, most_threads=1)
    assert (group.best.chosen_threads, len(group.best.points)) == (1, 1)


def test_lost_answers_change_nothing(scene: Scene) -> None:
    group = Group(scene)
    group.looks(5)
    before = group.best
    group.looks(30, heard=False)
    assert group.best == before
    group.job.report = None
    group.looks(5, heard=False)
    assert group.best == before


def test_what_is_chosen_is_left_only_after_a_minute_of_another_speed(scene: Scene) -> None:
    group = Group(scene)
    group.until_chosen()
    group.looks(20)
    group.speed[2] = 0.85 * 800
    group.looks(200)
    group.speed[2] = 0.7 * 800
    group.looks(50)
    group.speed[2] = 800.0
    group.looks(2)
    group.speed[2] = 0.7 * 800
    group.looks(59)
    assert (group.best.chosen_threads, len(group.events)) == (2, 1)
    group.looks(3)
    assert (group.best.chosen_threads, group.threads, group.best.points) == (None, 2, ())
    assert group.best.message.endswith("; the speed is 560 samples/s, and was 800")
    group.until_chosen()
    assert [point.threads for point in group.best.points] == [2, 4, 1]
    assert (group.best.chosen_threads, group.best.points[0].samples_per_second) == (1, 560.0)


def test_a_stop_says_the_threads_that_hold(scene: Scene) -> None:
    group = Group(scene)
    group.until_chosen()
    version = group.job.status.internal.directive_version
    group.job.spec = group.job.spec.model_copy(update={"suspend": True})
    assert [asked.directive for asked in group.job.plan().directs] == [
        Directive(version + 1, stop_at_step=0, threads=2)
    ]


def test_the_next_group_is_told_them_before_it_trains(scene: Scene) -> None:
    group = Group(scene)
    group.until_chosen()
    job = group.job
    job.fail(0, 1)
    job.settle()
    job.seconds += 5
    job.settle()
    assert job.status.attempt == 2
    job.run()
    assert job.children["job-2-0"].directive.threads == 2
    assert job.status.best_point.chosen_threads == 2
    group.threads = 4
    group.look()
    assert group.best.since is None


def test_a_restart_that_is_seen_only_when_the_ranks_train_again_begins_the_time_anew(scene: Scene) -> None:
    group = Group(scene)
    group.looks(7)
    since = group.best.since
    restart = InPlaceRestart(moment(group.job.seconds), 0, Failure("RankFailed", 1))
    group.look(generation=1, restarts=(restart,))
    assert group.job.status.restart_count == 1
    assert group.best.since > since
    group.looks(5)
    assert group.best.points == ()


def test_nothing_is_measured_while_the_domain_has_the_ranks_pause(scene: Scene) -> None:
    group = Group(scene)
    group.job.spec = group.job.spec.model_copy(
        update={"energy": group.job.spec.energy.model_copy(update={"flexibility": "throttle"})}
    )
    group.looks(3)
    group.job.grant = replace(group.job.grant, shed=ShedGrant(4.0, "power domain rack sheds power"))
    group.looks(40)
    assert (group.best.points, group.best.since) == ((), None)
    group.job.grant = replace(group.job.grant, shed=None)
    assert group.until_chosen() > 0


def test_a_persons_directive_that_takes_the_threads_back_is_answered(scene: Scene) -> None:
    group = Group(scene)
    group.until_chosen()
    version = group.job.status.internal.directive_version
    group.job.add(0, directive=Directive(version + 5, checkpoint=True))
    [asked] = group.job.plan().directs
    assert asked.directive == Directive(version + 6, threads=2)


@pytest.mark.parametrize("seed", range(12))
def test_whatever_is_lost_the_search_ends_and_no_point_is_left_without_a_reason(scene: Scene, seed: int) -> None:
    """Answers are lost, the operator dies before a write, or after it and before the directive, ranks start anew."""
    chance, group = random.Random(seed), Group(scene)
    chosen: list[int] = []
    for _ in range(400):
        group.job.status = TrainingJobStatus.from_json_object(group.job.status.to_json_object())  # another operator
        before, dies = group.job.status, chance.random()
        if dies < 0.1:
            children, report, threads = dict(group.job.children), group.job.report, group.threads
            group.look()
            group.job.children, group.job.report, group.threads = children, report, threads
            group.job.status = before if dies < 0.05 else group.job.status
        elif dies < 0.13:
            group.threads = 4  # the ranks start anew, and have not agreed yet
            group.look(phase="starting", training_watts=None)
            group.threads = group.best.threads if group.best else 4
        else:
            group.look(heard=chance.random() > 0.3, phase="training")
        if group.best is not None and group.best.chosen_threads is not None:
            chosen.append(group.best.chosen_threads)
    assert len(chosen) > 100
    assert set(chosen) == {2}
    assert [point.threads for point in group.best.points] == list(points_to_try(4, 4))
    assert {point.threads: point.samples_per_second for point in group.best.points} == SPEED
