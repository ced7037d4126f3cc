from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from wattrain_api.load import InvalidInput, Loaded, load_files

JOB = """\
apiVersion: wattrain.dev/v1alpha1
kind: TrainingJob
metadata: {name: digits}
spec:
  recipe: {name: mlp}
  data:
    source: {builtin: digits}
  training:
    epochs: 2
"""
"""A job file as a user writes it."""


@pytest.fixture
def job() -> dict[str, Any]:
    """The shortest TrainingJob."""
    return {
        "apiVersion": "wattrain.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": "digits"},
        "spec": {
            "recipe": {"name": "mlp"},
            "data": {"source": {"builtin": "digits"}},
            "training": {"epochs": 2},
        },
    }


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Loaded]:
    """Loads a text or a document from a file called job.yaml."""

    def loaded(content: Any, *overrides: str) -> Loaded:
        file = tmp_path / "job.yaml"
        file.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
        return load_files([file], overrides)

    return loaded


@pytest.fixture
def refusal(load: Callable[..., Loaded], tmp_path: Path) -> Callable[..., str]:
    """What is said of a text or a document that must be refused, without the folder of its file."""

    def refused(content: Any, *overrides: str) -> str:
        with pytest.raises(InvalidInput) as caught:
            load(content, *overrides)
        return str(caught.value).replace(f"{tmp_path}/", "")

    return refused
