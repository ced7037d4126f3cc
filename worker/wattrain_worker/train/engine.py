"""The training as a story: load, join, resume; then step, decide, evaluate, save; then test, export, leave."""

from __future__ import annotations

import math

import torch

from wattrain_api.reasons import EXIT_OK, EXIT_PREEMPTED
from wattrain_api.training import Every
from wattrain_worker.data.prepared import Prepared
from wattrain_worker.report import report
from wattrain_worker.train.agreement import Agreed, Agreement, Wishes, next_agreement
from wattrain_worker.train.checkpoint import CheckpointWriter, Fence
from wattrain_worker.train.environment import RankEnvironment
from wattrain_worker.train.errors import BadSpec, NonFiniteLoss
from wattrain_worker.train.evaluation import Score, evaluate
from wattrain_worker.train.export import export_model
from wattrain_worker.train.group import Group
from wattrain_worker.train.manifest import Progress
from wattrain_worker.train.optimizers import clip_gradients, learning_rate, make_optimizer, set_learning_rate
from wattrain_worker.train.reporting import Reporter
from wattrain_worker.train.restore import restore
from wattrain_worker.train.sampler import BatchSampler
from wattrain_worker.train.schedule import Timer
from wattrain_worker.train.state import load_state, state_of
from wattrain_worker.train.stepping import Rows, Stepper, Task
from wattrain_worker.train.stop import StopSignal


class Engine:
    """One rank's training."""

    def __init__(
        self, environment: RankEnvironment, group: Group, task: Task, stepper: Stepper, prepared: Prepared, fence: Fence
    ) -> None:
        self._environment, self._group, self._task = environment, group, task
        self._stepper, self._prepared, self._fence = stepper, prepared, fence
        self._training = training = environment.training
        self._validation = Rows(prepared.validation, group.device)
        if training.early_stopping and not len(self._validation):
            raise BadSpec(
                "spec.training.earlyStopping: the validation split is empty; raise spec.data.split.validation"
            )
        self._sampler = BatchSampler(len(task.rows), training.batch_size, training.seed)
        self._total_steps = training.max_steps or (training.epochs or 0) * self._sampler.steps_per_epoch
        epochs = -(-self._total_steps // self._sampler.steps_per_epoch)
        self._reporter = Reporter(self._total_steps, epochs, prints=group.rank == 0)
        self._parameters = list(task.model.parameters())
        self._optimizer = make_optimizer(self._parameters, training.optimizer)
        self._writer: CheckpointWriter | None = None
        if group.rank == 0:
            self._writer = CheckpointWriter(environment.checkpoint_dir, environment.spec.checkpoint.keep, fence)
        self._progress = Progress()
        self._saved_step = self._evaluated_step = 0

    def train(self, stop: StopSignal) -> int:
        """From the newest checkpoint to the end. Returns the exit code: 0, or 143 where `stop` was requested.

        Whatever ends it, a checkpoint that is being written is finished first.
        """
        try:
            return self._train(stop)
        finally:
            if self._writer is not None:
                self._writer.close()

    def _train(self, stop: StopSignal) -> int:
        self._resume()
        self._checkpoint_timer = Timer(self._environment.spec.checkpoint.every)
        epoch_end = Every(steps=self._sampler.steps_per_epoch)
        self._evaluation_timer = Timer(self._training.evaluate_every or epoch_end)
        self._next_agreement = self._progress.step + 1
        stop.training_begins()
        self._reporter.phase("compiling" if self._training.compile else "training")
        while not self._is_finished():
            agreed = self._step(stop)
            if agreed and agreed.stop:
                self._save(wait=True)
                self._group.leave()
                return EXIT_PREEMPTED
            self._evaluate_and_save_if_due(agreed)
        self._finish()
        return EXIT_OK

    def _resume(self) -> None:
        restored = restore(self._group, self._environment.checkpoint_dir, self._fence)
        if restored is not None:
            load_state(restored.state, self._task.model, self._optimizer)
            self._progress = restored.progress
            self._saved_step = self._evaluated_step = restored.progress.step
            self._on_rank_0(resumed={"step": restored.progress.step})

    def _is_finished(self) -> bool:
        enough = self._progress.patience.is_over(self._training.early_stopping)
        return enough or self._progress.step >= self._total_steps

    def _step(self, stop: StopSignal) -> Agreed | None:
        """One optimizer step. Returns what the ranks agreed on, at the steps at which they do."""
        self._reporter.step_begins()
        data_seconds = self._task.rows.seconds
        before = self._progress
        batch, position = self._sampler.batch(before.position)
        step = before.step + 1
        rate = learning_rate(self._training.optimizer.lr, self._training.schedule, before.step, self._total_steps)
        set_learning_rate(self._optimizer, rate)

        agreement: list[Agreement] = []
        decides = self._decides_after(step)

        def decide(losses: torch.Tensor) -> None:
            if decides:
                agreement.append(Agreement(self._group, losses, self._wishes(stop)))

        samples = self._stepper.gradients(batch, before.step, decide)
        agreed = agreement[0].result(len(batch)) if decides else None
        if agreed is not None and not math.isfinite(agreed.loss):
            raise NonFiniteLoss(
                f"the loss of step {step} is {agreed.loss} at learning rate {rate:g}: lower "
                "spec.training.optimizer.lr, or set clipGradientNorm"
            )
        largest_norm = self._training.optimizer.clip_gradient_norm
        norm = clip_gradients(self._parameters, largest_norm) if decides or largest_norm else None
        self._optimizer.step()
        self._progress = Progress(step, position, before.patience)
        self._reporter.step_ends(samples, self._task.rows.seconds - data_seconds)
        if agreed is not None:
            self._reporter.phase("training")
            self._record(agreed, rate, norm)
        return agreed

    def _decides_after(self, step: int) -> bool:
        """Whether the ranks agree at this step; before a checkpoint always, so that no broken state is saved."""
        last = step == self._total_steps
        return last or step >= self._next_agreement or self._checkpoint_timer.is_due_after(step)

    def _wishes(self, stop: StopSignal) -> Wishes:
        if self._writer is None:
            return Wishes(stop=stop.requested)
        return Wishes(stop.requested, self._evaluation_timer.is_due_now(), self._reporter.mean_step_seconds())

    def _record(self, agreed: Agreed, rate: float, norm: torch.Tensor | None) -> None:
        step, every = self._progress.step, self._training.record_every_steps
        recorded = step % every == 0 or step == self._total_steps
        loss = agreed.loss if recorded else None
        norm_now = float(norm) if recorded and norm is not None else None
        self._reporter.record(step, self._progress.position.epoch, rate, loss, norm_now)
        self._next_agreement = next_agreement(step, every, agreed.step_seconds)

    def _evaluate_and_save_if_due(self, agreed: Agreed | None) -> None:
        """The evaluation first: early stopping's memory belongs to the checkpoint."""
        step = self._progress.step
        if self._evaluation_timer.is_due_after(step) or (agreed and agreed.evaluate):
            self._evaluate_validation()
        if agreed and self._writer:
            self._writer.raise_if_failed()
            if self._checkpoint_timer.is_due_after(step) or self._checkpoint_timer.is_due_now():
                self._save(wait=not self._environment.spec.checkpoint.asynchronous)

    def _evaluate_validation(self) -> None:
        step = self._progress.step
        self._evaluation_timer.happened()
        if not len(self._validation) or step == self._evaluated_step:
            return
        self._evaluated_step = step
        score = self._evaluate(self._validation)
        if self._training.early_stopping:
            patience = self._progress.patience.after(score, self._training.early_stopping)
            self._progress = Progress(step, self._progress.position, patience)
        self._on_rank_0(validation=score.to_json_object())
        self._reporter.phase("training")

    def _evaluate(self, rows: Rows) -> Score:
        self._reporter.phase("evaluating")
        score = evaluate(self._group, self._task, rows, self._progress.step)
        if not math.isfinite(score.loss):
            raise NonFiniteLoss(
                f"the loss on samples not trained on is {score.loss} after step {score.step}: lower "
                "spec.training.optimizer.lr, or set clipGradientNorm"
            )
        return score

    def _save(self, *, wait: bool) -> None:
        if self._writer is None:
            return
        if wait:
            self._reporter.phase("checkpointing")
        if self._progress.step != self._saved_step:
            self._writer.save(state_of(self._task.model, self._optimizer), self._progress, wait=wait)
            self._saved_step = self._progress.step
            self._checkpoint_timer.happened()
        if wait:
            self._writer.wait()
            self._reporter.phase("training")

    def _finish(self) -> None:
        self._evaluate_validation()
        self._save(wait=True)
        test = Rows(self._prepared.test, self._group.device)
        score = self._evaluate(test) if len(test) else None
        if score is not None:
            self._on_rank_0(test=score.to_json_object())
        self._reporter.phase("exporting")
        if self._group.rank == 0:
            export_model(self._environment, self._task, self._prepared, self._progress.step, score)
        self._on_rank_0(model={"path": str(self._environment.model_dir)})
        self._group.leave()
        self._reporter.phase("done")

    def _on_rank_0(self, **fields: object) -> None:
        if self._group.rank == 0:
            report(**fields)
