"""What the preparation came to, as prepare.json tells it."""

from __future__ import annotations

import json
from pathlib import Path

from wattrain_api import names


def read_counts(directory: Path) -> dict[str, int]:
    """Rows by what became of them (`read`, `duplicates`, ..., `test`), as shown at the top of a run's directory.

    Empty where the file is missing or not readable.
    """
    try:
        document = json.loads((directory / names.FILE_PREPARE).read_bytes())
    except (OSError, ValueError):
        return {}
    counts = document.get("counts") if isinstance(document, dict) else None
    if not isinstance(counts, dict):
        return {}
    return {name: count for name, count in counts.items() if isinstance(count, int)}
