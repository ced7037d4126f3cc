"""The command line: `wattrain run`, `wattrain validate`, `wattrain predict`, `wattrain operator`."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of `wattrain`."""
    try:
        from wattrain_operator.cli.app import app
    except ModuleNotFoundError as error:
        # Only the package itself is known to be here: the extra that brings the rest may be missing.
        if error.name is None or error.name.startswith("wattrain"):
            raise
        remedy = "pip install 'wattrain[local]' ('.[local]' in a clone)"
        sys.stderr.write(f"error: {error.name} is not installed: {remedy}\n")
        sys.exit(2)
    app()
