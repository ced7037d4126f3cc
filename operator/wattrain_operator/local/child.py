"""One supervisor from start to end, as the core sees it."""

from __future__ import annotations

import contextlib
import os
import signal
import time
import uuid
from typing import Literal

from wattrain_api.contract.directive import Directive
from wattrain_api.contract.termination import TerminationMessage as Left
from wattrain_operator.core.observed import Child, CreateChild, TerminationMessage
from wattrain_operator.local.directive_writing import given_directive, sole_writer, write_directive
from wattrain_operator.local.launch import RunContext, directive_file, launch, listening_socket, termination_file
from wattrain_operator.local.processes import kill_tree
from wattrain_operator.workers.decode import to_termination

KILL_AFTER_SECONDS = 15.0
"""From SIGTERM to SIGKILL: what ranks get for a checkpoint, and some for their supervisor to write its message."""
Phase = Literal["Running", "Succeeded", "Failed"]


class LocalChild:
    """A supervisor process and what is remembered of it."""

    def __init__(self, context: RunContext, made: CreateChild, coordinator_port: int | None, token: str) -> None:
        """Start it. `coordinator_port` None: it is worker 0 itself, or has no group."""
        self.made = made
        self.uid = str(uuid.uuid4())
        self.removed = False
        self._file = termination_file(context.directory, made.name)
        self._directive_file = directive_file(context.directory, made.name)
        self._asked_to_end_at: float | None = None
        self._termination: TerminationMessage | None = None
        self._shown_ended = False
        with listening_socket() as listening:  # closed here once it is handed on: a dead supervisor refuses at once
            self.port: int = listening.getsockname()[1]
            self._process = launch(context, made, self.uid, listening, coordinator_port or self.port, token)

    @property
    def pid(self) -> int:
        """Process id of the supervisor."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether its end has been noticed by `look_for_end`."""
        return self._termination is not None

    @property
    def ends_unnoticed(self) -> bool:
        """Whether it has ended, and `look_for_end` is still to notice."""
        return not self.ended and self._process.poll() is not None

    @property
    def forgettable(self) -> bool:
        """Whether it is to be removed, and the core has seen its termination message."""
        return self.removed and self._shown_ended

    def direct(self, directive: Directive) -> None:
        """Give it `directive` for its group, unless `wattrain profile` has given one of that version meanwhile, which
        the next look sees."""
        with sole_writer(self._directive_file):
            given = given_directive(self._directive_file)
            if given is None or given.version < directive.version:
                write_directive(self._directive_file, directive)

    def look_for_end(self) -> Left | None:
        """Notice that the process has ended: what it left, once; None: it runs, or left nothing readable."""
        if self.ended or self._process.poll() is None:
            return None
        self._termination, left = to_termination(self._left(), self._process.returncode, self.made.worker)
        return left

    def observe(self, *, ready: bool) -> Child:
        """As the core sees it now."""
        self._shown_ended = self._shown_ended or self.ended
        asked = self._asked_to_end_at
        return Child(
            name=self.made.name,
            uid=self.uid,
            role=self.made.role,
            attempt=self.made.attempt,
            worker=self.made.worker,
            phase=self._phase(),
            ready=ready and not self.ended,
            terminating_seconds=None if asked is None else time.monotonic() - asked,
            message="" if ready else "its supervisor does not answer",
            termination=self._termination,
            directive=given_directive(self._directive_file),
        )

    def remove(self, *, force: bool = False) -> None:
        """Ask it to save, stop and be forgotten; by force: now."""
        self.removed = True
        if self._process.poll() is not None:
            return
        if force:
            self.kill()
        elif self._asked_to_end_at is None:
            self._asked_to_end_at = time.monotonic()
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)  # the supervisor alone: it stops its ranks, which save

    def kill_if_overdue(self) -> None:
        """End it by force when it has had its time."""
        asked = self._asked_to_end_at
        if asked is not None and not self.ended and time.monotonic() - asked > KILL_AFTER_SECONDS:
            self.kill()

    def kill(self) -> None:
        """End it and all its ranks now."""
        if self._process.poll() is None:
            kill_tree(self.pid)
            self._process.wait(timeout=5)

    def _left(self) -> bytes:
        try:
            return self._file.read_bytes()
        except OSError:
            return b""

    def _phase(self) -> Phase:
        if self._termination is None:
            return "Running"
        return "Failed" if self._termination.exit_code else "Succeeded"
