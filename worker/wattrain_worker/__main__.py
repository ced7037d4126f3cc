"""`wattrain-worker`: the supervisor of one worker, or of the preparation of the data."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Any, NoReturn

from wattrain_api import names, reasons
from wattrain_worker.supervisor import last_word
from wattrain_worker.supervisor.app import Supervisor
from wattrain_worker.supervisor.config import DEFAULT_TERMINATION_FILE, ConfigError, read_config
from wattrain_worker.supervisor.notices import say

_HELP = """usage: wattrain-worker

Supervises one worker of a TrainingJob: starts its ranks, measures power, serves /metrics, /healthz and /v1/progress,
and takes part in the restarts of its group. It takes no arguments. `wattrain run` and the operator start it and
configure it by environment variables (WATTRAIN_SPEC, WATTRAIN_WORKER_INDEX, WATTRAIN_WORKERS, ...).
"""


def main() -> NoReturn:
    """Supervise, and exit with the code that the operator is to see."""
    arguments = sys.argv[1:]
    if arguments in (["--help"], ["-h"]):
        sys.stdout.write(_HELP)
        sys.exit(reasons.EXIT_OK)
    if arguments:
        say(f"there is no argument {arguments[0]!r}: only --help")
        sys.exit(reasons.EXIT_BAD_SPEC)
    try:
        exit_code = Supervisor(read_config()).run()
    except ConfigError as error:
        say(str(error))
        exit_code = _give_up(reasons.EXIT_BAD_SPEC, reasons.BAD_SPEC, str(error))
    except Exception as error:  # the ranks die with this process: say why
        traceback.print_exc()
        exit_code = _give_up(1, reasons.PROGRAM_FAILED, f"the supervisor failed: {type(error).__name__}: {error}")
    sys.exit(exit_code)


def _give_up(exit_code: int, reason: str, line: str) -> int:
    cause: dict[str, Any] = {"rank": None, "node": os.environ.get(names.ENV_NODE, ""), "reason": reason}
    cause.update(exitCode=exit_code, lastLine=line[:1024], step=0)
    path = os.environ.get(names.ENV_TERMINATION_FILE) or DEFAULT_TERMINATION_FILE
    last_word.leave(path, {"version": 1, "exitCode": exit_code, "cause": cause})
    return exit_code


if __name__ == "__main__":
    main()
