"""What the operator asks the group to do: read at worker 0, passed on to the ranks of every worker.

A recipe's ranks look at a file of their supervisor's where they agree on stopping, which cannot end a rank that is not
ready for it, as a signal could. A script cannot be asked to save; it is stopped by SIGTERM.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from wattrain_api import names
from wattrain_api.atomic_file import write_atomically
from wattrain_api.contract.codec import encode_json
from wattrain_api.contract.directive import Directive
from wattrain_worker.directive_file import DirectiveFile
from wattrain_worker.supervisor.config import Config
from wattrain_worker.supervisor.log_notices import say
from wattrain_worker.supervisor.rank_reports import RankReports


class Directives:
    """The newest directive, on its way from the operator's file to the ranks."""

    def __init__(self, config: Config, directory: str | None, reports: RankReports) -> None:
        """`directory` is the supervisor's own, for the file of the ranks; None: there is none."""
        self._file = DirectiveFile(config.directive_file)
        self._is_script, self._reports = bool(config.command), reports
        self._why_not = _why_not(config, directory)
        self._ranks_file: Path | None = None
        if directory is not None and not self._why_not and config.worker == 0:  # rank 0 alone looks at it
            self._ranks_file = Path(directory) / "directive"
        self._taken: Directive | None = None
        self._said: set[str] = set()

    @property
    def environment(self) -> dict[str, str]:
        """What a rank is told of them."""
        return {} if self._ranks_file is None else {names.ENV_RANK_DIRECTIVE_FILE: str(self._ranks_file)}

    @property
    def has_news(self) -> bool:
        """Whether the operator's file is another than `read` has seen."""
        return self._file.has_changed

    def read(self) -> Directive | None:
        """The operator's newest directive, at worker 0. What is wrong with its file is said once."""
        directive, problem = self._file.read(), self._file.problem
        if problem and problem not in self._said:
            self._said.add(problem)
            say(f"{problem}; the training goes on without directives")
        return directive

    def pass_on(self, directive: Directive) -> None:
        """Have the ranks follow `directive`, but for a stop at the next possible step, which is a signal."""
        self._taken = directive
        asked = _what_it_asks(directive)
        if asked and self._why_not:
            self._reports.add_message(f"directive {directive.version} asks for {asked}, and {self._why_not}")
        self._write(directive)

    def start_generation(self) -> None:
        """New ranks start: a checkpoint or a profile that was asked for is not asked for again, but where to stop still
        holds."""
        if self._taken is not None:
            self._write(replace(self._taken, checkpoint=False, profile_steps=None))

    def has_reached_its_end(self, step: int) -> bool:
        """Whether a script is past the step at which it is to stop. A recipe stops by itself."""
        stop_at_step = None if self._taken is None else self._taken.stop_at_step
        return self._is_script and stop_at_step is not None and step >= stop_at_step

    def _write(self, directive: Directive) -> None:
        if self._ranks_file is None:
            return
        try:
            write_atomically(self._ranks_file, encode_json(directive))
        except OSError as error:
            said = f"directive {directive.version} does not reach the ranks: {self._ranks_file} cannot be written"
            self._reports.add_message(f"{said} ({error.strerror})")


def _what_it_asks(directive: Directive) -> str:
    """What of it the ranks alone can do; empty: nothing."""
    if directive.checkpoint:
        return "a checkpoint"
    if directive.profile_steps:
        return "a profile"
    if directive.threads:
        return "another number of threads"
    return "" if directive.duty_ratio in (None, 1.0) else "pauses"


def _why_not(config: Config, directory: str | None) -> str:
    """Why the ranks cannot be asked to save, to profile, to pause or for other threads; empty where they can."""
    if config.preparing:
        return "the data is still being prepared"
    if config.command:
        return "a script saves, profiles and pauses when it wants to"
    return "" if directory is not None else "there is no directory in which its ranks could be told"
