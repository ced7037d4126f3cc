"""The prepare rank: `python -m wattrain_worker.data`, told by WATTRAIN_SPEC and WATTRAIN_DATA_DIR."""

from __future__ import annotations

import contextlib
import os
import resource
import sys
from pathlib import Path
from typing import Any

from wattrain_api.contract.kinds import one_line
from wattrain_api.contract.progress import MOST_WARNINGS, WARNING_CHARACTERS
from wattrain_api.names import ENV_DATA_DIR, ENV_SPEC
from wattrain_api.reasons import EXIT_OK
from wattrain_worker.data.prepare import prepare
from wattrain_worker.errors import BadSpec, WorkerError
from wattrain_worker.job_spec import read_spec
from wattrain_worker.report import report


def main() -> int:
    """Prepare, and return the exit code. An error of the user's is one line on standard error, without a traceback."""
    report(phase="preparing")
    _raise_limit_of_open_files()
    try:
        spec = read_spec(Path(_setting(ENV_SPEC)))
        preparation = prepare(spec, Path(_setting(ENV_DATA_DIR)))
    except WorkerError as error:
        print(f"error: {' '.join(str(error).splitlines())}", file=sys.stderr, flush=True)  # noqa: T201
        return error.exit_code
    summary = _summary(preparation.document)
    did = "already prepared, nothing to do" if preparation.was_there else "prepared"
    print(f"{did}: {', '.join(f'{name} {count}' for name, count in summary.items())}", flush=True)  # noqa: T201
    if why := preparation.document.get("taskChosen"):
        told_of = f"{preparation.document['task']} of {preparation.document['label']}: {why}"
        print(f"task: {told_of} (spec.data.task may say otherwise)", flush=True)  # noqa: T201
    warnings = preparation.document["warnings"]
    for warning in warnings:
        print(f"warning: {warning}", flush=True)  # noqa: T201
    told = [one_line(warning, WARNING_CHARACTERS) for warning in warnings[:MOST_WARNINGS]]
    # No phase: that it is done says the supervisor, which may have a group to start after it.
    report(prepare={**summary, "warnings": told})
    return EXIT_OK


def _raise_limit_of_open_files() -> None:
    """To what the system allows this process: of a folder whose files are not held every file is open, twice."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # a Mac's most is infinite, and is refused
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _summary(document: dict[str, Any]) -> dict[str, int]:
    """The counts for the supervisor: rows that were read, and what became of them."""
    counts = dict(document["counts"])
    issues = {"labelIssues": document["labelIssues"]["count"]} if "labelIssues" in document else {}
    return {"rows": counts.pop("read"), **counts, **issues}


def _setting(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise BadSpec(f"{name}: not set; the supervisor sets it, by hand give a path")
    return value


if __name__ == "__main__":
    sys.exit(main())
