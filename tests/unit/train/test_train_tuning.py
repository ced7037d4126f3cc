"""`training.auto`: ways of computing are timed on copies, one is chosen, said, and remembered."""

from __future__ import annotations

import functools
import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from wattrain_api.names import FILE_MANIFEST
from wattrain_api.recipe_parameters import RecipeParameters
from wattrain_api.training import Training
from wattrain_worker.data.prepared_data import Shard
from wattrain_worker.train import tuning_trials
from wattrain_worker.train.manifest import CheckpointName, Progress, read_manifest, write_manifest
from wattrain_worker.train.recipes import find_recipe
from wattrain_worker.train.restore import remembered_tuning
from wattrain_worker.train.strategies.data_parallel import DataParallel
from wattrain_worker.train.task import Rows, Task
from wattrain_worker.train.tuning import Tuning
from wattrain_worker.train.tuning_trials import Trials, _Timed, still_possible

CPU = torch.device("cpu")
EVERYTHING = ("compile", "fused", "channelsLast")
ALONE: Any = SimpleNamespace(rank=0, size=1, device=CPU, sum=lambda values: values)


def trials(total_steps: int = 10**6, **training: Any) -> Trials:
    random = np.random.default_rng(0)
    shard = Shard.of_table(random.normal(size=(40, 6)).astype(np.float32), random.integers(0, 3, 40))
    settings = Training(**{"epochs": 1, "batch_size": 10, **training})
    recipe = find_recipe("mlp", "classification")
    make_batch = functools.partial(recipe.make_batch, parameters=RecipeParameters())
    model = nn.Sequential(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Linear(5, 3))
    task = Task(model, recipe, settings, Rows(shard, CPU, make_batch, 0), outputs=3)
    return Trials(ALONE, task, DataParallel, total_steps)


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> list[Tuning]:
    """Steps cost what is written here: what was timed, in order."""
    asked: list[Tuning] = []

    def times(_: Trials, *ways: Tuning) -> list[_Timed]:
        asked.extend(ways)
        return [time_of(tuning) for tuning in ways]

    def time_of(tuning: Tuning) -> _Timed:
        step = 0.010 * (0.5 if tuning.compile else 1) * (0.97 if tuning.channels_last else 1)
        return _Timed(step * (1 if tuning.fused else 3), 60.0 if tuning.compile else 0.1)

    monkeypatch.setattr(Trials, "_timed", times)
    monkeypatch.setattr(Trials, "_compiles", lambda _: True)
    monkeypatch.setattr(tuning_trials, "check_compiler", lambda _: None)
    return asked


def test_the_faster_way_is_kept_and_a_gain_within_chance_is_none(timed: list[Tuning]) -> None:
    chosen = trials(auto=EVERYTHING).choose()
    assert (chosen.compile, chosen.fused, chosen.channels_last) == (True, True, False)
    assert chosen.told == (
        "channelsLast off: 10 ms a step, 9.7 with channelsLast on; fused on: 10 ms a step, 30 with fused off; "
        "compile on: 5 ms a step, 10 with compile off"
    )


def test_compiling_that_the_training_does_not_repay_is_off(timed: list[Tuning]) -> None:
    assert not trials(7_000, auto=("compile",)).choose().compile
    assert [way.compile for way in timed] == [False, False, True]
    short = trials(100, auto=("compile",)).choose()
    assert not short.compile
    assert short.told == (
        "compile off: not tried, for all steps take 1 s without, and compiling takes longer than it could save"
    )


def test_without_a_compiler_it_is_off_with_a_sentence(timed: list[Tuning], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CXX", "absent")
    chosen = trials(auto=("compile",)).choose()
    assert not chosen.compile
    assert chosen.told == "compile off: there is no compiler in the image or on the machine"
    back = still_possible(Tuning(compile=True), ALONE, nn.Linear(1, 1))
    assert not back.compile
    assert "no compiler" in back.told


def test_deterministic_training_measures_nothing(timed: list[Tuning]) -> None:
    chosen = trials(auto=EVERYTHING, deterministic=True).choose()
    assert (chosen.compile, chosen.fused, chosen.channels_last) == (False, True, False)
    assert "must not round otherwise" in chosen.told
    assert not timed


def test_real_trials_leave_model_and_buffers_as_they_were() -> None:
    made = trials(auto=("fused", "channelsLast"))
    before = {name: value.clone() for name, value in made._task.model.state_dict().items()}
    assert "fused o" in made.choose().told
    assert all(torch.equal(value, before[name]) for name, value in made._task.model.state_dict().items())
    assert all(parameter.grad is None for parameter in made._task.model.parameters())


def test_a_machine_that_gets_slower_meanwhile_slows_down_both_ways_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    made, steps = trials(auto=("fused",)), iter(range(1, 10**6))
    monkeypatch.setattr(made, "_step_on_a_copy", lambda tuning: lambda: 1 + 0.1 * next(steps))
    kept, tried = made._timed(Tuning(), Tuning(fused=False))
    assert tried.step_seconds == pytest.approx(kept.step_seconds, rel=0.1)
    assert made.choose().fused


def test_steps_of_seconds_are_told_without_powers_of_ten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trials, "_timed", lambda _, *ways: [_Timed(1.55 + n, 0.1) for n in range(len(ways))])
    assert trials(auto=("fused",)).choose().told == "fused on: 1,550 ms a step, 2,550 with fused off"


def test_a_model_that_cannot_be_compiled_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: object) -> object:
        raise RuntimeError("no such kernel\nat length")

    monkeypatch.setattr(torch, "compile", fails)
    assert not trials()._compiles()


@pytest.mark.parametrize("failing", [0, 1])
def test_a_model_that_one_rank_cannot_compile_is_compiled_on_none(
    failing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = trials()
    monkeypatch.setattr(torch, "compile", lambda module: module)
    assert here._compiles()
    monkeypatch.setattr(here, "_of_all", lambda failed: [float(rank == failing) for rank in range(2)])
    assert not here._compiles()


def test_a_checkpoint_remembers_the_choice(tmp_path: Any) -> None:
    assert remembered_tuning(tmp_path) is None
    name, chosen = CheckpointName(1, 0, 5), Tuning(compile=True, fused=False, told="why")
    (tmp_path / str(name)).mkdir()
    write_manifest(tmp_path / str(name), name, Progress(step=5, tuning=chosen), 1, "hash")
    assert remembered_tuning(tmp_path) == chosen
    assert read_manifest(tmp_path / str(name))[0].tuning == chosen
    manifest = tmp_path / str(name) / FILE_MANIFEST
    older = {key: value for key, value in json.loads(manifest.read_bytes()).items() if key != "tuning"}
    manifest.write_text(json.dumps(older))
    assert remembered_tuning(tmp_path) is None
    assert read_manifest(tmp_path / str(name))[0].tuning == Tuning()
