"""`training.auto`: some steps are timed with and without each thing that it names, and the faster way is kept.

The steps are made on copies of the model, so the training begins as if none had been. All ranks time the same steps,
and every rank reads the times of all: the slowest rank's counts, and all choose alike. Deterministic training keeps
what it has without, for each of these ways rounds otherwise.
"""

from __future__ import annotations

import copy
import gc
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median
from typing import Final

import torch
from torch import nn

from wattrain_worker.errors import BadSpec
from wattrain_worker.report import report
from wattrain_worker.train.compiler import check_compiler
from wattrain_worker.train.elastic_sampler import BatchSampler, Position, part
from wattrain_worker.train.loss_scaling import LossScaling
from wattrain_worker.train.optimizers import make_optimizer
from wattrain_worker.train.process_group import ProcessGroup
from wattrain_worker.train.strategies.protocol import StrategyFactory
from wattrain_worker.train.strategies.shared_batch_norm import batch_norm_of
from wattrain_worker.train.task import Task, autocast
from wattrain_worker.train.tuning import Tuning

_WARM_UP_STEPS: Final = 3
_FEWEST_STEPS: Final = 3
_MOST_STEPS: Final = 20
_TRIAL_SECONDS: Final = 2.0
"""How long the timed steps of a way may take, but for the fewest; of two in turn, twice as long together."""
_LEAST_GAIN: Final = 0.05
"""Another way has to save this share of a step: less is within what medians of twenty steps differ by chance."""
_LEAST_TRAINING_SECONDS: Final = 60.0
"""A training that takes less is not compiled: compiling a small model took 12 to 17 s on two cores."""
_WORDS: Final = {"channels_last": "channelsLast", "fused": "fused", "compile": "compile"}
"""By fields of Tuning: as `training.auto` names them. In this order they are tried, each beside what was kept before:
the compiler last, for it takes longest."""


@dataclass(frozen=True)
class _Timed:
    """One way, as the slowest rank has timed it."""

    step_seconds: float
    first_seconds: float
    """Of its first step, in which it is compiled."""


class Trials:
    """The choice of one training."""

    def __init__(self, group: ProcessGroup, task: Task, wrap: StrategyFactory, total_steps: int) -> None:
        """`task` with the model as the training begins with it, on the group's device; nothing of it is changed."""
        self._group, self._task, self._wrap, self._total_steps = group, task, wrap, total_steps
        sampler = BatchSampler(len(task.rows), task.training.batch_size, task.training.seed)
        self._batch = sampler.batch(Position())[0]

    def choose(self) -> Tuning:
        """What all ranks train with, and why. To be called by all at once."""
        names = [name for name, word in _WORDS.items() if word in self._task.training.auto]
        start = Tuning(compile=self._task.training.compile)
        if not names:
            return start
        if self._task.training.deterministic:
            told = ", ".join(_state(start, name) for name in names)
            return replace(start, told=f"{told}: not measured, for deterministic training must not round otherwise")
        report(phase="compiling" if "compile" in names else "starting")
        chosen, sentences = start, []
        for name in names:
            reason = self._why_not(name, chosen)
            if not reason:
                other = _other_way(chosen, name)
                kept, tried = self._timed(chosen, other)
                reason = f"{_milliseconds(kept)} ms a step, {_milliseconds(tried)} with {_state(other, name)}"
                if _is_better(name, kept, tried, self._total_steps):
                    reason = f"{_milliseconds(tried)} ms a step, {_milliseconds(kept)} with {_state(chosen, name)}"
                    chosen = other
            sentences.append(f"{_state(chosen, name)}: {reason}")
        return replace(chosen, told="; ".join(sentences))

    def _why_not(self, name: str, chosen: Tuning) -> str:
        """Why `name` is not tried beside what is `chosen`; empty: it is."""
        if name != "compile":
            return ""
        if why := why_not_compiled(self._group, self._task.model):
            return why
        [eager] = self._timed(chosen)
        seconds = eager.step_seconds * self._total_steps
        if seconds < _LEAST_TRAINING_SECONDS:
            return (
                f"not tried, for all steps take {seconds:.2g} s without, and compiling takes longer than it could save"
            )
        return "" if self._compiles() else "this model cannot be compiled"

    def _compiles(self) -> bool:
        """Whether torch.compile takes the model, on all ranks. Each tries it alone: one that fails must not leave the
        others waiting for its gradient."""
        model, failed = copy.deepcopy(self._task.model), 0.0
        try:
            mine = self._batch[part(len(self._batch), self._group.size, self._group.rank)]
            features, labels = self._task.rows.take(mine, 0)
            with autocast(self._task.training, self._group.device):
                outputs = torch.compile(model)(features)
            self._task.loss_sum(outputs, labels).backward()  # type: ignore[no-untyped-call]
        except Exception as error:  # torch raises what it likes here, and the training needs none of it
            failed = 1.0
            report(message=f"torch.compile: {type(error).__name__}: {str(error).strip().splitlines()[0][:300]}")
        return not any(self._of_all(failed))

    def _timed(self, *ways: Tuning) -> list[_Timed]:
        found = self._timed_in_turn([self._step_on_a_copy(tuning) for tuning in ways])
        gc.collect()  # the copies' wrappers of DDP are in cycles with their hooks
        return found

    def _timed_in_turn(self, ways: list[Callable[[], float]]) -> list[_Timed]:
        """A step of each way, again and again: so whatever else the machine does slows down all of them alike."""
        warm = [[step() for _ in range(_WARM_UP_STEPS)] for step in ways]
        firsts = [max(self._of_all(first)) for first, *_ in warm]
        round_seconds = sum(max(self._of_all(last)) for *_, last in warm)
        count = min(_MOST_STEPS, max(_FEWEST_STEPS, int(_TRIAL_SECONDS * len(ways) / round_seconds)))  # on all ranks
        rounds = [[step() for step in ways] for _ in range(count)]
        medians = [max(self._of_all(median(seconds))) for seconds in zip(*rounds, strict=True)]
        return [_Timed(seconds, first) for seconds, first in zip(medians, firsts, strict=True)]

    def _step_on_a_copy(self, tuning: Tuning) -> Callable[[], float]:
        """Makes a step as `tuning` says, and returns its seconds."""
        training = self._task.training.model_copy(update={"compile": tuning.compile})
        model = laid_out(copy.deepcopy(self._task.model), tuning)
        scaling = LossScaling(self._group.device if self._task.loss_scaling.is_used else None)
        task = replace(self._task, model=model, training=training, loss_scaling=scaling, tuning=tuning)
        strategy = self._wrap(self._group, task)
        optimizer = make_optimizer(model, strategy.parameters, training.optimizer, fused=tuning.fused)

        def step() -> float:
            started = time.perf_counter()
            strategy.gradients(self._batch, 0, lambda losses: None)
            optimizer.step()
            if self._group.device.type == "cuda":
                torch.cuda.synchronize(self._group.device)
            return time.perf_counter() - started

        return step

    def _of_all(self, value: float) -> list[float]:
        """`value` of each rank, the same bits on all."""
        values = torch.zeros(self._group.size, dtype=torch.float64, device=self._group.device)
        values[self._group.rank] = value
        found: list[float] = self._group.sum(values).tolist()
        return found


def why_not_compiled(group: ProcessGroup, model: nn.Module) -> str:
    """Why torch.compile cannot work here, in words; empty: nothing is known against it."""
    norm = batch_norm_of(model)
    if norm is not None and group.size > 1:
        return f"the model's {norm} adds up over {group.size} ranks, which a compiled model cannot"
    missing = 0.0
    try:
        check_compiler(group.device.type)
    except BadSpec:
        missing = 1.0
    absent = float(group.sum(torch.tensor([missing], dtype=torch.float64, device=group.device))[0])
    return "there is no compiler in the image or on the machine" if absent else ""


def still_possible(tuning: Tuning, group: ProcessGroup, model: nn.Module) -> Tuning:
    """A choice that a checkpoint remembers, here: on another number of ranks, or in another image, a model may not be
    compiled any more."""
    if not tuning.compile or not (why := why_not_compiled(group, model)):
        return tuning
    return replace(tuning, compile=False, told=f"compile off: {why}; it was on before")


def laid_out(model: nn.Module, tuning: Tuning) -> nn.Module:
    """`model` with its weights in memory as `tuning` says. Their values, and what a checkpoint holds, are the same."""
    return model.to(memory_format=torch.channels_last) if tuning.channels_last else model


def _is_better(name: str, now: _Timed, other: _Timed, total_steps: int) -> bool:
    gain = now.step_seconds - other.step_seconds
    repaid = gain * total_steps > other.first_seconds or name != "compile"
    return gain > _LEAST_GAIN * now.step_seconds and repaid


def _other_way(tuning: Tuning, name: str) -> Tuning:
    return Tuning(
        compile=tuning.compile != (name == "compile"),
        fused=tuning.fused != (name == "fused"),
        channels_last=tuning.channels_last != (name == "channels_last"),
    )


def _state(tuning: Tuning, name: str) -> str:
    return f"{_WORDS[name]} {'on' if getattr(tuning, name) else 'off'}"


def _milliseconds(timed: _Timed) -> str:
    milliseconds = 1e3 * timed.step_seconds
    return f"{milliseconds:.3g}" if milliseconds < 999.5 else f"{milliseconds:,.0f}"
