"""Where the test processes of one run leave something for each other."""

from __future__ import annotations

from pathlib import Path

import pytest


def folder_of_run(config: pytest.Config) -> Path:
    """The folder that all test processes of a run share."""
    base = config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
    return Path(base.parent if hasattr(config, "workerinput") else base)


def folder_of_records(config: pytest.Config) -> Path:
    """Where the control planes of a run leave their records."""
    return folder_of_run(config) / "rights"
