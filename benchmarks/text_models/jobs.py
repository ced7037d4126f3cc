"""What is trained: jobs that take about a minute of one core."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, NamedTuple


class Job(NamedTuple):
    """A recipe, its settings, and what it is compared by."""

    recipe: str
    beside: str
    """The class of transformers."""
    params: dict[str, float]
    text: dict[str, int]
    training: dict[str, Any]
    metrics: tuple[str, ...]


JOBS: Final = (
    Job(
        "gpt",
        "GPT2LMHeadModel",
        {"layers": 3, "width": 96, "heads": 4, "dropout": 0},
        {"vocabularySize": 1024, "sequenceLength": 64},
        {
            "maxSteps": 600,
            "batchSize": 16,
            "optimizer": {"name": "adamw", "lr": 0.002, "weightDecay": 0.1, "clipGradientNorm": 1},
            "schedule": {"name": "cosine", "warmupSteps": 50},
        },
        ("bitsPerByte",),
    ),
    Job(
        "bert",
        "BertForPreTraining",
        {"layers": 2, "width": 96, "heads": 4, "dropout": 0},
        {"vocabularySize": 1024, "sequenceLength": 32},
        {
            "maxSteps": 1200,
            "batchSize": 32,
            "optimizer": {"name": "adamw", "lr": 0.002, "weightDecay": 0.01, "clipGradientNorm": 1},
            "schedule": {"name": "linear", "warmupSteps": 100},
        },
        ("maskedAccuracy", "nextSentenceAccuracy"),
    ),
)


def document_of(job: Job, text: Path, seed: int) -> dict[str, Any]:
    """The TrainingJob on `text`, one worker, of which `seed` decides initial weights and the order of samples."""
    spec = {
        "recipe": {"name": job.recipe, "params": job.params},
        "data": {"source": {"uri": str(text)}, "text": job.text},
        "training": {**job.training, "seed": seed},
        "workers": {"replicas": 1},
    }
    return {
        "apiVersion": "wattrain.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": f"text-models-{job.recipe}"},
        "spec": spec,
    }
