"""How a process that looks at data for `wattrain init` answers it."""

from __future__ import annotations

import sys
from collections.abc import Callable

from wattrain_api.base import Model
from wattrain_api.data import Source
from wattrain_worker.data.naming import naming_source
from wattrain_worker.errors import StorageUnavailable, WorkerError


def answered(inspect: Callable[[Source], Model], source: str) -> int:
    """The exit code of `wattrain init`. What `inspect` finds in `source`, which is JSON, is JSON on standard output,
    what is wrong one line on standard error."""
    given = Source.model_validate_json(source)
    try:
        with naming_source(given):
            found = inspect(given)
    except WorkerError as error:
        sys.stderr.write(f"error: {' '.join(str(error).splitlines())}\n")
        return 1 if isinstance(error, StorageUnavailable) else 2
    except KeyboardInterrupt:
        return 130
    sys.stdout.write(found.model_dump_json(by_alias=True))
    return 0
