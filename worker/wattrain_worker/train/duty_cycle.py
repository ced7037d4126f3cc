"""Pauses between steps, so that the ranks compute only a share of the time and draw less power.

All ranks pause after the same steps for the same time: that of rank 0's mean step, as they have agreed on it. So none
waits for another in a collective meanwhile, which on a GPU would cost power too. What is trained stays the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import torch

_LOOK_SECONDS: Final = 0.1
"""A pause ends so soon after a stop was requested."""
_SHORTEST_PAUSE_SECONDS: Final = 0.002
"""Shorter ones are gathered over several steps: a process sleeps some 0.1 ms longer than it asks for."""
_PLAUSIBLE_FACTOR: Final = 3.0
"""Steps do not become slower than by so much from one agreement to the next. The first step of a training does: it
starts threads and compiles, and no pause is to be as long."""


class DutyCycle:
    """How long this rank pauses after a step."""

    def __init__(self, device: torch.device, sleep: Callable[[float], None] = time.sleep) -> None:
        """`device` that the rank computes on."""
        self._device, self._sleep = device, sleep
        self._ratio = 1.0
        self._step_seconds = self._pause_seconds = 0.0
        self._due_seconds = self._overslept_seconds = 0.0

    def agree(self, ratio: float, step_seconds: float) -> None:
        """From now on the ranks compute for `ratio` of the time; a step takes `step_seconds` without its pause. All
        ranks call it after the same step with the same values."""
        plausible_seconds = min(step_seconds, _PLAUSIBLE_FACTOR * self._step_seconds)
        self._ratio = ratio or 1.0
        self._step_seconds, self._pause_seconds = step_seconds, plausible_seconds * (1 / self._ratio - 1)

    @property
    def period_seconds(self) -> float:
        """How long a step takes with its pause."""
        return self._step_seconds + self._pause_seconds

    def step_ends(self) -> None:
        """Wait for what the step has left to the device: without it, the device would compute through the pause."""
        if self._ratio < 1 and self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    def pause(self, is_over: Callable[[], bool]) -> float:
        """Pause after a step, until `is_over`. Returns for how many seconds."""
        self._due_seconds += self._pause_seconds
        if self._due_seconds < _SHORTEST_PAUSE_SECONDS:
            return 0.0
        started = time.perf_counter()
        wanted_seconds, self._due_seconds = self._due_seconds - self._overslept_seconds, 0.0
        while (left := started + wanted_seconds - time.perf_counter()) > 0 and not is_over():
            self._sleep(min(left, _LOOK_SECONDS))
        paused_seconds = time.perf_counter() - started
        self._overslept_seconds = min(paused_seconds - wanted_seconds, _SHORTEST_PAUSE_SECONDS)
        return paused_seconds
