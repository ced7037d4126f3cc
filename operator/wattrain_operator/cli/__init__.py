"""The command line: `wattrain`, and as a plugin of kubectl `kubectl wattrain`."""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> None:
    """Entry point of `wattrain` and of `kubectl-wattrain`, by which kubectl finds `kubectl wattrain`."""
    try:
        from wattrain_operator.cli.app import app
    except KeyboardInterrupt:  # it takes a second, in which somebody may change their mind
        sys.exit(130)
    except ModuleNotFoundError as error:
        # Only the package itself is known to be here: the extra that brings the rest may be missing.
        if error.name is None or error.name.startswith("wattrain"):
            raise
        remedy = "pip install 'wattrain[local]' ('.[local]' in a clone)"
        sys.stderr.write(f"error: {error.name} is not installed: {remedy}\n")
        sys.exit(2)
    as_plugin = Path(sys.argv[0]).name.startswith("kubectl-")
    app(prog_name="kubectl wattrain" if as_plugin else "wattrain")
