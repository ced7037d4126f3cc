"""The prepare rank: `python -m wattrain_worker.data`, told by WATTRAIN_SPEC and WATTRAIN_DATA_DIR."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from wattrain_api.names import ENV_DATA_DIR, ENV_SPEC
from wattrain_api.reasons import EXIT_OK
from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_worker.data.errors import BadSpec, InputMissing, PreparationError
from wattrain_worker.data.prepare import prepare
from wattrain_worker.report import report


def main() -> int:
    """Prepare, and return the exit code. An error of the user's is one line on standard error, without a traceback."""
    report(phase="preparing")
    try:
        spec = _read_spec(Path(_setting(ENV_SPEC)))
        preparation = prepare(spec, Path(_setting(ENV_DATA_DIR)))
    except PreparationError as error:
        print(f"error: {' '.join(str(error).splitlines())}", file=sys.stderr, flush=True)  # noqa: T201
        return error.exit_code
    summary = _summary(preparation.document)
    did = "already prepared, nothing to do" if preparation.was_there else "prepared"
    print(f"{did}: {', '.join(f'{name} {count}' for name, count in summary.items())}", flush=True)  # noqa: T201
    report(phase="done", prepare=summary)
    return EXIT_OK


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


def _read_spec(path: Path) -> TrainingJobSpec:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InputMissing(f"{ENV_SPEC}: {path} cannot be read: {error.strerror}; give the path of the spec") from error
    try:
        return TrainingJobSpec.model_validate_json(text, extra="ignore")
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(["spec", *(str(part) for part in first["loc"])])
        raise BadSpec(f"{field}: {first['msg']}; it is {str(first['input'])[:200]!r}") from error


if __name__ == "__main__":
    sys.exit(main())
