"""Loss and accuracy on a split that is not trained on, and when to stop because of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import torch

from wattrain_api.training import EarlyStopping
from wattrain_worker.train.group import Group
from wattrain_worker.train.recipes import count_correct
from wattrain_worker.train.sampler import part
from wattrain_worker.train.stepping import Rows, Task

_CHUNK_ROWS: Final = 1024


@dataclass(frozen=True)
class Score:
    """How good the model is on a split."""

    step: int
    loss: float
    """Mean loss of a sample."""
    accuracy: float
    """Share of samples whose label has the highest score, 0 to 1."""

    def to_json_object(self) -> dict[str, Any]:
        """The score as it is reported."""
        return asdict(self)


@torch.inference_mode()
def evaluate(group: Group, task: Task, rows: Rows, step: int) -> Score:
    """The model's score on all of `rows` (at least one), on all ranks together.

    The rows are cut into chunks that do not depend on the number of ranks, and the chunks' sums are added in order: the
    same model gets the same score, bit for bit, however many ranks share the work.
    """
    chunks = max(task.training.logical_shards, -(-len(rows) // _CHUNK_ROWS))
    sums = torch.zeros(chunks, 2, dtype=torch.float64, device=group.device)
    task.model.eval()
    for chunk in range(chunks)[part(chunks, group.size, group.rank)]:
        features, labels = rows.take(part(len(rows), chunks, chunk))
        if len(labels):
            with task.autocast(group.device):
                scores = task.model(features)
            sums[chunk, 0] = task.recipe.loss_sum(scores, labels)
            sums[chunk, 1] = count_correct(scores, labels)
    task.model.train()
    losses, corrects = group.sum(sums).T.tolist()
    return Score(step, sum(losses) / len(rows), sum(corrects) / len(rows))


@dataclass(frozen=True)
class Patience:
    """What early stopping remembers; part of every checkpoint."""

    best: float | None = None
    """Lowest value of the watched metric so far (of the negative accuracy, where accuracy is watched)."""
    evaluations_since_best: int = 0

    def after(self, score: Score, rule: EarlyStopping) -> Patience:
        """The memory after one more evaluation."""
        value = score.loss if rule.metric == "loss" else -score.accuracy
        if self.best is None or value < self.best - rule.min_delta:
            return Patience(value)
        return replace(self, evaluations_since_best=self.evaluations_since_best + 1)

    def is_over(self, rule: EarlyStopping | None) -> bool:
        """Whether the training is to stop."""
        return rule is not None and self.evaluations_since_best >= rule.patience
