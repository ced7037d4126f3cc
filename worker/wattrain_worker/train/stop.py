"""SIGTERM, heard at any time, even while the main thread waits for the network outside of Python."""

from __future__ import annotations

import os
import signal
import threading
from typing import Final

from wattrain_api.reasons import EXIT_PREEMPTED

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class StopSignal:
    """Before the training begins there is nothing to save, so a signal ends the process at once. From then on it is
    only noted, and the ranks agree on the step at which they stop."""

    def __init__(self) -> None:
        """Listen from here on; to be called before other threads are started, which inherit that they do not."""
        self.requested = False
        self._something_to_save = False
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        threading.Thread(target=self._listen, name="signals", daemon=True).start()

    def training_begins(self) -> None:
        """From here on, whoever stops the rank has to wait for a checkpoint."""
        self._something_to_save = True

    def _listen(self) -> None:
        while True:
            signal.sigwait(_SIGNALS)
            if not self._something_to_save:
                os._exit(EXIT_PREEMPTED)
            self.requested = True
