"""The one way in which a run says no: with sentences for a person, and an exit code."""

from __future__ import annotations

EXIT_COMPLETE, EXIT_FAILED, EXIT_BAD_INPUT, EXIT_BUDGET_SPENT, EXIT_INTERRUPTED = 0, 1, 2, 3, 130


class Refused(Exception):  # noqa: N818 (a no is an answer, not an error of the program)
    """The run cannot start, or cannot go on, for a reason that the user can remedy. Each line says how."""

    def __init__(self, *lines: str, exit_code: int = EXIT_BAD_INPUT) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines
        self.exit_code = exit_code
