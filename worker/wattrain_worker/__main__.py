"""`wattrain-worker`: the supervisor of one worker, or of the preparation of the data."""

from __future__ import annotations

import os
import re
import sys
import traceback
from dataclasses import replace
from typing import NoReturn

from wattrain_api import names, reasons
from wattrain_api.contract.failures import Failure
from wattrain_api.contract.kinds import LINE_CHARACTERS, one_line
from wattrain_worker.supervisor import termination_message
from wattrain_worker.supervisor.config import DEFAULT_TERMINATION_FILE, ConfigError, read_config
from wattrain_worker.supervisor.log_notices import say
from wattrain_worker.supervisor.main_loop import Supervisor

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
    node, last_line = os.environ.get(names.ENV_NODE, ""), one_line(line, LINE_CHARACTERS)
    path = os.environ.get(names.ENV_TERMINATION_FILE) or DEFAULT_TERMINATION_FILE
    cause = Failure(reason, exit_code, worker=_worker(), node=node, last_line=last_line)
    left = termination_message.left_before(path)  # of the joules that were counted so far
    termination_message.leave(path, replace(left, exit_code=exit_code, cause=cause, last_line=""))
    return exit_code


def _worker() -> int | None:
    """The index of this worker, where that is readable and this is no preparation."""
    index = os.environ.get(names.ENV_WORKER_INDEX) or "0"
    is_worker = os.environ.get(names.ENV_ROLE, names.ROLE_WORKER) == names.ROLE_WORKER
    return int(index) if is_worker and re.fullmatch("[0-9]{1,9}", index) else None


if __name__ == "__main__":
    main()
