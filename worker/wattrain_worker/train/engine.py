"""The training from its newest checkpoint to its end: resume; step, decide, evaluate, save; test, export, leave."""

from __future__ import annotations

import math
from dataclasses import asdict, replace

import torch

from wattrain_api import reasons
from wattrain_api.contract.progress import StepLoss
from wattrain_api.reasons import EXIT_OK, EXIT_PREEMPTED
from wattrain_api.training import Every
from wattrain_worker.data.prepared_data import Prepared
from wattrain_worker.errors import NonFiniteLoss, PeerLost
from wattrain_worker.report import report
from wattrain_worker.train.agreement import Agreed, Agreement, UnreadLoss, Wishes, next_agreement
from wattrain_worker.train.arithmetic_speed import OperationCount, arithmetic_speed
from wattrain_worker.train.duty_cycle import DutyCycle
from wattrain_worker.train.elastic_sampler import BatchSampler, Position
from wattrain_worker.train.evaluator import Evaluator
from wattrain_worker.train.export import export_model
from wattrain_worker.train.gradient_check import GradientCheck
from wattrain_worker.train.manifest import Fence, Progress
from wattrain_worker.train.model_card import model_card
from wattrain_worker.train.non_finite import MOST_ROLLBACKS, REMEDY, NonFiniteSteps, Rollbacks
from wattrain_worker.train.onnx_export import MOST_SAMPLES, NoOnnx, OnnxGraph, onnx_graph
from wattrain_worker.train.optimizers import learning_rate, make_optimizer, set_learning_rate, unmarked_step
from wattrain_worker.train.process_group import ProcessGroup, peers_watched
from wattrain_worker.train.profiling import Profiles
from wattrain_worker.train.rank_directives import RankDirectives
from wattrain_worker.train.rank_environment import RankEnvironment
from wattrain_worker.train.reporting import Reporter, say, warn
from wattrain_worker.train.restore import Restored
from wattrain_worker.train.schedule import Timer
from wattrain_worker.train.stop import StopSignal
from wattrain_worker.train.strategies.changing_buffers import KeptBuffers
from wattrain_worker.train.strategies.protocol import Strategy
from wattrain_worker.train.task import Task
from wattrain_worker.train.thread_count import ThreadCount
from wattrain_worker.train.training_state import AVERAGE, BEST, State, is_finite, part_of, with_part
from wattrain_worker.train.weight_average import WeightAverage


class Engine:
    """One rank's training."""

    def __init__(
        self,
        environment: RankEnvironment,
        group: ProcessGroup,
        task: Task,
        strategy: Strategy,
        prepared: Prepared,
        fence: Fence,
    ) -> None:
        self._environment, self._group, self._task = environment, group, task
        self._strategy, self._prepared = strategy, prepared
        self._training = training = environment.training
        self._average = WeightAverage(task.model, training.ema)
        self._evaluator = Evaluator(group, task, strategy, prepared, self._average)
        self._sampler = BatchSampler(len(task.rows), training.batch_size, training.seed)
        self._total_steps = training.max_steps or (training.epochs or 0) * self._sampler.steps_per_epoch
        epochs = -(-self._total_steps // self._sampler.steps_per_epoch)
        self._reporter = Reporter(self._total_steps, epochs, is_first=group.rank == 0)
        self._optimizer = make_optimizer(task.model, strategy.parameters, training.optimizer, fused=task.tuning.fused)
        self._unmarked_step = unmarked_step(self._optimizer)
        self._checkpoints = strategy.checkpoints(environment.checkpoint_dir, environment.spec.checkpoint.keep, fence)
        self._progress = Progress(tuning=task.tuning)
        self._directives = RankDirectives(environment.directive_file)
        self._duty_cycle = DutyCycle(group.device)
        self._threads = ThreadCount(environment.threads)
        self._stop_at_step = 0
        self._saved_step = 0
        keeps_buffers = group.size > 1 or training.non_finite == "skip" or task.loss_scaling.is_used
        self._kept_buffers = KeptBuffers(task.model if keeps_buffers else None)
        self._gradient_check = GradientCheck(group, task, strategy, self._optimizer, self._kept_buffers)
        self._rollbacks = Rollbacks()
        self._reached = Position()
        self._step_under_way = False
        self._unread: list[UnreadLoss] = []
        self._profiles = Profiles(environment.checkpoint_dir.parent / "profiles", group)
        self._goes_on_anew = True
        """Whether not all ranks have gone on at the same moment: the wait of the next step says nothing of its own."""
        self._counted_step = 0
        """Step whose operations are counted; 0: of none."""

    def train(self, stop: StopSignal) -> int:
        """From the newest checkpoint to the end. Returns the exit code: 0, or 143 where `stop` was requested.

        Whatever ends it, a checkpoint that is being written is finished first. PeerLost where a rank is gone, and no
        stop was requested.
        """
        try:
            with peers_watched():
                return self._train(stop)
        except PeerLost:
            if not stop.requested:
                raise
            self._stop_alone()
            return EXIT_PREEMPTED
        finally:
            self._checkpoints.close()

    def _train(self, stop: StopSignal) -> int:
        self._checkpoint_timer = Timer(self._environment.spec.checkpoint.every)
        self._resume()
        epoch_end = Every(steps=self._sampler.steps_per_epoch)
        self._evaluation_timer = Timer(self._training.evaluate_every or epoch_end)
        self._next_agreement = self._progress.step + 1
        if not self._training.compile:  # what a compiler makes of the operations is not counted
            self._counted_step = self._progress.step + 2
        stop.training_begins(self._group.break_network)
        self._evaluate_what_was_due()
        if not self._training.deterministic and self._group.device.type == "cpu":
            self._on_rank_0(threads=self._threads.used, most_threads=self._threads.most)
        self._reporter.phase("compiling" if self._training.compile else "training")
        while not self._is_finished():
            self._reporter.paused(self._duty_cycle.pause(lambda: stop.requested))
            try:
                agreed = self._step(stop)
                if agreed and (agreed.stop or 0 < self._stop_at_step <= self._progress.step):
                    stop.is_agreed()
                    self._profiles.end(self._progress.step)
                    self._save(wait=True)
                    self._group.leave()
                    return EXIT_PREEMPTED
                self._evaluate_and_save_if_due(agreed)
            except NonFiniteLoss as broken:  # on all ranks at the same step
                if self._training.non_finite != "rollback":
                    raise
                self._roll_back(broken)
        self._finish()
        return EXIT_OK

    def _resume(self) -> None:
        self._reporter.phase("restoring")
        restored = self._checkpoints.restore()
        if restored is not None:
            self._take(restored)
        damaged = [asdict(damage) for damage in self._checkpoints.damaged]
        if restored is not None or damaged:
            self._on_rank_0(resumed={"step": self._progress.step}, damaged=damaged)
        if self._training.non_finite != "fail":
            self._on_rank_0(non_finite_steps=self._progress.non_finite.total)
        if self._task.loss_scaling.is_used:
            self._on_rank_0(overflow_steps=self._progress.loss_scale.overflows)
        if restored is None and self._training.non_finite == "rollback":
            self._saved_step = -1  # there must be something to go back to: a checkpoint of step 0
            self._save(wait=False)

    def _take(self, restored: Restored) -> None:
        self._strategy.load_state(restored.state, self._optimizer)
        self._evaluator.best = part_of(restored.state, BEST)
        self._average.load_state(part_of(restored.state, AVERAGE))
        self._progress = restored.progress
        self._task.loss_scaling.load_state(restored.progress.loss_scale)
        self._saved_step = restored.progress.step

    def _roll_back(self, broken: NonFiniteLoss) -> None:
        """To the newest checkpoint, and on with the batches after the one that broke the training: with the same ones
        it would break again."""
        self._checkpoints.wait()
        restored = self._checkpoints.restore()
        if restored is None:
            raise broken
        step, count = restored.progress.step, self._progress.non_finite.after(made=False)
        if not self._rollbacks.may_go_to(step):
            raise NonFiniteLoss(f"{broken}; going back to step {step} has not helped {MOST_ROLLBACKS} times")
        self._take(restored)
        self._progress = replace(self._progress, position=self._reached, non_finite=NonFiniteSteps(count.total))
        self._unread, self._step_under_way, self._next_agreement = [], False, step + 1
        damaged = [asdict(damage) for damage in self._checkpoints.damaged]
        self._on_rank_0(resumed={"step": step}, damaged=damaged, non_finite_steps=count.total)
        sentence = f"back to the checkpoint of step {step}, and on with the next batches, because {broken}"
        warn(self._group.rank, reasons.NON_FINITE, sentence)

    def _evaluate_what_was_due(self) -> None:
        """A stop saves without the evaluation that the step called for: the training must not miss it."""
        step = self._progress.step
        if step and not self._is_finished() and self._evaluation_timer.is_due_after(step):
            self._evaluate_validation()

    def _stop_alone(self) -> None:
        """A rank has not answered, or is gone, and this one was told to stop: save the last whole step, which needs
        nobody else. Nothing of the step under way has reached parameters or optimizer: the last that a step waits for
        comes before."""
        if self._step_under_way:
            self._kept_buffers.put_back()
        step, silent = self._progress.step, "another rank does not answer: stopped without it"
        if not self._checkpoints.writes:
            say(f"{silent}; rank 0 alone saves")
        elif not is_finite(self._state()):  # the ranks look at the loss now and then only
            say(f"{silent}; step {step} is not saved, since the model has values that are no numbers")
        else:
            self._save(wait=True)
            say(f"{silent}, and step {step} is saved")

    def _is_finished(self) -> bool:
        enough = self._progress.patience.is_over(self._training.early_stopping)
        return enough or self._progress.step >= self._total_steps

    def _step(self, stop: StopSignal) -> Agreed | None:
        """One optimizer step. Returns what the ranks agreed on, at the steps at which they do."""
        self._reporter.step_begins()
        data_seconds, peer_wait = self._task.rows.seconds, self._strategy.peer_wait
        peer_seconds = 0.0 if peer_wait is None else peer_wait.seconds
        before = self._progress
        batch, position = self._sampler.batch(before.position)
        self._reached = position
        step = before.step + 1
        rate = learning_rate(self._training.optimizer.lr, self._training.schedule, before.step, self._total_steps)
        set_learning_rate(self._optimizer, rate)

        decides, is_recorded = self._decides_after(step), self._is_recorded(step)
        agreement: list[Agreement] = []
        sums: list[torch.Tensor] = []

        def decide(losses: torch.Tensor) -> None:
            sums.append(losses)
            if decides or is_recorded:
                self._unread.append(UnreadLoss(step, position.epoch, rate, len(batch), losses))
            if decides:
                agreement.append(Agreement(self._group, self._unread, self._wishes(stop)))

        self._kept_buffers.keep()
        self._step_under_way = True
        if step == self._counted_step:
            with OperationCount() as counted:
                samples = self._strategy.gradients(batch, before.step, decide)
        else:
            samples = self._strategy.gradients(batch, before.step, decide)
        agreed = agreement[0].result() if decides else None
        losses = self._read(agreed) if agreed else []
        made, count = self._gradient_check.look(step, rate, before.non_finite, sums[0])
        largest_norm = self._training.optimizer.clip_gradient_norm
        norm = self._strategy.clip(largest_norm) if made and (largest_norm or (decides and is_recorded)) else None
        self._step_under_way = False
        if made:  # from here to where the progress is set nothing waits for another rank
            self._optimizer.step() if self._profiles.is_under_way else self._unmarked_step()
            self._average.update()
        scale = self._task.loss_scaling.state
        self._progress = replace(before, step=step, position=position, non_finite=count, loss_scale=scale)
        waited = None if peer_wait is None else 0.0 if self._goes_on_anew else peer_wait.seconds - peer_seconds
        self._goes_on_anew = False
        self._duty_cycle.step_ends()
        self._reporter.step_ends(samples, self._task.rows.seconds - data_seconds, waited)
        if step == self._counted_step:
            self._on_rank_0(**arithmetic_speed(self._group, self._training, counted.flops, samples))
        if agreed is not None:
            self._reporter.phase("training")
            self._reporter.record(losses, step, position.epoch, None if norm is None else float(norm))
            self._duty_cycle.agree(agreed.duty_ratio, agreed.step_seconds)
            self._next_agreement = next_agreement(step, self._duty_cycle.period_seconds)
            self._stop_at_step = agreed.stop_at_step
            if not self._training.deterministic and self._threads.agree(agreed.threads):
                self._on_rank_0(threads=self._threads.used)
        self._profiles.step_ends(step, None if agreed is None else agreed.profile)
        return agreed

    def _decides_after(self, step: int) -> bool:
        """Whether the ranks agree at this step; before a checkpoint always, so that no broken state is saved, and
        before an evaluation, so that what is told of the steps comes before what is told of it."""
        last = step in (self._total_steps, self._stop_at_step)
        timers = (self._checkpoint_timer, self._evaluation_timer)
        return last or step >= self._next_agreement or any(timer.is_due_after(step) for timer in timers)

    def _is_recorded(self, step: int) -> bool:
        return step % self._training.record_every_steps == 0 or step == self._total_steps

    def _read(self, agreed: Agreed) -> list[StepLoss]:
        """The losses of the recorded steps since the last agreement. NonFiniteLoss where one is no number."""
        read, self._unread = list(zip(self._unread, agreed.losses, strict=True)), []
        found = [StepLoss(of.step, of.epoch, loss, of.learning_rate) for of, loss in read]
        recorded = [loss for loss in found if self._is_recorded(loss.step)]
        if self._training.non_finite == "skip":
            return [loss for loss in recorded if math.isfinite(loss.loss)]
        broken = next((loss for loss in found if not math.isfinite(loss.loss)), None)
        if broken is None:
            return recorded
        before = [loss for loss in recorded if loss.step < broken.step]
        if before:
            self._reporter.record(before, before[-1].step, before[-1].epoch, None)
        raise NonFiniteLoss(
            f"the loss of step {broken.step} is {broken.loss} at learning rate {broken.learning_rate:g}: {REMEDY}"
        )

    def _wishes(self, stop: StopSignal) -> Wishes:
        if self._group.rank != 0:
            return Wishes(stop=stop.requested)
        return Wishes(
            stop=stop.requested,
            evaluate=self._evaluation_timer.is_due_now(),
            save=self._directives.wants_checkpoint() or self._checkpoint_timer.is_due_now(),
            stop_at_step=self._directives.stop_at_step(),
            step_seconds=self._reporter.mean_step_seconds(),
            duty_ratio=self._directives.duty_ratio(),
            threads=self._directives.threads(),
            profile=self._directives.wanted_profile(),
        )

    def _evaluate_and_save_if_due(self, agreed: Agreed | None) -> None:
        """The evaluation first: early stopping's memory belongs to the checkpoint."""
        step = self._progress.step
        if self._evaluation_timer.is_due_after(step) or (agreed and agreed.evaluate):
            self._evaluate_validation()
        if agreed:
            self._checkpoints.raise_if_failed()
            if self._checkpoint_timer.is_due_after(step) or agreed.save:
                self._save(wait=not self._environment.spec.checkpoint.asynchronous)

    def _evaluate_validation(self) -> None:
        self._goes_on_anew = True
        self._evaluation_timer.happened()
        if not self._evaluator.is_due(self._progress):
            return
        self._reporter.phase("evaluating")
        score, self._progress = self._evaluator.validate(self._progress)
        self._on_rank_0(validation=score.to_json_object())
        self._reporter.phase("training")

    def _state(self) -> State:
        """What a checkpoint holds; references, no copies."""
        state = with_part(self._strategy.state(self._optimizer), BEST, self._evaluator.best)
        return with_part(state, AVERAGE, self._average.state)

    def _save(self, *, wait: bool) -> None:
        self._goes_on_anew = True
        waits = wait and self._checkpoints.writes
        if waits:
            self._reporter.phase("checkpointing")
        if self._progress.step != self._saved_step:
            self._checkpoints.save(self._state(), self._progress, wait=wait)
            self._saved_step = self._progress.step
            self._checkpoint_timer.happened()
        if waits:
            self._checkpoints.wait()
            self._reporter.phase("training")

    def _finish(self) -> None:
        self._profiles.end(self._progress.step)
        if 0 < self._progress.step == self._progress.non_finite.in_a_row + self._progress.loss_scale.overflows:
            raise NonFiniteLoss(f"the loss or the gradient of every step is no finite number: {REMEDY}")
        self._evaluate_validation()
        self._save(wait=True)
        self._reporter.phase("evaluating")
        choice = self._evaluator.choose(self._progress)
        score = self._evaluator.test(choice.step)
        if score is not None:
            self._on_rank_0(test=score.to_json_object())
        self._reporter.phase("exporting")
        model = self._strategy.full_model()
        if model is not None:
            device, tuning = self._group.device_name, self._task.tuning.told
            card = model_card(self._environment, self._prepared, choice, score, device, tuning)
            export_model(self._environment, model, self._prepared, choice, score, self._graph(), card)
            report(model={"path": str(self._environment.model_dir), "step": choice.step, "choice": str(choice)})
        self._group.leave()
        self._reporter.phase("done")

    def _graph(self) -> OnnxGraph | None:
        """The exported model as ONNX, where the job asks for it. One that cannot be had ends no training."""
        if not self._training.onnx:
            return None
        try:
            return onnx_graph(self._task.model, self._evaluator.unseen(MOST_SAMPLES))
        except NoOnnx as error:
            warn(self._group.rank, reasons.NO_ONNX, f"the model is not there as ONNX: {error}")
            return None

    def _on_rank_0(self, **fields: object) -> None:
        if self._group.rank == 0:
            report(**fields)
