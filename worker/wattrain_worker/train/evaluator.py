"""Evaluations of the model that is trained, and the choice of the one that is exported."""

from __future__ import annotations

import math
from dataclasses import replace

from torch import Tensor

from wattrain_api.training import EvaluationMetric
from wattrain_worker.data.prepared_data import Prepared
from wattrain_worker.errors import BadSpec, NonFiniteLoss
from wattrain_worker.train.evaluation import Best, Score, evaluate
from wattrain_worker.train.export import Choice
from wattrain_worker.train.manifest import Progress
from wattrain_worker.train.non_finite import REMEDY
from wattrain_worker.train.process_group import ProcessGroup
from wattrain_worker.train.strategies.protocol import Strategy
from wattrain_worker.train.task import Rows, Task
from wattrain_worker.train.training_state import State
from wattrain_worker.train.weight_average import WeightAverage


class Evaluator:
    """Evaluates on all ranks together. Where the best model is to be exported, each rank keeps a copy of what it holds
    of it, in the machine's memory."""

    def __init__(
        self, group: ProcessGroup, task: Task, strategy: Strategy, prepared: Prepared, average: WeightAverage
    ) -> None:
        """BadSpec where there is nothing to choose the model by, or to stop by."""
        self._average = average
        self._group, self._task, self._strategy, self._prepared = group, task, strategy, prepared
        self._validation = task.rows.like(prepared.validation)
        self._metric: EvaluationMetric | None = task.training.export_metric
        self.best: State = {}
        """The best model so far, under the names of its `state_dict`; empty: there is none yet, or it is not wanted."""
        watcher = "earlyStopping" if task.training.early_stopping else "export" if self._metric else None
        if watcher and not len(self._validation):
            raise BadSpec(f"spec.training.{watcher}: the validation split is empty; raise spec.data.split.validation")

    def is_due(self, progress: Progress) -> bool:
        """Whether the validation split has rows, and was not evaluated after this very step."""
        return len(self._validation) > 0 and progress.step != progress.evaluated_step

    def validate(self, progress: Progress) -> tuple[Score, Progress]:
        """The score on the validation split, and `progress` with what is to be remembered of it. NonFiniteLoss where
        the loss is no finite number."""
        with self._average.in_the_model():
            return self._validate(progress)

    def _validate(self, progress: Progress) -> tuple[Score, Progress]:
        score = self._evaluate(self._validation, progress.step)
        rule, patience, best = self._task.training.early_stopping, progress.patience, progress.best
        if rule is not None:
            patience = patience.after(score, rule)
        if self._metric is not None:
            best = Best.after(best, score, self._metric)
        if best is not None and best != progress.best:
            model = self._strategy.model_state()
            self.best = {name: tensor.detach().to("cpu", copy=True) for name, tensor in model.items()}
        return score, replace(progress, patience=patience, evaluated_step=progress.step, best=best)

    def choose(self, progress: Progress) -> Choice:
        """Bring the model to what is exported, for good: nothing can be trained or saved afterwards."""
        if self._metric is None or progress.best is None:
            self._average.swap()
            return Choice(progress.step, ema=self._task.training.ema)
        self._strategy.load_model_state(self.best)
        return Choice(progress.best.step, self._metric, progress.best.value, self._task.training.ema)

    def unseen(self, most: int) -> Tensor:
        """Features of up to `most` samples that were not trained on; where there are none, of such that were."""
        splits = (self._prepared.test, self._prepared.validation, self._prepared.train)
        rows = self._task.rows.like(next(split for split in splits if len(split)))
        return rows.take_unchanged(slice(0, min(most, len(rows))))[0]

    def test(self, step: int) -> Score | None:
        """The score of the model of `step` on the test split; None where that is empty. NonFiniteLoss as above."""
        rows = self._task.rows.like(self._prepared.test)
        return self._evaluate(rows, step) if len(rows) else None

    def _evaluate(self, rows: Rows, step: int) -> Score:
        self._strategy.before_evaluation()
        score = evaluate(self._group, self._task, rows, step)
        if not math.isfinite(score.loss):
            raise NonFiniteLoss(f"the loss on samples not trained on is {score.loss} after step {score.step}: {REMEDY}")
        return score
