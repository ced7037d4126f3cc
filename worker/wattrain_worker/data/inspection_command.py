"""How a process that looks at data for `wattrain init` answers it."""

from __future__ import annotations

import sys
from collections.abc import Callable

from wattrain_api.base import Model
from wattrain_worker.errors import StorageUnavailable, WorkerError


def answered(inspect: Callable[[], Model]) -> int:
    """The exit code of `wattrain init`. What `inspect` finds is JSON on standard output, what is wrong one line on
    standard error."""
    try:
        found = inspect()
    except WorkerError as error:
        sys.stderr.write(f"error: {' '.join(str(error).splitlines())}\n")
        return 1 if isinstance(error, StorageUnavailable) else 2
    except KeyboardInterrupt:
        return 130
    sys.stdout.write(found.model_dump_json(by_alias=True))
    return 0
