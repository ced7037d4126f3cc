"""SIGTERM, heard at any time, even while the main thread waits for the network outside of Python."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Mapping
from typing import Final

from wattrain_api.names import ENV_GRACE_SECONDS
from wattrain_api.reasons import EXIT_PREEMPTED

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_PATIENCE_SECONDS: Final = 3.0
"""How long the ranks may take to agree on the step at which they stop."""
_PATIENCE_RATIO: Final = 1 / 3
"""How much of the grace that may be at most: the rest is for the checkpoint."""


class StopSignal:
    """Before the training begins there is nothing to save, so a signal ends the process at once. From then on it is
    only noted, and the ranks agree on the step at which they stop. Where they do not within a few seconds, one of them
    is silent, and the network is broken: whoever waits for it gets an error, and saves alone."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        """Listen from here on; to be called before other threads are started, which inherit that they do not."""
        self.requested = False
        self._patience_seconds = patience_seconds(environ)
        self._break_network: Callable[[], None] | None = None
        self._agreed = threading.Event()
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        threading.Thread(target=self._listen, name="signals", daemon=True).start()

    def training_begins(self, break_network: Callable[[], None]) -> None:
        """From here on, whoever stops the rank has to wait for a checkpoint. `break_network`, called from another
        thread, ends what waits for other ranks."""
        self._break_network = break_network

    def is_agreed(self) -> None:
        """All ranks stop at this step: what they still have to do may take as long as it needs."""
        self._agreed.set()

    def _listen(self) -> None:
        while True:
            signal.sigwait(_SIGNALS)
            if self._break_network is None:
                os._exit(EXIT_PREEMPTED)
            if not self.requested:
                self.requested = True
                threading.Thread(target=self._wait, args=(self._break_network,), name="patience", daemon=True).start()

    def _wait(self, break_network: Callable[[], None]) -> None:
        while not self._agreed.wait(self._patience_seconds):
            break_network()


def patience_seconds(environ: Mapping[str, str]) -> float:
    """How long to wait for the others, of the grace that the supervisor has been told."""
    grace_seconds = float("inf")
    with contextlib.suppress(ValueError):  # the supervisor says what is wrong with it
        grace_seconds = float(environ.get(ENV_GRACE_SECONDS) or "inf")
    return min(_PATIENCE_SECONDS, _PATIENCE_RATIO * grace_seconds)
