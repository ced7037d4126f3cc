from __future__ import annotations

import hashlib
import json
import resource
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_worker.errors import StorageUnavailable
from wattrain_worker.train import checkpoint
from wattrain_worker.train.checkpoint import CheckpointWriter
from wattrain_worker.train.elastic_sampler import Position
from wattrain_worker.train.evaluation import Best, Patience
from wattrain_worker.train.manifest import CheckpointName, Fence, Progress, checkpoint_names, read_manifest, spec_sha256
from wattrain_worker.train.optimizers import make_optimizer
from wattrain_worker.train.restore import read_newest
from wattrain_worker.train.training_state import BEST, load_state, state_of, with_part

FENCE = Fence(attempt=1, generation=0, world_size=1, spec_hash="a")


def trained(optimizer_name: Any, steps: int, seed: int = 0) -> tuple[nn.Module, torch.optim.Optimizer]:
    from wattrain_api.training import Optimizer

    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    optimizer = make_optimizer(model, model.parameters(), Optimizer(name=optimizer_name, momentum=0.9))
    for _ in range(steps):
        train_once(model, optimizer)
    return model, optimizer


def train_once(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    torch.autograd.backward(model(torch.arange(6.0).reshape(2, 3)).square().sum())
    optimizer.step()


@pytest.mark.parametrize("optimizer_name", ["sgd", "adam", "adamw", "adafactor", "muon"])
@pytest.mark.parametrize("steps", [0, 3])
def test_a_restored_training_goes_on_with_the_same_bits(tmp_path: Path, optimizer_name: str, steps: int) -> None:
    model, optimizer = trained(optimizer_name, steps)
    progress = Progress(steps, Position(1, 40), Patience(0.25, 3), evaluated_step=1, best=Best(7, 0.25))
    writer = CheckpointWriter(tmp_path, 2, FENCE)
    writer.save(state_of(model, optimizer), progress, wait=True)
    writer.close()

    restored = read_newest(tmp_path, FENCE, print)
    assert restored is not None
    assert restored.progress == progress
    other_model, other_optimizer = trained(optimizer_name, 1, seed=5)
    load_state(restored.state, other_model, other_optimizer)
    train_once(model, optimizer)
    train_once(other_model, other_optimizer)
    expected, found = state_of(model, optimizer), state_of(other_model, other_optimizer)
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_a_checkpoint_that_does_not_say_when_it_was_evaluated_was_evaluated_before_it_was_saved(tmp_path: Path) -> None:
    model, optimizer = trained("sgd", 0)
    writer = CheckpointWriter(tmp_path, 2, FENCE)
    writer.save(state_of(model, optimizer), Progress(30), wait=True)
    writer.close()
    [manifest] = tmp_path.glob("*/manifest.json")
    document = json.loads(manifest.read_bytes())
    del document["evaluatedStep"]
    manifest.write_text(json.dumps(document))
    assert read_manifest(manifest.parent)[0].evaluated_step == 30


def test_what_is_not_part_of_the_state_any_more_is_not_saved_again(tmp_path: Path) -> None:
    model, optimizer = trained("adamw", 2)
    state = state_of(model, optimizer)
    writer = CheckpointWriter(tmp_path, 2, FENCE)
    writer.save(with_part(state, BEST, dict(model.state_dict())), Progress(2), wait=True)
    writer.save(state, Progress(3), wait=True)
    writer.close()
    restored = read_newest(tmp_path, FENCE, print)
    assert restored is not None
    assert restored.state.keys() == state.keys()


def test_a_background_save_holds_the_state_of_its_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained_on, write = threading.Event(), checkpoint._write_tensors
    monkeypatch.setattr(checkpoint, "_write_tensors", lambda *args: (trained_on.wait(30), write(*args)))
    model, optimizer = trained("adamw", 2)
    expected = {name: tensor.clone() for name, tensor in state_of(model, optimizer).items()}
    writer = CheckpointWriter(tmp_path, 2, FENCE)
    writer.save(state_of(model, optimizer), Progress(2), wait=False)
    train_once(model, optimizer)
    trained_on.set()
    writer.close()
    restored = read_newest(tmp_path, FENCE, print)
    assert restored is not None
    assert all(torch.equal(tensor, restored.state[name]) for name, tensor in expected.items())


def test_the_newest_are_kept_and_latest_names_the_last(tmp_path: Path) -> None:
    writer = CheckpointWriter(tmp_path, 2, FENCE)
    for step in (1, 2, 3, 4):
        writer.save({"model/x": torch.ones(2)}, Progress(step), wait=False)
    writer.close()
    assert [name.step for name in checkpoint_names(tmp_path)] == [4, 3]
    assert (tmp_path / "LATEST").read_text().strip() == "step-00000004.attempt-1.generation-0"


def save_and_wait(writer: CheckpointWriter, wait: bool) -> None:
    writer.save({"model/x": torch.ones(100_000)}, Progress(2), wait=wait)
    writer.wait()


@pytest.mark.parametrize("wait", [True, False])
def test_a_full_disk_is_told_and_leaves_no_checkpoint_behind(tmp_path: Path, wait: bool) -> None:
    first, writer = CheckpointWriter(tmp_path, 2, FENCE), CheckpointWriter(tmp_path, 2, FENCE)
    first.save({"model/x": torch.ones(10)}, Progress(1), wait=True)
    first.close()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))  # as a quota does: writing beyond it fails
    try:
        with pytest.raises(StorageUnavailable, match=r"step-00000002.*cannot be written: File too large; make room"):
            save_and_wait(writer, wait)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        writer.close()
    assert [path.name for path in tmp_path.glob("step-*")] == ["step-00000001.attempt-1.generation-0"]
    restored = read_newest(tmp_path, FENCE, print)
    assert restored is not None
    assert restored.progress.step == 1


def test_a_later_start_replaces_an_earlier_one_whatever_the_step(tmp_path: Path) -> None:
    for fence, step in ((FENCE, 8), (Fence(1, 1, 1, "a"), 5), (Fence(2, 0, 1, "a"), 3)):
        writer = CheckpointWriter(tmp_path, 5, fence)
        writer.save({"model/x": torch.ones(2)}, Progress(step), wait=True)
        writer.close()
    assert [name.step for name in checkpoint_names(tmp_path)] == [3, 5, 8]


def test_only_checkpoints_of_earlier_starts_are_removed_when_unfinished(tmp_path: Path) -> None:
    for directory in ("step-00000001.attempt-1.generation-0", "step-00000009.attempt-3.generation-0", "other"):
        (tmp_path / directory).mkdir()
    assert read_newest(tmp_path, Fence(2, 0, 1, "a"), print) is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "step-00000009.attempt-3.generation-0"]


def test_a_directory_name_is_read_back() -> None:
    name = CheckpointName(attempt=3, generation=2, step=123_456_789)
    assert CheckpointName.parse(str(name)) == name
    assert CheckpointName.parse("step-1.attempt-x.generation-0") is None


def test_the_manifest_lists_every_file_with_its_sum(tmp_path: Path) -> None:
    writer = CheckpointWriter(tmp_path, 2, FENCE)
    writer.save({"model/x": torch.ones(2)}, Progress(7, Position(2, 30)), wait=True)
    writer.close()
    directory = tmp_path / "step-00000007.attempt-1.generation-0"
    document = json.loads((directory / "manifest.json").read_bytes())
    assert set(document["files"]) == {path.name for path in directory.iterdir()} - {"manifest.json"}
    assert (document["position"], document["worldSize"]) == ({"epoch": 2, "offset": 30}, 1)
    assert read_manifest(directory) == (Progress(7, Position(2, 30)), "a")


def test_the_hash_of_a_spec_changes_with_what_is_computed_and_with_nothing_else() -> None:
    def spec_hash(**changes: Any) -> str:
        document: dict[str, Any] = {
            "recipe": {"name": "mlp"},
            "data": {"source": {"builtin": "digits"}},
            "training": {"epochs": 1, **changes.pop("training", {})},
        }
        return spec_sha256(TrainingJobSpec.model_validate({**document, **changes}))

    same = {spec_hash(), spec_hash(workers={"replicas": 3}), spec_hash(training={"recordEverySteps": 5})}
    assert len(same) == 1
    # Fields that have their default are not part of it: a version with more of them goes on from the same checkpoints.
    said = {"data": {"source": {"builtin": "digits"}}, "recipe": {"name": "mlp"}, "training": {"epochs": 1}}
    assert same == {hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()}
    assert spec_hash(training={"batchSize": 64, "nonFinite": "fail"}) in same
    assert spec_hash(training={"seed": 1}) not in same
    assert spec_hash(recipe={"name": "mlp", "params": {"dropout": 0.5}}) not in same
