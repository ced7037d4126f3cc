"""Loss and metrics on a split that is not trained on, and when to stop because of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from wattrain_api.training import FALLING, EarlyStopping, EvaluationMetric, MetricName
from wattrain_worker.errors import BadSpec
from wattrain_worker.train.elastic_sampler import part
from wattrain_worker.train.process_group import ProcessGroup
from wattrain_worker.train.roc_auc import RocAuc, with_roc_auc
from wattrain_worker.train.task import Rows, Task, autocast


@dataclass(frozen=True)
class Score:
    """How good the model is on a split."""

    step: int
    loss: float
    """Mean loss of a sample."""
    metrics: Mapping[MetricName, float]
    """The recipe's metrics, without those that the samples do not determine."""

    def to_json_object(self) -> dict[str, Any]:
        """The score as it is reported."""
        return {"step": self.step, "loss": self.loss} | dict(self.metrics)


@torch.inference_mode()
def evaluate(group: ProcessGroup, task: Task, rows: Rows, step: int) -> Score:
    """The model's score on all of `rows` (at least one), on all ranks together.

    The rows are cut into chunks that do not depend on the number of ranks, and the chunks' sums are added in order: the
    same model gets the same score, bit for bit, however many ranks share the work. The ROC AUC is computed from all
    rows' scores in whole numbers.
    """
    recipe = task.recipe
    chunks = chunks_of(len(rows), task.training.logical_shards, recipe.evaluated_at_once)
    sums = torch.zeros(len(chunks), 1 + recipe.sums(task.outputs), dtype=torch.float64, device=group.device)
    roc_auc = RocAuc(group, recipe, len(rows), task.outputs)
    task.model.eval()
    for chunk in range(len(chunks))[part(len(chunks), group.size, group.rank)]:
        features, labels = rows.take_unchanged(chunks[chunk])
        if len(labels):
            with autocast(task.training, group.device):
                outputs = task.model(features)
            sums[chunk, 0] = task.loss_sum(outputs, labels)
            sums[chunk, 1:] = recipe.metric_sums(outputs, labels)
            roc_auc.add(chunks[chunk], outputs, labels)
    task.model.train()
    loss, *totals = (sum(values) for values in group.sum(sums).T.tolist())
    metrics = recipe.metrics_of(totals, len(rows), task.label_scale)
    return Score(step, loss / len(rows), with_roc_auc(metrics, roc_auc.value()))


def chunks_of(rows: int, logical_shards: int, at_once: int) -> list[slice]:
    """The parts of `rows` rows that go through a model at once, `at_once` of them at most."""
    chunks = max(logical_shards, -(-rows // at_once))
    return [part(rows, chunks, chunk) for chunk in range(chunks)]


@dataclass(frozen=True)
class Best:
    """The best evaluation of the validation split so far; part of every checkpoint."""

    step: int
    value: float
    """Of the metric that the exported model is chosen by."""

    @staticmethod
    def after(best: Best | None, score: Score, metric: EvaluationMetric) -> Best:
        """The best of `best` and one more evaluation; of equals the earlier. BadSpec as for `metric_value`."""
        value = metric_value(score, metric)
        better = best is None or _to_fall(value, metric) < _to_fall(best.value, metric)
        return Best(score.step, value) if better or best is None else best


@dataclass(frozen=True)
class Patience:
    """What early stopping remembers; part of every checkpoint."""

    best: float | None = None
    """Lowest value of the watched metric so far (of its negative, where more is better)."""
    evaluations_since_best: int = 0

    def after(self, score: Score, rule: EarlyStopping) -> Patience:
        """The memory after one more evaluation. BadSpec as for `metric_value`."""
        value = _to_fall(metric_value(score, rule.metric), rule.metric)
        if self.best is None or value < self.best - rule.min_delta:
            return Patience(value)
        return replace(self, evaluations_since_best=self.evaluations_since_best + 1)

    def is_over(self, rule: EarlyStopping | None) -> bool:
        """Whether the training is to stop."""
        return rule is not None and self.evaluations_since_best >= rule.patience


def metric_value(score: Score, metric: EvaluationMetric) -> float:
    """The value of `metric`. BadSpec where the samples do not determine it: nothing can be chosen by it."""
    value = score.loss if metric == "loss" else score.metrics.get(metric)
    if value is None:
        raise BadSpec(
            f"spec.training: the metric {metric} is watched, and the validation split does not determine it; watch "
            "loss in its place (earlyStopping.metric, bestMetric)"
        )
    return value


def _to_fall(value: float, metric: EvaluationMetric) -> float:
    """`value`, or its negative where more is better."""
    return value if metric in FALLING else -value
