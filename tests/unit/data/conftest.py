from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_worker.data.prepare import Preparation, prepare
from wattrain_worker.data.prepared_data import Prepared, load_prepared
from wattrain_worker.errors import WorkerError


class Workbench:
    """A folder with sources and prepared data in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, text: str, name: str = "table.csv") -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def spec(self, source: Path | str, /, **data: Any) -> TrainingJobSpec:
        """A spec for `source`; `recipe`, `training` and `workers` go beside data, all else into it."""
        document: dict[str, Any] = {
            "recipe": data.pop("recipe", {"name": "mlp"}),
            "training": data.pop("training", {"epochs": 1}),
        }
        document["workers"] = data.pop("workers", {})
        document["data"] = {"source": {"uri": str(source)}, **data}
        return TrainingJobSpec.model_validate(document)

    def prepare(self, source: Path | str, /, into: str = "prepared", **data: Any) -> Preparation:
        return prepare(self.spec(source, **data), self.folder / into, claims_dir=self.folder / "claims")

    def prepared(self, source: Path | str, /, into: str = "prepared", **data: Any) -> Prepared:
        self.prepare(source, into, **data)
        return load_prepared(self.folder / into)

    def refusal(self, source: Path | str, /, **data: Any) -> WorkerError:
        """The error that `source` is refused with. Nothing is left behind that looks prepared."""
        with pytest.raises(WorkerError) as caught:
            self.prepare(source, into="refused", **data)
        left = sorted(path.name for path in (self.folder / "refused").glob("*"))
        assert left == []
        return caught.value

    def shards(self, into: str = "prepared") -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted((self.folder / into).iterdir())}

    def document(self, into: str = "prepared") -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.folder / into / "prepare.json").read_text())
        return document


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    return Workbench(tmp_path)


@pytest.fixture(scope="session")
def flowers() -> pl.DataFrame:
    """200 rows of two numbers and one of three classes, no two alike."""
    random = np.random.default_rng(7)
    kind = random.integers(0, 3, 200)
    return pl.DataFrame(
        {
            "length": random.normal(5 + kind, 0.3),
            "width": random.normal(2 - kind, 0.2),
            "kind": [("iris", "lily", "rose")[i] for i in kind],
        }
    )


@pytest.fixture
def flowers_csv(bench: Workbench, flowers: pl.DataFrame) -> Path:
    path = bench.folder / "flowers.csv"
    flowers.write_csv(path)
    return path


@pytest.fixture
def rows_of() -> Callable[[Prepared, str], set[tuple[float, ...]]]:
    """The rows of a split as a set, features and label."""

    def rows_of(prepared: Prepared, split: str) -> set[tuple[float, ...]]:
        shard = getattr(prepared, split)
        return {
            (*features, label) for features, label in zip(shard.features.tolist(), shard.labels.tolist(), strict=True)
        }

    return rows_of
