"""The made data of the examples: written the same each time, and dealt so that the test has nothing of the training."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_worker.data.prepare import prepare
from wattrain_worker.data.prepared_data import Prepared, load_prepared

EXAMPLES = Path(__file__).parents[3] / "examples"


def made(script: str, file: Path) -> Path:
    spec = importlib.util.spec_from_file_location(script, EXAMPLES / "data" / f"{script}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.main(file)
    return file


def prepared(job: str, table: Path, split: dict[str, Any] | None = None) -> Prepared:
    """The data of an example's job, read from `table`; `split` in place of the job's."""
    spec = yaml.safe_load((EXAMPLES / f"{job}.yaml").read_text(encoding="utf-8"))["spec"]
    spec["data"]["source"] = {"uri": str(table)}
    spec["data"]["split"] = split or spec["data"]["split"]
    directory = table.parent / f"data-{len(list(table.parent.iterdir()))}"
    directory.mkdir()
    prepare(TrainingJobSpec.model_validate(spec), directory, claims_dir=table.parent)
    return load_prepared(directory)


def is_later(found: Prepared) -> bool:
    """Whether all of the test is later than validation, and that than the training. The first feature is the date."""
    assert found.columns[0] == "time"
    train, validation, test = (shard.features[:, 0] for shard in (found.train, found.validation, found.test))
    return bool(train.max() <= validation.min() and validation.max() <= test.min() and train.max() < test.min())


def test_the_example_of_traffic_trains_on_nothing_that_comes_later(tmp_path: Path) -> None:
    table = made("road_traffic", tmp_path / "road.csv")
    assert is_later(prepared("traffic", table))
    assert not is_later(prepared("traffic", table, {"method": "hash"}))  # such a leak would be seen


def test_the_example_of_manufacturing_is_tested_on_other_machines_and_failures_are_rare(tmp_path: Path) -> None:
    table = made("machine_sensors", tmp_path / "machines.csv")
    found = prepared("manufacturing", table)
    assert "spindle" not in found.columns
    assert [sum(map(len, (found.train, found.validation, found.test)))] == [12_000]
    assert all(len(shard) % 300 == 0 for shard in (found.train, found.validation, found.test))  # whole machines
    assert 0.02 < np.mean(found.test.labels == 1) < 0.06


@pytest.mark.parametrize("script", ["road_traffic", "machine_sensors"])
def test_a_made_table_is_the_same_each_time(script: str, tmp_path: Path) -> None:
    once, again = (hashlib.sha256(made(script, tmp_path / name).read_bytes()).digest() for name in ("a.csv", "b.csv"))
    assert once == again


def test_the_drawn_digits_are_784_pixels_of_ten_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("PIL", reason="Pillow draws them")
    spec = importlib.util.spec_from_file_location("drawn_digits", EXAMPLES / "data" / "drawn_digits.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "DIGITS", 40)
    module.main(tmp_path / "digits.npz")
    with np.load(tmp_path / "digits.npz") as arrays:
        assert (arrays["X"].shape, arrays["X"].dtype, sorted(set(arrays["y"].tolist()))) == (
            (40, 784),
            np.uint8,
            [*range(10)],
        )
        assert arrays["X"].reshape(40, -1).max(axis=1).min() > 150  # a line in each
